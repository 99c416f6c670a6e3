/* SPDX-License-Identifier: MIT */
#ifndef TOOL_PUMP_H
#define TOOL_PUMP_H

#include <qmp/qmp.h>

/* Does what a client can do now, or else waits until it can do something, or the deadline. When the reader of standard
 * output goes away meanwhile, the process ends, quietly. What became of the connection is for others to ask. */
void pump(qmp_client *c, uint64_t deadline);

/* The same wait for a descriptor that becomes readable. */
void pump_sleep(int fd, short events, uint64_t deadline);

#endif
