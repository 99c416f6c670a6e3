/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SIGNATURE_H
#define TOOL_SIGNATURE_H

#include "outcome.h"
#include "schema.h"

/* Prints an entity of a schema as a declaration, everything that it uses included. */
enum outcome signature_print(const struct schema *s, qmp_value entity);

#endif
