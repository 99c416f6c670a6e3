/* SPDX-License-Identifier: MIT */
#ifndef TOOL_COMPLAIN_H
#define TOOL_COMPLAIN_H

#include <qmp/types.h>

/* Writes "qmp: " and one line to standard error. Whatever a terminal might obey in it is escaped, so text of the server
 * and of the command line may be passed as it is. */
void complain(const char *format, ...) QMP_PRINTF(1, 2);

/* What the lines of this thread are about from now on, such as "line 3": it stands before them. Borrowed; NULL: nothing
 * of the kind. */
void complain_where(const char *where);

/* Sets what is called before each line that this thread says, for whoever has drawn something on the terminal that must
 * go first; NULL: nothing. */
void complain_prepare(void (*prepare)(void *userdata), void *userdata);

#endif
