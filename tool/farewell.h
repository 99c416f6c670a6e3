/* SPDX-License-Identifier: MIT */
#ifndef TOOL_FAREWELL_H
#define TOOL_FAREWELL_H

#include <qmp/types.h>

/* From now on, SIGINT, SIGTERM and SIGHUP say this line on standard error and then end the process as ever; those that
 * are ignored stay so. For what goes on in the server when this process has gone. Once in a process. */
void farewell_say(const char *format, ...) QMP_PRINTF(1, 2);

#endif
