/* SPDX-License-Identifier: MIT */
#ifndef TOOL_WRITTEN_H
#define TOOL_WRITTEN_H

#include "outcome.h"

/* Ends the document of a writer and prints it as output_json() does, with the spaces between tokens that QEMU's own
 * JSON has: what qmp makes looks like what it passes on. */
enum outcome written_print(qmp_writer *w);

#endif
