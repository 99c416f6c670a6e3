/* SPDX-License-Identifier: MIT */

/* The doctor's look at the name of a host.
 *
 * The C library asks its name servers for as long as it likes, and cannot be told to stop. So a child asks, and is
 * killed when its time is over: that of a connection, which begins with the name. It ends with its parent.
 *
 * It knows nothing of who listens there. */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "closing.h"
#include "doctor.h"
#include "duration.h"

/* What the child found, in one write to a pipe. */
struct answer {
    int error; /* getaddrinfo's */
    bool more; /* than one address */
    char text[64];
};

static _Noreturn void name_ask(const char *name, int fd)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct answer answer = {.text = "?"};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    answer.error = getaddrinfo(name, /* service= */ NULL, &hints, &found);
    if (answer.error == 0) {
        getnameinfo(found->ai_addr, found->ai_addrlen, answer.text, sizeof(answer.text), NULL, 0, NI_NUMERICHOST);
        answer.more = found->ai_next != NULL;
    }
    _exit(write(fd, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? 0 : 1);
}

/* Waits for the answer. -ETIMEDOUT when it does not come in time. */
static int answer_await(int fd, uint64_t deadline, struct answer *ret)
{
    struct pollfd end = {fd, POLLIN, 0};
    ssize_t n;
    int r;

    do
        r = poll(&end, 1, duration_poll_timeout(deadline));
    while (r < 0 && errno == EINTR);
    if (r <= 0)
        return r < 0 ? -errno : -ETIMEDOUT;
    n = read(fd, ret, sizeof(*ret));
    return n == (ssize_t)sizeof(*ret) ? 0 : -ECHILD;
}

/* The answer to a name, or a negative error. */
static int name_resolve(const char *name, uint64_t timeout, struct answer *ret)
{
    __attribute__((cleanup(closep))) int own = -1, others = -1;
    int ends[2], r;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    own = ends[0];
    others = ends[1];
    pid = fork();
    if (pid == 0)
        name_ask(name, others);
    if (pid < 0)
        return -errno;
    close(others);
    others = -1;
    r = answer_await(own, duration_deadline(timeout), ret);
    kill(pid, SIGKILL);
    while (waitpid(pid, /* status= */ NULL, 0) < 0 && errno == EINTR) {
    }
    return r;
}

/* What went wrong with a name. */
static bool failure_say(struct doctor *d, const char *name, int error, uint64_t timeout)
{
    char text[DURATION_TEXT_MAX];

    if (error != -ETIMEDOUT) {
        doctor_fail(d, OUTCOME_LOCAL, "name", "the name %s cannot be looked up: %s", name, strerror(-error));
        return false;
    }
    doctor_fail(d, OUTCOME_CONNECT, "name", "no answer within %s, when the address of %s was asked for",
        duration_text(timeout, text), name);
    return doctor_advise(d, "say the number, or look why this machine's name servers are silent: resolv.conf(5)");
}

bool doctor_check_name(struct doctor *d)
{
    static const char prefix[] = "tcp:";
    const char *host = d->address + sizeof(prefix) - 1, *end;
    __attribute__((cleanup(qmp_freep))) char *name = NULL;
    uint64_t left = duration_until(d->options->deadline);
    uint64_t timeout = left < d->options->connect_timeout ? left : d->options->connect_timeout;
    struct answer answer;
    int r;

    if (strncmp(d->address, prefix, sizeof(prefix) - 1) != 0 || *host == '[')
        return true;
    end = strchr(host, ':');
    name = end != NULL ? strndup(host, (size_t)(end - host)) : NULL;
    if (name == NULL || name[strspn(name, "0123456789.")] == '\0' || strcmp(name, "localhost") == 0)
        return true;
    r = name_resolve(name, timeout, &answer);
    if (r < 0)
        return failure_say(d, name, r, timeout);
    if (answer.error != 0) {
        doctor_fail(d, OUTCOME_CONNECT, "name", "the name %s has no address: %s", name, gai_strerror(answer.error));
        return doctor_advise(d, "look for a typing error, or say the number");
    }
    doctor_say(d, FINDING_FINE, "name", "%s is %s%s", name, answer.text, answer.more ? ", and others" : "");
    return true;
}
