/* SPDX-License-Identifier: MIT */
#ifndef TOOL_GA_THAW_H
#define TOOL_GA_THAW_H

#include "options.h"

/* What became of a guest that had to be thawed. */
enum thawed {
    THAWED,         /* by us */
    THAWED_ALREADY, /* it was not frozen any more */
    THAWED_NOT      /* STILL FROZEN, which has been said */
};

/* Thaws the guest's file systems, whatever it takes: on the connection of `c`, which may be NULL, as long as that
 * lasts, then on new ones; for as long as --wait-for-socket says, or a minute. --timeout does not bound it. `aloud`:
 * says so when it has succeeded, which it else does only after trouble. */
enum thawed thaw_surely(const struct options *o, qmp_client *c, bool aloud);

#endif
