/* SPDX-License-Identifier: MIT */
/* Looking a name up, without waiting for it.
 *
 * The C library's getaddrinfo(3) knows every source of names that a machine has, and blocks. So it runs on a thread of
 * its own, detached, which shares one counted object with whoever asked. A lock guards what both touch: the result, the
 * wake-up, and whether anybody still wants to hear. Who asked may go at any time: the wake-up is closed there and then,
 * and the thread, which nothing can interrupt, frees the rest when its answer comes. Signals are not for that thread,
 * so all are blocked there. It refuses to know what the addresses are for. */

#include "transport/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/util.h"
#include "util/wake.h"

struct resolve {
    unsigned refs; /* who asked, and the thread */
    pthread_mutex_t lock;
    struct wake wake; /* closed when nobody wants to hear */
    bool done;
    int error; /* getaddrinfo's */
    int system_error;
    struct addrinfo *found;
    char port[16];
    char host[];
};

static void unref(struct resolve *r)
{
    if (!refs_drop(&r->refs))
        return;
    if (r->found)
        freeaddrinfo(r->found);
    wake_close(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void *look_up(void *userdata)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct resolve *r = userdata;
    struct addrinfo *found = NULL;
    int error = getaddrinfo(r->host, r->port, &hints, &found), system_error = errno;

    pthread_mutex_lock(&r->lock);
    r->done = true;
    r->error = error;
    r->system_error = system_error;
    r->found = error == 0 ? found : NULL;
    if (r->wake.fds[0] >= 0)
        wake_set(&r->wake);
    pthread_mutex_unlock(&r->lock);
    unref(r);
    return NULL;
}

static int start_thread(struct resolve *r)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int error = pthread_attr_init(&attributes);

    if (error != 0)
        return -error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    refs_take(&r->refs);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, look_up, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        unref(r);
    return -error;
}

int resolve_start(struct resolve **ret, const char *host, unsigned port)
{
    size_t size = strlen(host) + 1;
    struct resolve *r = calloc(1, sizeof(*r) + size);
    int error;

    if (!r)
        return -ENOMEM;
    r->refs = 1;
    memcpy(r->host, host, size);
    snprintf(r->port, sizeof(r->port), "%u", port);
    pthread_mutex_init(&r->lock, NULL);
    wake_init(&r->wake);
    error = wake_open(&r->wake);
    if (error >= 0)
        error = start_thread(r);
    if (error < 0) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a thread that did not start has given back its own reference */
        unref(r);
        return error;
    }
    *ret = r;
    return 0;
}

int resolve_get_fd(const struct resolve *r)
{
    return r->wake.fds[0];
}

static int translate(int error, int system_error, const char **reterr_why)
{
    static const struct {
        int error, meaning;
        const char *why;
    } errors[] = {
        {EAI_NONAME, -EHOSTUNREACH, "no such name is known"},
#ifdef EAI_NODATA
        {EAI_NODATA, -EHOSTUNREACH, "the name is known, but has no address"},
#endif
#ifdef EAI_ADDRFAMILY
        {EAI_ADDRFAMILY, -EHOSTUNREACH, "the name is known, but has no address"},
#endif
        {EAI_AGAIN, -EHOSTUNREACH, "the name servers do not answer"},
        {EAI_FAIL, -EHOSTUNREACH, "the name servers failed"},
        {EAI_MEMORY, -ENOMEM, "out of memory"},
    };

    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        if (errors[i].error == error) {
            *reterr_why = errors[i].why;
            return errors[i].meaning;
        }
    }
    *reterr_why = "the look-up failed";
    return error == EAI_SYSTEM && system_error > 0 ? -system_error : -EHOSTUNREACH;
}

int resolve_result(struct resolve *r, const struct addrinfo **ret, const char **reterr_why)
{
    bool done;

    pthread_mutex_lock(&r->lock);
    done = r->done;
    pthread_mutex_unlock(&r->lock);
    if (!done)
        return -EAGAIN;
    /* The thread touches nothing of this any more. */
    if (r->error != 0)
        return translate(r->error, r->system_error, reterr_why);
    *ret = r->found;
    return 0;
}

void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    wake_close(&r->wake);
    pthread_mutex_unlock(&r->lock);
    unref(r);
}
