/* SPDX-License-Identifier: MIT */
#ifndef TOOL_REFUSAL_H
#define TOOL_REFUSAL_H

#include "options.h"

/* A server has refused a command. With --graceful for this class of errors, that is fine, and the error is printed;
 * else it is said, with what may help, and which outcome that is. */
enum outcome refusal_handle(const struct options *o, qmp_client *c, const char *command, const qmp_message *refusal);

#endif
