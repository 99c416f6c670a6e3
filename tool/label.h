/* SPDX-License-Identifier: MIT */
#ifndef TOOL_LABEL_H
#define TOOL_LABEL_H

/* The name of the server that this thread talks to, where the command line names several; else NULL. What goes to
 * standard output and standard error is labelled with it. Borrowed. */
const char *label_get(void);
void label_set(const char *label);

#endif
