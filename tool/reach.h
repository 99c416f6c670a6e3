/* SPDX-License-Identifier: MIT */
#ifndef TOOL_REACH_H
#define TOOL_REACH_H

#include "commandline.h"
#include "locate.h"
#include "sockets.h"

/* Where a socket that another process has on its command line is from here. `sockets` is filled when that needs to be
 * known. False without memory. */
bool reach_find(struct monitor *ret, long pid, const struct endpoint *e, struct sockets **sockets);

#endif
