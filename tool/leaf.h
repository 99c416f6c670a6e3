/* SPDX-License-Identifier: MIT */
#ifndef TOOL_LEAF_H
#define TOOL_LEAF_H

#include "judge.h"

/* Where a value goes, and what the user wrote for it. */
struct place {
    struct judge *judge;
    qmp_writer *writer;
    const char *key; /* in an object, else NULL */
    const char *path;
};

/* Writes what a text stands for in a type of the schema, or in a kind where that is enough to know; the type is then
 * absent. OUTCOME_USAGE, and a fault, when it stands for nothing there. */
enum outcome leaf_write(const struct place *p, const char *text, enum kind kind, qmp_value type);

#endif
