/* SPDX-License-Identifier: MIT */
#ifndef TOOL_ASK_H
#define TOOL_ASK_H

#include "options.h"

/* Refuses what cannot be sent as the name of a command. */
enum outcome ask_check(const char *command);

/* Runs a command on a connected client, until --timeout passes. The reply is the caller's. When it fails, that has been
 * said, QEMU's own words included. */
enum outcome ask(
    const struct options *o, qmp_client *c, const char *command, const char *arguments, qmp_message **ret_reply);

/* Says that a server refused a command, and which outcome that is. */
enum outcome ask_refused(const char *command, const qmp_message *refusal);

/* Says why a command got no answer, and which outcome that is. */
enum outcome ask_failed(const struct options *o, qmp_client *c, const char *command, int error);

#endif
