/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_ADDRESS_H
#define SRC_TRANSPORT_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

/* The grammar, for error messages. */
#define ADDRESS_GRAMMAR "write PATH, unix:PATH or unix:@NAME"

struct address {
    struct sockaddr_un un;
    socklen_t size;
};

/* Returns 0; -EINVAL or -ENAMETOOLONG with what is wrong in *reterr_flaw, a static string. */
int address_parse(struct address *ret, const char *text, const char **reterr_flaw);

#endif
