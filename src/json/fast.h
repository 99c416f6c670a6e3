/* SPDX-License-Identifier: MIT */
#ifndef SRC_JSON_FAST_H
#define SRC_JSON_FAST_H

#include <stdbool.h>
#include <stddef.h>

#include "json/validate.h"

/* True when an object or array starts the text (after optional white space) that json_validate_first() accepts without
 * flags; *scan is then filled as that would. False: not sure, ask it; *scan holds nothing of use. Reads
 * text[0 … size-1] only; what follows the document costs nothing. */
bool json_validate_fast(const char *text, size_t size, unsigned depth_max, struct json_scan *scan);

#endif
