/* SPDX-License-Identifier: MIT */
#ifndef TOOL_COMPLETE_H
#define TOOL_COMPLETE_H

#include "schema.h"

/* What may stand in a place: the whole word, a meaning in a few words ("" when there is none to tell), and whether the
 * word is finished (else more belongs to it: "driver=", "file."). Both are valid during the call only. */
typedef void (*complete_fn)(const char *word, const char *meaning, bool finished, void *userdata);

/* Names what the last of the words of a call may become: words[0] is the command, the others are arguments as `call`
 * takes them; the last one is incomplete, and may be "". From the schema alone. */
void complete_call(
    const struct schema *s, const char *const *words, size_t n_words, complete_fn candidate, void *userdata);

/* The same for the last of words that are the members of a type alone, with their values ("id=job1"). */
void complete_members(const struct schema *s, qmp_value type_name, const char *const *words, size_t n_words,
    complete_fn candidate, void *userdata);

/* The same for a path to something in a value of a type ("inserted.file"). */
void complete_path(
    const struct schema *s, qmp_value type_name, const char *written, complete_fn candidate, void *userdata);

/* The same for the name of a command, an event, or either. */
void complete_name(
    const struct schema *s, bool commands, bool events, const char *written, complete_fn candidate, void *userdata);

/* Whether a name can stand on the command line of any shell as it is: it has letters, digits, '-', '_', '.', '@' only,
 * and more than none. */
bool complete_is_plain(const char *name, size_t size);

#endif
