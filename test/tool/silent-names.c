/* SPDX-License-Identifier: MIT */

/* Name servers that never answer: a getaddrinfo(3) to be loaded before the C library's. It knows no name. */

#include <netdb.h>
#include <unistd.h>

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)host;
    (void)port;
    (void)hints;
    (void)ret;
    for (;;)
        pause();
}
