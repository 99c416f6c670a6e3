/* SPDX-License-Identifier: MIT */

/* From a socket on another process's command line to an address that works here.
 *
 * What that process calls it may mean something else here: a path can be relative (to a folder that it has left since,
 * as -daemonize does), in a container, or removed; a descriptor that it was started with has a name that only the
 * kernel knows; ports and abstract names belong to a network namespace. The invariant: an address that is handed out
 * as REACH_FINE leads to a socket that is there.
 *
 * It asks nobody, and knows nothing of names of machines. */

#include "reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "process.h"

static struct sockets *sockets_get(struct sockets **sockets)
{
    if (*sockets == NULL)
        *sockets = sockets_read();
    return *sockets;
}

static bool is_socket(const char *path, struct stat *ret)
{
    return stat(path, ret) == 0 && S_ISSOCK(ret->st_mode);
}

/* ---- paths ---- */

/* An absolute path of another process: it may see other files than this one. */
static bool path_reach(struct monitor *m, long pid, const char *path)
{
    struct stat here, there;
    bool found = is_socket(path, &here), hidden = !found && errno == EACCES, other;
    char *inside;

    if (asprintf(&inside, "/proc/%ld/root%s", pid, path) < 0)
        return false;
    other = is_socket(inside, &there) && (!found || here.st_ino != there.st_ino || here.st_dev != there.st_dev) &&
            strlen(inside) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
    if (!other) {
        free(inside);
        inside = strdup(path);
    }
    m->address = inside;
    m->reach = found || other ? REACH_FINE : hidden ? REACH_HIDDEN : REACH_ABSENT;
    return inside != NULL;
}

/* The folder that a process was started in, when its environment says so; the caller's to free(). */
static char *start_folder(long pid)
{
    size_t size;
    char *environment = process_read(pid, "environ", &size), *found = NULL;

    for (size_t i = 0; environment != NULL && found == NULL && i < size; i += strlen(environment + i) + 1)
        if (strncmp(environment + i, "PWD=/", 5) == 0)
            found = strdup(environment + i + 4);
    free(environment);
    return found;
}

/* Whether a process that called a socket `relative` can have meant the one at `path`. */
static bool is_meant(const char *path, const char *relative, struct sockets **sockets)
{
    const struct sockets *all = sockets_get(sockets);
    const struct socket *s = sockets_at(all, path);
    struct stat file;

    return is_socket(path, &file) && (all == NULL || (s != NULL && strcmp(s->name, relative) == 0));
}

/* A relative path: looked for where the process is, where it was started, and here. */
static bool relative_reach(struct monitor *m, long pid, const char *relative, struct sockets **sockets)
{
    char *folders[] = {process_link(pid, "cwd"), start_folder(pid), getcwd(NULL, 0)};
    bool ok = true;

    m->reach = folders[0] == NULL ? REACH_HIDDEN : REACH_ABSENT;
    for (size_t i = 0; ok && m->reach != REACH_FINE && i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *path = NULL;
        if (folders[i] == NULL)
            continue;
        ok = asprintf(&path, "%s/%s", folders[i][1] == '\0' ? "" : folders[i], relative) >= 0;
        if (ok && is_meant(path, relative, sockets)) {
            ok = path_reach(m, pid, path);
        }
        if (ok)
            free(path);
    }
    if (ok && m->reach == REACH_ABSENT)
        m->address = strdup(relative);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        free(folders[i]);
    return ok && (m->address != NULL || m->reach == REACH_HIDDEN);
}

static bool unix_reach(struct monitor *m, long pid, const char *path, struct sockets **sockets)
{
    return *path == '/' ? path_reach(m, pid, path) : relative_reach(m, pid, path, sockets);
}

/* ---- what belongs to a network namespace ---- */

static bool is_same_network(long pid)
{
    char *there = process_link(pid, "ns/net"), *here = process_link(getpid(), "ns/net");
    bool same = there == NULL || here == NULL || strcmp(there, here) == 0;

    free(there);
    free(here);
    return same;
}

static bool abstract_reach(struct monitor *m, long pid, const char *name)
{
    m->reach = is_same_network(pid) ? REACH_FINE : REACH_ABSENT;
    return asprintf(&m->address, "unix:@%s", name) >= 0;
}

static bool tcp_reach(struct monitor *m, long pid, const struct endpoint *e)
{
    const char *host = e->host != NULL ? e->host : "";
    bool anywhere = *host == '\0' || strcmp(host, "0.0.0.0") == 0;
    bool anywhere6 = strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0;
    bool bare6 = strchr(host, ':') != NULL && *host != '[';

    m->reach = is_same_network(pid) ? REACH_FINE : REACH_ABSENT;
    if (anywhere || anywhere6)
        host = anywhere ? "127.0.0.1" : "[::1]";
    return asprintf(&m->address, bare6 && !anywhere6 ? "tcp:[%s]:%s" : "tcp:%s:%s", host, e->port) >= 0;
}

/* ---- descriptors ---- */

static bool descriptor_reach(struct monitor *m, long pid, int fd, struct sockets **sockets)
{
    uint32_t inode = process_socket(pid, fd);
    const struct socket *s = inode != 0 ? sockets_numbered(sockets_get(sockets), inode) : NULL;

    m->reach = REACH_HIDDEN;
    if (s == NULL)
        return true;
    return s->file == 0 ? abstract_reach(m, pid, s->name + 1) : unix_reach(m, pid, s->name, sockets);
}

bool reach_find(struct monitor *ret, long pid, const struct endpoint *e, struct sockets **sockets)
{
    *ret = (struct monitor){.tls = e->tls, .wait = e->wait};
    if (e->fd >= 0)
        return descriptor_reach(ret, pid, e->fd, sockets);
    if (e->path != NULL)
        return e->abstract ? abstract_reach(ret, pid, e->path) : unix_reach(ret, pid, e->path, sockets);
    return tcp_reach(ret, pid, e);
}
