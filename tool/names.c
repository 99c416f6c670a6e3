/* SPDX-License-Identifier: MIT */

/* Names of machines: giving them, and finding who has one.
 *
 * A machine is called what its -name says. One without gets the name of its socket's file, unless that says nothing or
 * another machine has it; then it is called after its pid. So the names made up here are unique. Those of -name are
 * what the user made them: one that two machines have is no address, because the wrong one would be as likely.
 *
 * It knows nothing of where machines are found. */

#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "guess.h"

/* ---- giving ---- */

/* How much of the end of a name says that it is a socket. */
static size_t suffix_size(const char *name, size_t size)
{
    static const char *const suffixes[] = {".qmp.sock", ".sock", ".socket", ".qmp", ".monitor", "-qmp"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t n = strlen(suffixes[i]);
        if (size > n && memcmp(name + size - n, suffixes[i], n) == 0)
            return n;
    }
    return 0;
}

/* The name that an address suggests: of "/run/vm7.qmp", "vm7". NULL when it suggests none. */
static char *suggest(const char *address)
{
    static const char *const empty[] = {"", "qmp", "qemu", "monitor", "mon", "sock", "socket"};
    const char *slash = strrchr(address, '/'), *at = strchr(address, '@');
    const char *base = slash != NULL ? slash + 1 : at != NULL ? at + 1 : address;
    size_t size = strlen(base);

    if (strchr(base, ':') != NULL)
        return NULL;
    size -= suffix_size(base, size);
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        if (strlen(empty[i]) == size && memcmp(empty[i], base, size) == 0)
            return NULL;
    return strndup(base, size);
}

static bool is_taken(const struct machine *machines, size_t n, const char *name, const struct machine *except)
{
    for (size_t i = 0; i < n; i++)
        if (&machines[i] != except && machines[i].name != NULL && strcmp(machines[i].name, name) == 0)
            return true;
    return false;
}

/* A name that nobody can have twice. */
static char *number_make(const struct machine *m)
{
    bool daemon = m->program != NULL && strcmp(m->program, "qemu-storage-daemon") == 0;
    char *name;

    if (m->pid == 0)
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): it was found by a monitor */
        return strdup(m->monitors[0].address);
    return asprintf(&name, "%s-%ld", daemon ? "qsd" : "qemu", m->pid) < 0 ? NULL : name;
}

static bool names_settle(struct machine *machines, size_t n, bool *doubted)
{
    /* Of two that suggest the same name, neither gets it: which one would depend on nothing that the user knows. */
    for (size_t i = 0; i < n; i++)
        doubted[i] =
            !machines[i].named && (machines[i].name == NULL || is_taken(machines, n, machines[i].name, &machines[i]));
    for (size_t i = 0; i < n; i++) {
        if (!doubted[i])
            continue;
        free(machines[i].name);
        machines[i].name = number_make(&machines[i]);
        if (machines[i].name == NULL)
            return false;
    }
    return true;
}

bool names_make(struct machine *machines, size_t n)
{
    bool *doubted = calloc(n + 1, sizeof(*doubted)), ok;

    for (size_t i = 0; i < n; i++) {
        struct machine *m = &machines[i];
        if (m->name == NULL && m->monitors[0].address != NULL)
            m->name = suggest(m->monitors[0].address);
    }
    ok = doubted != NULL && names_settle(machines, n, doubted);
    free(doubted);
    return ok;
}

/* ---- finding ---- */

bool names_is_name(const char *word)
{
    /* A file that is called like a socket is one that is not there yet. */
    return strpbrk(word, "/:") == NULL && *word != '~' && *word != '@' && suffix_size(word, strlen(word)) == 0 &&
           access(word, F_OK) < 0;
}

/* How many machines have a name; in *ret the last of them. */
static size_t find(const struct machine *machines, size_t n, const char *name, const struct machine **ret)
{
    size_t n_found = 0;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(machines[i].name, name) != 0)
            continue;
        *ret = &machines[i];
        n_found++;
    }
    return n_found;
}

char *names_resolve(const char *name)
{
    __attribute__((cleanup(sockets_freep))) struct sockets *sockets = NULL;
    struct machine *machines = NULL;
    const struct machine *found = NULL;
    const struct monitor *monitor = NULL;
    char *address = NULL;
    size_t n = 0;

    if (locate_machines(&machines, &n) != OUTCOME_DONE)
        return NULL;
    if (find(machines, n, name, &found) == 1) {
        sockets = found->n_monitors > 1 ? sockets_read() : NULL;
        monitor = locate_monitor(found, sockets);
    }
    if (monitor != NULL)
        address = strdup(monitor->address);
    locate_free(machines, n);
    return address;
}

bool names_is_ambiguous(const char *name)
{
    struct machine *machines = NULL;
    const struct machine *found;
    size_t n = 0;
    bool ambiguous = locate_machines(&machines, &n) == OUTCOME_DONE && find(machines, n, name, &found) > 1;

    locate_free(machines, n);
    return ambiguous;
}

/* ---- what is wrong with a name ---- */

static void nobody_complain(const char *name, const struct machine *machines, size_t n)
{
    struct guess guess = guess_start(name);

    for (size_t i = 0; i < n; i++)
        guess_add(&guess, machines[i].name);
    if (n == 0)
        complain("no VM is called '%s', and no file here: no QEMU on this machine has a QMP socket", name);
    else if (guess.best[0] != '\0')
        complain("no VM is called '%s', and no file here; did you mean '%s'?", name, guess.best);
    else
        complain("no VM is called '%s', and no file here; 'qmp ls' shows the VMs", name);
}

static void several_complain(const char *name, const struct machine *machines, size_t n)
{
    complain("more than one VM is called '%s'; say which one by its address:", name);
    for (size_t i = 0; i < n; i++) {
        const struct monitor *m =
            strcmp(machines[i].name, name) == 0 ? locate_monitor(&machines[i], /* sockets= */ NULL) : NULL;
        if (strcmp(machines[i].name, name) == 0)
            complain("  %s (pid %ld)", m != NULL ? m->address : "out of reach", machines[i].pid);
    }
}

static enum outcome name_complain(const char *name, const struct machine *machines, size_t n)
{
    const struct machine *found;

    switch (find(machines, n, name, &found)) {
    case 0:
        nobody_complain(name, machines, n);
        return OUTCOME_UNKNOWN;
    case 1:
        complain("the monitor of '%s' is out of reach: its socket was removed, or it takes more permission to find it",
            name);
        return OUTCOME_CONNECT;
    default:
        several_complain(name, machines, n);
        return OUTCOME_USAGE;
    }
}

enum outcome names_complain(const char *name)
{
    struct machine *machines = NULL;
    size_t n = 0;
    enum outcome outcome = locate_machines(&machines, &n);

    if (outcome == OUTCOME_DONE)
        outcome = name_complain(name, machines, n);
    locate_free(machines, n);
    return outcome;
}
