/* SPDX-License-Identifier: MIT */
/* Rounds with seeds: the same ones each time, so that the outcome is; more of them, or just one again, on request.
 *
 * It refuses to know what a round does. */

#include "rounds.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static unsigned long number_in(const char *variable)
{
    const char *text = getenv(variable);

    return text ? strtoul(text, NULL, 10) : 0;
}

void each_seed(unsigned n, void (*run)(struct fixture *f, uint64_t seed), struct fixture *f)
{
    unsigned long seed = number_in("CHAOS_SEED"), rounds = number_in("CHAOS_ROUNDS");
    unsigned long first = seed ? seed : 1, last = seed ? seed : n * (rounds ? rounds : 1);

    for (seed = first; seed <= last; seed++) {
        print_message("CHAOS_SEED=%lu\n", seed);
        run(f, seed);
    }
}

int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}
