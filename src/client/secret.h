/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_SECRET_H
#define CLIENT_SECRET_H

#include <stdbool.h>

#include <qmp/value.h>

/* Where one looks for secrets in a message; secrets_of() starts. */
struct secrets {
    const char *at, *end;
    qmp_value own; /* the one that only this command's other arguments tell; absent: none */
};

/* A message that was validated: what was sent, or what was received. */
struct secrets secrets_of(qmp_value message);

/* The next value that is a secret, in the order of the text. */
bool secrets_next(struct secrets *s, qmp_value *ret);

#endif
