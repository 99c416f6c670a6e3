/* SPDX-License-Identifier: MIT */
#ifndef TOOL_COMPLAIN_H
#define TOOL_COMPLAIN_H

#include <qmp/types.h>

/* Writes "qmp: " and one line to standard error. Whatever a terminal might obey in it is escaped, so text of the server
 * and of the command line may be passed as it is. */
void complain(const char *format, ...) QMP_PRINTF(1, 2);

#endif
