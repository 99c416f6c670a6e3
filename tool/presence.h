/* SPDX-License-Identifier: MIT */
#ifndef TOOL_PRESENCE_H
#define TOOL_PRESENCE_H

#include "options.h"

enum presence {
    PRESENCE_THERE, /* connected */
    PRESENCE_GONE,
    PRESENCE_FAILED, /* neither can be told; see the outcome */
};

/* Connects a client, where a server that is not there is no failure: with `ready`, until there is one; with `gone`,
 * that is the answer. While another client holds the monitor, this is said, and waited for. */
enum presence presence_find(const struct options *o, qmp_client *c, bool ready, bool gone, enum outcome *ret_outcome);

#endif
