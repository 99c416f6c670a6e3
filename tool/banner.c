/* SPDX-License-Identifier: MIT */

/* Servers that one may have reached by mistake, told by the first thing that they say.
 *
 * It knows nothing of connections. */

#include "banner.h"

#include <string.h>

#define HUMAN                                                                                                          \
    {                                                                                                                  \
        "QEMU's monitor for people (HMP)", "for QMP, start QEMU with -qmp unix:PATH,server=on,wait=off, or give this " \
                                           "-mon the option mode=control"                                              \
    }

static const struct {
    const char *start;
    const char *inside; /* NULL: anything */
    struct banner banner;
} table[] = {
    {"QEMU ", "monitor - type 'help'", HUMAN},
    {"(qemu)", NULL, HUMAN},
    {"RFB ", NULL, {"a VNC server", ""}},
    {"NBDMAGIC", NULL, {"an NBD server", ""}},
    {"REDQ", NULL, {"a SPICE server", ""}},
    {"SSH-", NULL, {"an SSH server", ""}},
    {"HTTP/", NULL, {"a web server", ""}},
    {"\x15\x03", NULL, {"a TLS server", "encrypt with --tls-x509 DIR or --tls-psk DIR"}},
    {"220 ", NULL, {"a mail or FTP server", ""}},
    {"+OK", NULL, {"a mail or gdb server", ""}},
    {"SeaBIOS", NULL, {"the serial console of a guest", ""}},
};

const struct banner *banner_find(const char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t n = strlen(table[i].start);
        if (size < n || memcmp(bytes, table[i].start, n) != 0)
            continue;
        if (table[i].inside == NULL || memmem(bytes, size, table[i].inside, strlen(table[i].inside)) != NULL)
            return &table[i].banner;
    }
    return NULL;
}
