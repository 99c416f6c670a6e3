/* SPDX-License-Identifier: MIT */
/* From bytes that are cut anywhere to messages.
 *
 * A message that lies whole in the input, as nearly all do, is validated where it lies, and that finds its end too:
 * each byte is looked at once. Only when the validator runs into the end of the input does the frame take over, to
 * collect the rest by structure, and then the whole message is validated. Which of the two ways a message took makes no
 * difference to what comes out. */

#include "message/stream.h"

#include <errno.h>

#include "util/util.h"

static int refuse(
    struct stream_flaw *reterr_flaw, int error, const char *text, size_t size, const struct message_flaw *flaw)
{
    size_t at = flaw && flaw->at < size && error == -EBADMSG ? flaw->at : 0;

    const char *what = flaw                 ? flaw->what
                       : error == -EMSGSIZE ? "too large"
                       : error == -ELOOP    ? "nested too deep"
                                            : "no message starts like this";

    *reterr_flaw = (struct stream_flaw){what, text + at, size - at};
    return error;
}

/* The message at the start of the input. Returns as stream_next(); 0 also when it does not lie there whole. */
static int whole(struct frame *f, const char **data, size_t *size, qmp_message **ret, struct stream_flaw *reterr_flaw)
{
    CLEANUP(qmp_message_unrefp) qmp_message *m = NULL;
    struct message_flaw flaw = {0};
    size_t used = 0;
    int r;

    r = message_new_first(&m, *data, *size, f->depth_max, &used, &flaw);
    if (r < 0)
        return flaw.truncated ? 0 : refuse(reterr_flaw, r, *data, *size, &flaw);
    if (qmp_message_root(m).size > f->size_max)
        return refuse(reterr_flaw, -EMSGSIZE, *data, used, /* flaw= */ NULL);
    *data += used;
    *size -= used;
    *ret = TAKE(m);
    return 1;
}

int stream_next(struct frame *f, const char **data, size_t *size, qmp_message **ret, struct stream_flaw *reterr_flaw)
{
    struct message_flaw flaw = {0};
    const char *text;
    size_t text_size;
    int r;

    if (frame_skip_space(f, data, size) && **data == '{') {
        r = whole(f, data, size, ret, reterr_flaw);
        if (r != 0)
            return r;
    }
    r = frame_next(f, data, size, &text, &text_size);
    if (r == 0)
        return 0;
    if (r < 0)
        return refuse(reterr_flaw, r, text, text_size, /* flaw= */ NULL);
    r = message_new(ret, text, text_size, f->depth_max, &flaw);
    return r < 0 ? refuse(reterr_flaw, r, text, text_size, &flaw) : 1;
}
