/* SPDX-License-Identifier: MIT */

/* The doctor's look at who listens: which process, how it is, what the socket is for, and who is served there now.
 *
 * Nobody is connected to. It knows nothing of paths. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "reach.h"

#define AGENT_PROGRAM "qemu-ga"
/* A QEMU that has not come further than its first client has no more threads than these. */
#define THREADS_EARLY 2

/* ---- who listens ---- */

static long listener_pid(const struct doctor *d)
{
    struct process_owner owner = {0};

    if (d->listener != NULL) {
        owner.inode = d->listener->inode;
        process_find_owners(&owner, 1);
    }
    return owner.pid != 0 ? owner.pid : d->machine != NULL ? d->machine->pid : 0;
}

bool doctor_check_listener(struct doctor *d)
{
    long pid;

    d->listener = sockets_at(d->sockets, d->address);
    pid = listener_pid(d);
    if (pid != 0 && !process_look(pid, &d->process))
        d->process = (struct process){.pid = pid};
    if (d->machine != NULL && d->machine->pid == pid && d->machine->program != NULL)
        doctor_say(d, FINDING_FINE, "listening", "%s (pid %ld)", d->machine->program, pid);
    else if (pid != 0)
        doctor_say(d, FINDING_FINE, "listening", "%s (pid %ld)", d->process.name, pid);
    else if (d->listener != NULL)
        doctor_say(d, FINDING_FINE, "listening", "a process that this user may not look at");
    if (d->listener != NULL && d->listener->waiting > 0)
        doctor_say(d, FINDING_NOTE, "queue", "%u %s to be taken", d->listener->waiting,
            d->listener->waiting == 1 ? "connection waits" : "connections wait");
    return true;
}

/* ---- how it is ---- */

bool doctor_check_process(struct doctor *d)
{
    char state = d->process.state;

    if (state == 'T' || state == 't') {
        doctor_fail(d, OUTCOME_GREETING, "process", "pid %ld is stopped, by a %s", d->process.pid,
            state == 'T' ? "signal" : "debugger");
        return doctor_advise(
            d, state == 'T' ? "kill -CONT %ld lets it run on" : "let the debugger continue pid %ld", d->process.pid);
    }
    if (state == 'D')
        doctor_say(d, FINDING_NOTE, "process",
            "pid %ld waits for a disk or a network file system, and can do nothing else", d->process.pid);
    else if (state != 0)
        doctor_say(d, FINDING_FINE, "process", "alive");
    return true;
}

/* ---- what the socket is for ---- */

/* Whether a socket on the command line of the process is the one that is examined. */
static bool is_endpoint(const struct doctor *d, const struct endpoint *e)
{
    struct sockets *sockets = NULL;
    struct monitor m;
    struct stat file, other;
    const char *path = sockets_path(d->address), *other_path;
    bool is = false;

    if (e->fd < 0 && e->path == NULL && e->port == NULL)
        return false;
    if (reach_find(&m, d->process.pid, e, &sockets) && m.address != NULL) {
        other_path = sockets_path(m.address);
        is = path != NULL && other_path != NULL ? stat(path, &file) == 0 && stat(other_path, &other) == 0 &&
                                                      file.st_ino == other.st_ino && file.st_dev == other.st_dev
                                                : strcmp(d->address, m.address) == 0;
    }
    free(m.address);
    sockets_free(sockets);
    return is;
}

static bool role_judge(struct doctor *d, const struct endpoint *e)
{
    switch (e->role) {
    case ROLE_MONITOR:
        d->monitor = true;
        doctor_say(d, FINDING_FINE, "purpose", "a QMP monitor%s", e->tls ? ", with TLS" : "");
        if (!e->tls || d->options->tls_folder != NULL)
            return true;
        doctor_fail(d, OUTCOME_GREETING, "TLS", "it wants TLS");
        return doctor_advise(d, "connect with --tls-x509 DIR or --tls-psk DIR");
    case ROLE_HUMAN:
        doctor_fail(
            d, OUTCOME_PROTOCOL, "purpose", "this is QEMU's monitor for people (HMP), which does not speak QMP");
        return doctor_advise(d, "start QEMU with -qmp unix:PATH,server=on,wait=off, or give this -mon mode=control");
    case ROLE_AGENT:
        doctor_fail(d, OUTCOME_PROTOCOL, "purpose", "this leads to the guest agent in the guest, not to QEMU");
        return doctor_advise(d, "qmp ga talks to agents: qmp ga ping -s %s", d->address);
    case ROLE_OTHER:
        return doctor_fail(d, OUTCOME_PROTOCOL, "purpose", "this socket is for '%s' of QEMU, and no monitor",
            e->use != NULL ? e->use : "something else");
    default:
        return true;
    }
}

bool doctor_check_purpose(struct doctor *d)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    struct commandline c = {0};
    size_t size = 0;
    bool go_on = true;

    if (strcmp(d->process.name, AGENT_PROGRAM) == 0) {
        doctor_fail(d, OUTCOME_PROTOCOL, "purpose", "this is a guest agent, not a monitor");
        return doctor_advise(d, "qmp ga talks to agents: qmp ga ping -s %s", d->address);
    }
    text = d->process.pid != 0 ? process_read(d->process.pid, "cmdline", &size) : NULL;
    if (text == NULL || size == 0 || strstr(text, "qemu") == NULL)
        return true;
    commandline_parse(&c, text, size, strstr(text, "qemu-storage-daemon") != NULL);
    for (size_t i = 0; i < c.n; i++) {
        if (!is_endpoint(d, &c.endpoints[i]))
            continue;
        go_on = role_judge(d, &c.endpoints[i]);
        if (go_on && c.endpoints[i].wait && d->process.threads <= THREADS_EARLY) {
            doctor_say(d, FINDING_NOTE, "start", "QEMU waits here for its first client before it starts (wait=on)");
            doctor_advise(d, "connect to let it start: any other verb does");
            go_on = false;
        }
        break;
    }
    commandline_done(&c);
    return go_on;
}

/* ---- who is served ---- */

/* Another monitor of the same QEMU that nobody holds; NULL when there is none. */
static const char *free_monitor(const struct doctor *d)
{
    const struct monitor *m = d->machine != NULL ? locate_monitor(d->machine, d->sockets) : NULL;

    if (m == NULL || sockets_client(d->sockets, sockets_at(d->sockets, m->address)) != 0)
        return NULL;
    return m->address;
}

bool doctor_check_free(struct doctor *d)
{
    struct process_owner owner = {.inode = sockets_client(d->sockets, d->listener)};
    struct process holder;
    char who[PROCESS_NAME_MAX + 32];

    if (d->listener == NULL)
        return true;
    if (owner.inode == 0) {
        doctor_say(d, FINDING_FINE, "free", "it serves nobody now");
        return true;
    }
    process_find_owners(&owner, 1);
    if (owner.pid != 0 && process_look(owner.pid, &holder))
        snprintf(who, sizeof(who), "%s (pid %ld)", holder.name, holder.pid);
    else
        snprintf(who, sizeof(who), "a process of another user");
    if (!d->monitor) { /* what is no monitor may serve many */
        doctor_say(d, FINDING_NOTE, "free", "%s is connected", who);
        return true;
    }
    doctor_fail(d, OUTCOME_GREETING, "free", "%s holds this monitor, which serves one client at a time", who);
    if (free_monitor(d) != NULL)
        return doctor_advise(d, "use the other monitor of this QEMU, which is free: %s", free_monitor(d));
    return doctor_advise(
        d, "end that client, or ask through it; started with one more -qmp, QEMU serves two clients at the same time");
}

/* ---- for others who come ---- */

bool doctor_check_spare(struct doctor *d)
{
    if (d->machine != NULL && d->machine->n_monitors == 1)
        doctor_say(d, FINDING_NOTE, "spare",
            "this is QEMU's only monitor: while one client uses it, others wait; one more "
            "-qmp is one more client");
    else if (d->machine != NULL)
        doctor_say(d, FINDING_FINE, "spare", "QEMU has %zu monitors", d->machine->n_monitors);
    return true;
}
