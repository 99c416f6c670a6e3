/* SPDX-License-Identifier: MIT */

/* The folders where monitors usually are, for those that no command line shows: of processes that hide, or that have
 * their monitors from a file.
 *
 * A table of patterns, each with the part of the path that is the machine's name. It knows nothing of who listens. */

#include "folders.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *variable; /* the environment's folder that `pattern` is in; NULL: it is absolute */
    const char *pattern;
    bool folder; /* the name is that of the socket's folder, else that of its file */
} places[] = {
    {NULL, "/run/*.qmp", false},
    {NULL, "/run/qemu/*.qmp", false},
    {NULL, "/run/qemu-server/*.qmp", false}, /* Proxmox VE */
    {NULL, "/run/incus/*/qemu.monitor", true},
    {NULL, "/var/lib/libvirt/qemu/domain-*/monitor.sock", true},
    {"XDG_CONFIG_HOME", "libvirt/qemu/lib/domain-*/monitor.sock", true},
    {"HOME", ".config/libvirt/qemu/lib/domain-*/monitor.sock", true},
    {"XDG_RUNTIME_DIR", "*.qmp", false},
    {"XDG_RUNTIME_DIR", "qemu/*.qmp", false},
};

/* "domain-3-vm7" is what libvirt makes of "vm7". */
static const char *libvirt_skip(const char *folder)
{
    static const char prefix[] = "domain-";
    size_t digits;

    if (strncmp(folder, prefix, sizeof(prefix) - 1) != 0)
        return folder;
    folder += sizeof(prefix) - 1;
    digits = strspn(folder, "-0123456789");
    return digits > 0 && folder[digits - 1] == '-' ? folder + digits : folder;
}

/* The name that a path tells: of its last part, without its suffix, or of the part before it. */
static char *name_of(const char *path, bool folder)
{
    const char *file = strrchr(path, '/') + 1, *start, *dot;

    if (!folder) {
        dot = strrchr(file, '.');
        return strndup(file, (size_t)(dot - file));
    }
    for (start = file - 1; start > path && start[-1] != '/'; start--)
        continue;
    start = libvirt_skip(start);
    return strndup(start, (size_t)(file - 1 - start));
}

static void found_add(struct folder_socket **sockets, size_t *n, const char *path, bool folder)
{
    struct folder_socket *larger = realloc(*sockets, (*n + 1) * sizeof(*larger)), *s;
    struct stat file;

    if (larger == NULL)
        return;
    *sockets = larger;
    if (stat(path, &file) < 0 || !S_ISSOCK(file.st_mode))
        return;
    s = &larger[*n];
    *s = (struct folder_socket){strdup(path), name_of(path, folder)};
    if (s->path != NULL && s->name != NULL) {
        (*n)++;
        return;
    }
    free(s->path);
    free(s->name);
}

struct folder_socket *folders_look(size_t *ret_n)
{
    struct folder_socket *sockets = NULL;

    *ret_n = 0;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const char *variable = places[i].variable, *folder = variable != NULL ? getenv(variable) : "";
        char *pattern = NULL;
        glob_t found = {0};
        if (folder == NULL || (variable != NULL && *folder != '/'))
            continue;
        if (asprintf(&pattern, "%s%s%s", folder, variable != NULL ? "/" : "", places[i].pattern) < 0)
            continue;
        if (glob(pattern, GLOB_NOSORT, /* errfunc= */ NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc; k++)
                found_add(&sockets, ret_n, found.gl_pathv[k], places[i].folder);
        globfree(&found);
        free(pattern);
    }
    return sockets;
}

void folders_free(struct folder_socket *sockets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(sockets[i].path);
        free(sockets[i].name);
    }
    free(sockets);
}
