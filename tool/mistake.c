/* SPDX-License-Identifier: MIT */

/* Addresses that are nearly right.
 *
 * The library says what is wrong with an address; here is what to write instead, for the mistakes that are made with a
 * command line: kinds of addresses that other programs have, capitals, a '~' that the shell has left as it was. What
 * could be a file that is there is never a mistake.
 *
 * It knows nothing of what a right address is. */

#include "mistake.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "complain.h"

/* Kinds of addresses that there are not, and what to write instead: `front`, the rest behind the colon, `back`. */
static const struct {
    const char *prefix;
    const char *front;
    bool rest; /* it is worth repeating … */
    bool path; /* … with its slash */
    const char *back;
} kinds[] = {
    {"tls:", "to encrypt, write tcp:", true, false, " with --tls-x509 DIR or --tls-psk DIR"},
    {"ssl:", "to encrypt, write tcp:", true, false, " with --tls-x509 DIR or --tls-psk DIR"},
    {"telnet:", "write tcp:", true, false, ", and start QEMU with tcp: instead of telnet: too"},
    {"ssh:", "write exec:ssh HOST socat - UNIX-CONNECT:PATH", false, false, ""},
    {"file:", "a path is written as it is: ", true, true, ""},
    {"path:", "a path is written as it is: ", true, true, ""},
    {"qmp:", "write tcp:HOST:PORT, or the path of a socket", false, false, ""},
};

/* The kinds that there are, of which somebody may have written the name in capitals. */
static const char *const known[] = {"unix:", "tcp:", "vsock:", "fd:", "exec:"};

/* Behind "//", as in a URL. */
static const char *slashes_skip(const char *rest, bool path)
{
    if (strncmp(rest, "//", 2) != 0)
        return rest;
    return path ? rest + strspn(rest, "/") - 1 : rest + 2;
}

static enum outcome kind_check(const char *address)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t n = strlen(known[i]);
        if (strncasecmp(address, known[i], n) != 0)
            continue;
        if (strncmp(address, known[i], n) == 0)
            return OUTCOME_DONE;
        complain("'%s' is no address: small letters: %s%s", address, known[i], address + n);
        return OUTCOME_USAGE;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t n = strlen(kinds[i].prefix);
        if (strncasecmp(address, kinds[i].prefix, n) != 0)
            continue;
        complain("'%s' is no address: %s%s%s", address, kinds[i].front,
            kinds[i].rest ? slashes_skip(address + n, kinds[i].path) : "", kinds[i].back);
        return OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}

enum outcome mistake_check(const char *address)
{
    const char *path = strncmp(address, "unix:", 5) == 0 ? address + 5 : address;

    if (*path == '~' && access(path, F_OK) < 0) {
        complain("'%s' is not there: the shell takes '~' for your home only where a word starts with it, without "
                 "quotes; write \"$HOME%s\"",
            address, path + strcspn(path, "/"));
        return OUTCOME_USAGE;
    }
    if (*address == '@' && access(address, F_OK) < 0) {
        complain("'%s' is no address: an abstract name is written unix:%s", address, address);
        return OUTCOME_USAGE;
    }
    return strchr(address, ':') != NULL ? kind_check(address) : OUTCOME_DONE;
}
