/* SPDX-License-Identifier: MIT */
/* From the text of an address to a socket address. It refuses to know whether anybody is there. */

#include "transport/address.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* "word:" in front of what could be a path. */
static bool has_scheme(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-");

    return n > 0 && text[n] == ':';
}

int address_parse(struct address *ret, const char *text, const char **reterr_flaw)
{
    struct address a = {.un = {.sun_family = AF_UNIX}};
    const char *path = text;
    size_t n = strlen(text);
    bool abstract;

    if (n >= 5 && memcmp(text, "unix:", 5) == 0) {
        path += 5;
        n -= 5;
    } else if (has_scheme(text)) {
        *reterr_flaw = "an unknown kind of address (a path with a colon is written ./PATH)";
        return -EINVAL;
    }
    if (n == 0) {
        *reterr_flaw = "an empty path";
        return -EINVAL;
    }
    abstract = path != text && path[0] == '@';
    if (abstract) {
#ifndef __linux__
        *reterr_flaw = "an abstract name, which only Linux has";
        return -EINVAL;
#endif
        if (n == 1) {
            *reterr_flaw = "an empty abstract name";
            return -EINVAL;
        }
    }
    /* The NUL of a path counts; an abstract name has none. */
    if (n > sizeof(a.un.sun_path) - (abstract ? 0 : 1)) {
        *reterr_flaw = "a path too long for a socket (107 bytes on Linux)";
        return -ENAMETOOLONG;
    }
    memcpy(a.un.sun_path, path, n);
    a.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (abstract)
        a.un.sun_path[0] = '\0';
    else
        a.size++;
    *ret = a;
    return 0;
}
