/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_ADDRESS_H
#define SRC_TRANSPORT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The grammar, for error messages. */
#define ADDRESS_GRAMMAR                                                                                                \
    "write PATH, unix:PATH, unix:@NAME, tcp:HOST:PORT, tcp:[IPV6]:PORT, vsock:CID:PORT, fd:N or exec:COMMAND"

/* The longest host name, as DNS has it. */
#define ADDRESS_HOST_MAX 255u
/* Whoever dials, for a vsock socket that listens. */
#define ADDRESS_CID_ANY 4294967295u

enum address_kind { ADDRESS_UNIX, ADDRESS_TCP, ADDRESS_VSOCK, ADDRESS_FD, ADDRESS_EXEC };

/* What an address says. Strings are slices of the text that was parsed. */
struct address {
    enum address_kind kind;
    union {
        struct {
            struct sockaddr_un un;
            socklen_t size;
        } unix_;
        struct {
            const char *host; /* without brackets */
            size_t host_size;
            bool numeric; /* in brackets, or IPv4 in digits */
            unsigned port;
        } tcp;
        struct {
            unsigned cid, port;
        } vsock;
        int fd;
        const char *command;
    };
};

/* Returns 0; -EINVAL or -ENAMETOOLONG with what is wrong in *reterr_flaw, a static string. Port 0 and CID any pass:
 * they are for those who listen. */
int address_parse(struct address *ret, const char *text, const char **reterr_flaw);

/* The socket address of a UNIX, vsock or numeric TCP address. Returns 0, -EAFNOSUPPORT where the system has none of the
 * kind, -EADDRNOTAVAIL when an IPv6 address names a network interface that there is not. */
int address_resolve(const struct address *a, struct sockaddr_storage *ret, socklen_t *ret_size);

/* A socket address as text in the grammar: "tcp:127.0.0.1:4444", "unix:@name"; its host alone: "127.0.0.1", "[::1]".
 * Truncated when it does not fit. */
void address_format(char *out, size_t size, const struct sockaddr_storage *s, socklen_t s_size);
void address_format_host(char *out, size_t size, const struct sockaddr_storage *s, socklen_t s_size);

#endif
