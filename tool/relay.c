/* SPDX-License-Identifier: MIT */

/* One connection, passed on and recorded.
 *
 * Two ways, each with room for one chunk: it is read when the last one is gone, so a peer that does not read holds up
 * the other one as if they were connected, and memory is bounded. Every byte goes on as it came, descriptors with the
 * chunk that they came with. A chunk is recorded before it goes on, so in the capture a command stands before its
 * answer. The end of one side is passed on; the connection is over when the server has ended it and the client has
 * everything, or when the client has gone.
 *
 * It knows nothing of what is said. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "complain.h"
#include "duration.h"
#include "ending.h"
#include "frames.h"
#include "relay.h"

#define CHUNK_MAX ((size_t)65536)
/* Descriptors that come with one chunk: what Linux sends at most. */
#define FDS_MAX 253

struct way {
    struct relay *relay;
    int from, to;
    bool from_server;
    bool ended;   /* nothing more comes */
    bool cut;     /* nothing more can be passed on */
    bool carries; /* descriptors can be passed on */
    struct frames frames;
    int fds[FDS_MAX];
    size_t n_fds;
    size_t size, sent;
    char chunk[CHUNK_MAX];
};

struct relay {
    const struct options *options;
    struct recorder *recorder;
    uint32_t connection;
    struct way ways[2];
};

/* The ways: to the server, and to the client. */
enum { UP, DOWN };

static enum outcome piece_record(const struct way *w, const struct piece *piece)
{
    const struct record record = {.time = duration_date(),
        .connection = w->relay->connection,
        .from_server = w->from_server,
        .kind = piece->kind,
        .text = piece->text,
        .size = piece->size};

    if ((w->relay->options->given & OPTION_VERBOSE) && piece->kind == RECORD_END)
        complain("the %s ends the connection", w->from_server ? "server" : "client");
    else if (w->relay->options->given & OPTION_VERBOSE)
        complain("%c %.*s", w->from_server ? '<' : '>', (int)piece->size, piece->text);
    return recorder_add(w->relay->recorder, &record);
}

static enum outcome chunk_record(struct way *w)
{
    enum outcome outcome = OUTCOME_DONE;
    const char *data = w->chunk;
    size_t size = w->size;
    struct piece piece;
    int r;

    while (outcome == OUTCOME_DONE && (r = frames_next(&w->frames, &data, &size, &piece)) != 0)
        outcome = r > 0 ? piece_record(w, &piece) : outcome_of_error("the capture", r);
    return outcome;
}

static const struct way *other_way(const struct way *w)
{
    return &w->relay->ways[w == &w->relay->ways[UP] ? DOWN : UP];
}

/* What had begun to come is all there is of it; and which side was the first to end the connection. */
static enum outcome end_record(struct way *w)
{
    enum outcome outcome = OUTCOME_DONE;
    struct piece piece;

    if (frames_end(&w->frames, &piece))
        outcome = piece_record(w, &piece);
    if (outcome != OUTCOME_DONE || !w->ended || other_way(w)->ended)
        return outcome;
    return piece_record(w, &(struct piece){RECORD_END, "", 0});
}

static void fds_close(struct way *w)
{
    for (size_t i = 0; i < w->n_fds; i++)
        close(w->fds[i]);
    w->n_fds = 0;
}

static void fds_take(struct way *w, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        w->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(w->fds, CMSG_DATA(c), w->n_fds * sizeof(int));
    }
    if (w->n_fds == 0 || w->carries)
        return;
    complain("a descriptor came along that cannot be passed on: the way to the %s is no UNIX socket",
        w->from_server ? "client" : "server");
    fds_close(w);
}

/* Reads a chunk, when there is one. */
static enum outcome chunk_receive(struct way *w)
{
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {w->chunk, sizeof(w->chunk)};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(w->from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return OUTCOME_DONE;
    if (n <= 0) {
        w->ended = true;
        shutdown(w->to, SHUT_WR);
        return end_record(w);
    }
    w->size = (size_t)n;
    w->sent = 0;
    fds_take(w, &message);
    return chunk_record(w);
}

/* Sends what is left of the chunk, as far as that goes. */
static void chunk_send(struct way *w)
{
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {w->chunk + w->sent, w->size - w->sent};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (w->n_fds > 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(w->n_fds * sizeof(int));
        control.align = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(w->n_fds * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), w->fds, w->n_fds * sizeof(int));
    }
    n = sendmsg(w->to, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    fds_close(w);
    w->cut = n < 0;
    w->sent = n < 0 ? w->size : w->sent + (size_t)n;
}

static bool way_is_full(const struct way *w)
{
    return w->sent < w->size;
}

static enum outcome way_pump(struct way *w)
{
    enum outcome outcome = OUTCOME_DONE;

    if (way_is_full(w))
        chunk_send(w);
    if (!way_is_full(w) && !w->ended)
        outcome = chunk_receive(w);
    if (way_is_full(w))
        chunk_send(w);
    return outcome;
}

static short events_of(const struct way *in, const struct way *out)
{
    return (short)((!in->ended && !way_is_full(in) ? POLLIN : 0) | (way_is_full(out) ? POLLOUT : 0));
}

/* Waits until something can be done. *over when nothing can any more. */
static enum outcome relay_wait(struct relay *relay, bool *over)
{
    struct way *up = &relay->ways[UP], *down = &relay->ways[DOWN];
    struct pollfd fds[] = {
        {up->from, events_of(up, down), 0}, {down->from, events_of(down, up), 0}, {recorder_fd(relay->recorder), 0, 0}};
    int r;

    r = ending_poll(fds, sizeof(fds) / sizeof(fds[0]), relay->options->deadline);
    if (r < 0 && r != -EINTR)
        return outcome_of_error("waiting", r);
    *over = r == -EINTR || duration_until(relay->options->deadline) == 0;
    /* The client has gone altogether, or the reader of the capture. */
    if (r > 0 && ((up->ended && (fds[0].revents & (POLLERR | POLLHUP))) || (fds[2].revents & POLLERR)))
        *over = true;
    return OUTCOME_DONE;
}

/* The client has everything, as a way ends when its last chunk is gone; or it wants nothing. */
static bool relay_is_over(const struct relay *relay)
{
    return relay->ways[DOWN].cut || relay->ways[DOWN].ended;
}

static enum outcome relay_loop(struct relay *relay)
{
    enum outcome outcome = OUTCOME_DONE;
    bool over = false;

    while (outcome == OUTCOME_DONE && !over) {
        outcome = way_pump(&relay->ways[UP]);
        if (outcome == OUTCOME_DONE)
            outcome = way_pump(&relay->ways[DOWN]);
        over = relay_is_over(relay);
        if (outcome == OUTCOME_DONE && !over)
            outcome = relay_wait(relay, &over);
    }
    for (size_t i = 0; outcome == OUTCOME_DONE && i < 2; i++)
        if (!relay->ways[i].ended)
            outcome = end_record(&relay->ways[i]);
    return outcome;
}

static bool is_unix(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);

    return getsockname(fd, (struct sockaddr *)(void *)&address, &size) == 0 && address.ss_family == AF_UNIX;
}

static void way_init(struct way *w, struct relay *relay, int from, int to, bool from_server)
{
    w->relay = relay;
    w->from = from;
    w->to = to;
    w->from_server = from_server;
    w->carries = is_unix(to);
}

static void way_done(struct way *w)
{
    fds_close(w);
    frames_done(&w->frames);
}

enum outcome relay_run(const struct options *o, struct recorder *recorder, uint32_t connection, int client, int server)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    enum outcome outcome;

    if (relay == NULL)
        return outcome_of_error("passing on", -ENOMEM);
    relay->options = o;
    relay->recorder = recorder;
    relay->connection = connection;
    way_init(&relay->ways[UP], relay, client, server, /* from_server= */ false);
    way_init(&relay->ways[DOWN], relay, server, client, /* from_server= */ true);
    outcome = relay_loop(relay);
    way_done(&relay->ways[UP]);
    way_done(&relay->ways[DOWN]);
    free(relay);
    return outcome;
}
