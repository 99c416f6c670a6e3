/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_RESOLVE_H
#define SRC_TRANSPORT_RESOLVE_H

#include <netdb.h>
#include <stddef.h>

/* A name that is being looked up. */
struct resolve;

/* Starts to look a host up, for stream sockets with this port. Returns 0, -ENOMEM, -EMFILE, -ENFILE, -EAGAIN when the
 * system has no thread to give. */
int resolve_start(struct resolve **ret, const char *host, unsigned port);
/* To poll: readable once resolve_result() has one. */
int resolve_get_fd(const struct resolve *r);
/* Returns 0 with the addresses, borrowed; -EAGAIN while the look-up goes on; -EHOSTUNREACH when the name is not known
 * or nobody who knows can be asked, -ENOMEM, other errnos, with words in *reterr_why. */
int resolve_result(struct resolve *r, const struct addrinfo **ret, const char **reterr_why);
/* At any time. A look-up that goes on ends by itself, unheard. */
void resolve_free(struct resolve *r);

#endif
