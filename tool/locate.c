/* SPDX-License-Identifier: MIT */

/* The QEMUs of this machine that have a QMP socket, and names for them.
 *
 * Three sources: the command lines of processes, the sockets that the kernel lists, and the folders where monitors
 * usually are. None of them is complete, each may be forbidden, and together they may say the same thing twice; what is
 * one socket becomes one monitor. Nobody is connected to: a monitor serves one client at a time.
 *
 * It knows nothing of what the machines do, and leaves naming those without a name to names.c. */

#include "locate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commandline.h"
#include "folders.h"
#include "names.h"
#include "process.h"
#include "reach.h"
#include "sockets.h"

struct list {
    struct machine *machines;
    size_t n;
    struct sockets *sockets; /* NULL until somebody needed to know */
};

/* ---- one machine ---- */

static void machine_done(struct machine *m)
{
    for (size_t i = 0; i < m->n_monitors; i++)
        free(m->monitors[i].address);
    free(m->monitors);
    free(m->name);
    free(m->program);
}

static bool monitor_add(struct machine *m, struct monitor monitor)
{
    struct monitor *larger = realloc(m->monitors, (m->n_monitors + 1) * sizeof(*larger));

    if (larger == NULL) {
        free(monitor.address);
        return false;
    }
    m->monitors = larger;
    m->monitors[m->n_monitors++] = monitor;
    return true;
}

/* Whether two processes are one machine: QEMU has two while it goes to the background, or starts a program. */
static bool is_same(const struct machine *a, const struct machine *b)
{
    const char *x = a->n_monitors > 0 ? a->monitors[0].address : NULL;
    const char *y = b->n_monitors > 0 ? b->monitors[0].address : NULL;

    return x != NULL && y != NULL && strcmp(x, y) == 0 && a->named == b->named &&
           (!a->named || strcmp(a->name, b->name) == 0);
}

/* Takes over a machine, in the place of one that is the same. */
static bool machine_add(struct list *list, struct machine m)
{
    struct machine *larger;

    for (size_t i = 0; i < list->n; i++) {
        if (!is_same(&list->machines[i], &m))
            continue;
        machine_done(&list->machines[i]);
        list->machines[i] = m;
        return true;
    }
    larger = realloc(list->machines, (list->n + 1) * sizeof(*larger));
    if (larger == NULL) {
        machine_done(&m);
        return false;
    }
    list->machines = larger;
    list->machines[list->n++] = m;
    return true;
}

/* ---- from processes ---- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_daemon(const char *program)
{
    return starts(program, "qemu-storage-daemon");
}

static bool is_qemu(const char *program)
{
    return starts(program, "qemu-system-") || starts(program, "qemu-kvm") || strcmp(program, "kvm") == 0 ||
           strcmp(program, "qemu") == 0 || is_daemon(program);
}

/* The name of the program that a process runs, if it is a QEMU: as it was called, or else as its file is. The caller's
 * to free(). */
static char *program_find(long pid, const char *text, size_t size)
{
    char *file, *program = NULL;

    if (is_qemu(base_of(text)))
        return strdup(base_of(text));
    /* Most processes are none, and a look at their file costs more than one at what they were told. */
    if (memmem(text, size, "-mon", 4) == NULL && memmem(text, size, "-qmp", 4) == NULL)
        return NULL;
    file = process_link(pid, "exe");
    if (file != NULL && is_qemu(base_of(file)))
        program = strndup(base_of(file), strcspn(base_of(file), " "));
    free(file);
    return program;
}

static bool monitors_take(struct list *list, struct machine *m, const struct commandline *c)
{
    bool ok = true;

    for (size_t i = 0; ok && i < c->n; i++) {
        const struct endpoint *e = &c->endpoints[i];
        struct monitor monitor;
        if (e->role != ROLE_MONITOR || !e->server || e->strange ||
            (e->fd < 0 && e->path == NULL && (e->port == NULL || strcmp(e->port, "0") == 0)))
            continue;
        ok = reach_find(&monitor, m->pid, e, &list->sockets) && monitor_add(m, monitor);
    }
    return ok;
}

static bool process_take(struct list *list, long pid, const char *text, size_t size)
{
    struct machine m = {.pid = pid, .program = program_find(pid, text, size)};
    struct commandline c;
    bool ok;

    if (m.program == NULL)
        return true;
    ok = commandline_parse(&c, text, size, is_daemon(m.program)) && monitors_take(list, &m, &c);
    m.name = c.name;
    m.named = c.name != NULL;
    c.name = NULL;
    commandline_done(&c);
    if (ok && m.n_monitors > 0)
        return machine_add(list, m);
    machine_done(&m);
    return ok;
}

static bool processes_take(struct list *list)
{
    size_t n = 0;
    long *pids = process_list(&n);
    bool ok = pids != NULL;

    for (size_t i = 0; ok && i < n; i++) {
        size_t size = 0;
        char *text = process_read(pids[i], "cmdline", &size);
        if (text != NULL && size > 0)
            ok = process_take(list, pids[i], text, size);
        free(text);
    }
    free(pids);
    return ok;
}

/* ---- from the usual folders ---- */

static bool has_monitor(const struct list *list, const char *path)
{
    struct stat file, other;

    if (stat(path, &file) < 0)
        return true;
    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < list->machines[i].n_monitors; k++) {
            const char *address = list->machines[i].monitors[k].address;
            if (address != NULL && sockets_path(address) != NULL && stat(sockets_path(address), &other) == 0 &&
                other.st_ino == file.st_ino && other.st_dev == file.st_dev)
                return true;
        }
    return false;
}

/* The machine that a socket is one more monitor of. */
static struct machine *machine_of(const struct list *list, const char *name, long pid)
{
    for (size_t i = 0; i < list->n; i++) {
        struct machine *m = &list->machines[i];
        bool hidden = m->n_monitors == 1 && m->monitors[0].reach == REACH_HIDDEN;
        if (pid != 0 ? m->pid == pid : hidden && m->named && strcmp(m->name, name) == 0)
            return m;
    }
    return NULL;
}

/* The process that listens, and what it is called. */
static void owner_find(struct machine *m, const struct socket *listener)
{
    struct process_owner owner = {.inode = listener->inode};
    struct process process;

    process_find_owners(&owner, 1);
    m->pid = owner.pid;
    if (owner.pid != 0 && process_look(owner.pid, &process))
        m->program = strdup(process.name);
}

static bool folder_socket_take(struct list *list, const struct folder_socket *s)
{
    struct machine m = {0}, *known;
    struct monitor monitor = {.reach = REACH_FINE};
    const struct socket *listener;
    bool ok;

    if (has_monitor(list, s->path))
        return true;
    if (list->sockets == NULL)
        list->sockets = sockets_read();
    listener = sockets_at(list->sockets, s->path);
    if (listener == NULL && list->sockets != NULL)
        return true; /* its QEMU has gone */
    if (listener != NULL)
        owner_find(&m, listener);
    monitor.address = strdup(s->path);
    known = machine_of(list, s->name, m.pid);
    if (known == NULL)
        m.name = strdup(s->name);
    ok = monitor.address != NULL && (known != NULL || m.name != NULL) &&
         monitor_add(known != NULL ? known : &m, monitor);
    if (ok && known == NULL)
        return machine_add(list, m);
    machine_done(&m);
    return ok;
}

static bool folders_take(struct list *list)
{
    size_t n;
    struct folder_socket *found = folders_look(&n);
    bool ok = true;

    for (size_t i = 0; ok && i < n; i++)
        ok = folder_socket_take(list, &found[i]);
    folders_free(found, n);
    return ok;
}

/* ---- for others ---- */

/* By name, numbers in it as numbers: vm2 is ahead of vm10. */
static int machine_compare(const void *a, const void *b)
{
    const struct machine *x = a, *y = b;
    int order = strverscmp(x->name, y->name);

    return order != 0 ? order : (x->pid > y->pid) - (x->pid < y->pid);
}

enum outcome locate_machines(struct machine **ret, size_t *ret_n)
{
    struct list list = {0};
    bool ok = processes_take(&list) && folders_take(&list);

    ok = ok && names_make(list.machines, list.n);
    sockets_free(list.sockets);
    if (!ok) {
        locate_free(list.machines, list.n);
        return outcome_of_error("looking for VMs", -ENOMEM);
    }
    if (list.n > 0)
        qsort(list.machines, list.n, sizeof(*list.machines), machine_compare);
    *ret = list.machines;
    *ret_n = list.n;
    return OUTCOME_DONE;
}

void locate_free(struct machine *machines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        machine_done(&machines[i]);
    free(machines);
}

const struct monitor *locate_monitor(const struct machine *machine, const struct sockets *sockets)
{
    const struct monitor *best = NULL;

    for (size_t i = 0; i < machine->n_monitors; i++) {
        const struct monitor *m = &machine->monitors[i];
        if (m->address == NULL || m->reach == REACH_ABSENT)
            continue;
        if (m->reach == REACH_FINE && sockets_client(sockets, sockets_at(sockets, m->address)) == 0)
            return m;
        if (best == NULL || best->reach > m->reach)
            best = m;
    }
    return best;
}
