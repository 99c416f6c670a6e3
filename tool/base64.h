/* SPDX-License-Identifier: MIT */
#ifndef TOOL_BASE64_H
#define TOOL_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* How many characters encode a number of bytes, padding included. */
#define BASE64_SIZE(n_bytes) (((n_bytes) + 2) / 3 * 4)

/* Encodes into `out`, which has room for BASE64_SIZE(size) characters. No NUL is put behind them. Returns their number.
 */
size_t base64_encode(char *out, const void *bytes, size_t size);

/* Decodes into `out`, which has room for size / 4 * 3 bytes and may be `text` itself. Returns false when the text is
 * not what base64_encode() makes of some bytes; then what is in `out` means nothing. */
bool base64_decode(void *out, const char *text, size_t size, size_t *ret_size);

#endif
