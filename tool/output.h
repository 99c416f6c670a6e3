/* SPDX-License-Identifier: MIT */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include "options.h"

/* The most bytes that a thread holds back. */
#define OUTPUT_MAX 65536

/* How JSON is written: once, before anything is. */
void output_setup(const struct options *o);

/* Says it when nothing can be written to standard output, because it is closed: for verbs that would find out late. */
enum outcome output_check(void);

/* Whether standard output is a terminal: a person reads, and text of a server goes there escaped. */
bool output_is_terminal(void);

/* Writes to standard output, through a buffer; as it is, or with what a terminal might obey escaped. */
enum outcome output_text(const char *text, size_t size);
enum outcome output_escaped(const char *text, size_t size);

/* The same, formatted, as it is. Texts of a server in it are the caller's to escape. */
enum outcome output_print(const char *format, ...) QMP_PRINTF(1, 2);

/* Writes a JSON value as --output and --get say: as a line (as it is when it has no line breaks, else with the white
 * space around its tokens brought to what QEMU writes when it does not indent), indented, or as a record of RFC 7464.
 * Where the command line names several servers, it becomes {"target": NAME, "value": VALUE}, and with --get
 * "NAME<tab>VALUE". */
enum outcome output_json(qmp_value v);

/* Whether --get found nothing in a value that was written. */
bool output_missed(void);

/* Writes out what is buffered. */
enum outcome output_flush(void);

/* From now on, tells once when standard output, a pipe or a socket, has kept this thread waiting for longer than
 * `patience` µs altogether. It goes on waiting then. Again, it starts anew; a NULL `slow` ends it. */
void output_set_patience(uint64_t patience, void (*slow)(void *userdata), void *userdata);

/* Ends the process as a write to a pipe without a reader does: quietly, by SIGPIPE. */
_Noreturn void output_abandon(void);

#endif
