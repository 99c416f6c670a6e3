/* SPDX-License-Identifier: MIT */
#ifndef SRC_MESSAGE_STREAM_H
#define SRC_MESSAGE_STREAM_H

#include "frame/frame.h"
#include "message/message.h"

/* What is wrong with a stream, for the words of an error. */
struct stream_flaw {
    const char *what;
    const char *text; /* the server's bytes, from the flaw on if it is known where it is; valid until the next call */
    size_t size;
};

/* Takes bytes from [*data, *data + *size), cut anywhere, and makes the next message of them, as frame_next() does for
 * texts.
 *
 * Returns 1 and the message, the caller's; 0 when everything was taken and more is needed; -EBADMSG, -EPROTO,
 * -EMSGSIZE, -ELOOP with *reterr_flaw; -ENOMEM. After an error the stream is lost. */
int stream_next(struct frame *f, const char **data, size_t *size, qmp_message **ret, struct stream_flaw *reterr_flaw);

#endif
