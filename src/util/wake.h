/* SPDX-License-Identifier: MIT */
#ifndef SRC_UTIL_WAKE_H
#define SRC_UTIL_WAKE_H

/* A descriptor to poll that is made readable and unreadable from here: an eventfd, or a pipe where there is none. */
struct wake {
    int fds[2]; /* to poll, and to write to: the same for an eventfd; -1: not open */
};

void wake_init(struct wake *w);
/* Returns 0, -EMFILE, -ENFILE, -ENOMEM. */
int wake_open(struct wake *w);
void wake_close(struct wake *w);
/* Neither blocks nor fails. */
void wake_set(const struct wake *w);
void wake_clear(const struct wake *w);

#endif
