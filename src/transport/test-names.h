/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_TEST_NAMES_H
#define SRC_TRANSPORT_TEST_NAMES_H

/* The C library's look-up of names, replaced in the program that includes this: a few names, none of them real, and one
 * that takes until names_release(). */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/util.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool released;
    unsigned begun, ended;
    bool signals_blocked;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static const struct {
    const char *host;
    const char *addresses; /* separated by spaces */
    int error;
} known_names[] = {
    {"one.test", "127.0.0.1", 0},
    {"two.test", "127.0.0.2 127.0.0.1", 0},
    {"three.test", "127.0.0.3 127.0.0.2 127.0.0.1", 0},
    {"both.test", "::1 127.0.0.1", 0},
    {"many.test",
        "127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 "
        "127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1",
        0},
    {"slow.test", "127.0.0.1", 0},
    {"none.test", NULL, EAI_NONAME},
    {"localhost", NULL, EAI_NONAME}, /* as on a system without a file of hosts */
    {"again.test", NULL, EAI_AGAIN},
    {"fail.test", NULL, EAI_FAIL},
    {"memory.test", NULL, EAI_MEMORY},
    {"system.test", NULL, EAI_SYSTEM},
    {"strange.test", NULL, EAI_SOCKTYPE},
};

static inline void names_reset(void)
{
    pthread_mutex_lock(&names.lock);
    names.released = false;
    names.begun = names.ended = 0;
    pthread_mutex_unlock(&names.lock);
}

static inline void names_wait_begun(void)
{
    pthread_mutex_lock(&names.lock);
    while (names.begun == 0)
        pthread_cond_wait(&names.changed, &names.lock);
    pthread_mutex_unlock(&names.lock);
}

/* Lets "slow.test" go on, and waits until it is through. */
static inline void names_release(void)
{
    pthread_mutex_lock(&names.lock);
    names.released = true;
    pthread_cond_broadcast(&names.changed);
    while (names.ended < names.begun)
        pthread_cond_wait(&names.changed, &names.lock);
    pthread_mutex_unlock(&names.lock);
}

static void fake_wait(bool slow)
{
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    pthread_mutex_lock(&names.lock);
    names.begun++;
    names.signals_blocked = sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM) && sigismember(&mask, SIGCHLD);
    pthread_cond_broadcast(&names.changed);
    while (slow && !names.released)
        pthread_cond_wait(&names.changed, &names.lock);
    names.ended++;
    pthread_cond_broadcast(&names.changed);
    pthread_mutex_unlock(&names.lock);
}

static struct addrinfo *fake_address(const char *text, uint16_t port)
{
    struct {
        struct addrinfo info;
        union {
            struct sockaddr any;
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } address;
    } *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    a->info.ai_socktype = SOCK_STREAM;
    a->info.ai_addr = &a->address.any;
    if (inet_pton(AF_INET, text, &a->address.in.sin_addr) == 1) {
        a->info.ai_addrlen = sizeof(a->address.in);
        a->address.any.sa_family = AF_INET;
    } else {
        inet_pton(AF_INET6, text, &a->address.in6.sin6_addr);
        a->info.ai_addrlen = sizeof(a->address.in6);
        a->address.any.sa_family = AF_INET6;
    }
    a->info.ai_family = a->address.any.sa_family;
    a->address.in.sin_port = htons(port);
    return &a->info;
}

static struct addrinfo *fake_list(const char *addresses, uint16_t port)
{
    struct addrinfo *first = NULL, **end = &first;

    while (*addresses) {
        size_t n = strcspn(addresses, " ");
        char text[INET6_ADDRSTRLEN] = "";

        memcpy(text, addresses, n);
        *end = fake_address(text, port);
        end = &(*end)->ai_next;
        addresses += n + strspn(addresses + n, " ");
    }
    return first;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)hints;
    for (size_t i = 0; i < ELEMENTS(known_names); i++) {
        if (strcmp(host, known_names[i].host) != 0)
            continue;
        fake_wait(strcmp(host, "slow.test") == 0);
        errno = EMFILE;
        if (known_names[i].error == 0)
            *ret = fake_list(known_names[i].addresses, (uint16_t)strtoul(port, NULL, 10));
        return known_names[i].error;
    }
    abort(); /* a test asks for a name that could be real */
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list);
        list = next;
    }
}

#endif
