/* SPDX-License-Identifier: MIT */

/* What /proc says about processes.
 *
 * All of it may be gone at the next look, or be hidden from this user, so nothing here is an error: what cannot be
 * told is told to be unknown. It knows nothing of QEMU. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

/* Enough for "/proc/PID/FILE". */
#define PATH_MAX_BYTES 64
/* Most files fit; the largest that is read (a command line may have 2 MiB). */
#define FILE_FIRST 4096
#define FILE_MAX ((size_t)4 << 20)
/* The longest target of a link, as PATH_MAX. */
#define LINK_MAX_BYTES 4096
/* How many processes the first piece of a list holds. */
#define LIST_FIRST 256
/* In /proc/PID/stat, counted from the one after the name. */
#define FIELD_STATE 0
#define FIELD_THREADS 17

static int number_compare(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    return (x > y) - (x < y);
}

long *process_list(size_t *ret_n)
{
    size_t n = 0, room = LIST_FIRST;
    long *pids = malloc(room * sizeof(*pids)), *larger;
    DIR *d = opendir("/proc");
    struct dirent *e;

    while (d != NULL && pids != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        if (n == room) {
            larger = realloc(pids, (room *= 2) * sizeof(*pids));
            if (larger == NULL)
                break;
            pids = larger;
        }
        pids[n++] = strtol(e->d_name, NULL, 10);
    }
    if (d != NULL)
        closedir(d);
    if (pids != NULL)
        qsort(pids, n, sizeof(*pids), number_compare);
    *ret_n = n;
    return pids;
}

char *process_read(long pid, const char *file, size_t *ret_size)
{
    size_t room = FILE_FIRST, used = 0;
    char path[PATH_MAX_BYTES], *text = NULL, *larger;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/%s", pid, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    for (; fd >= 0 && room <= FILE_MAX; room *= 4) {
        ssize_t n;
        larger = realloc(text, room);
        if (larger == NULL)
            break;
        text = larger;
        n = read(fd, text + used, room - 1 - used);
        used += n > 0 ? (size_t)n : 0;
        if (used < room - 1) /* these files give all they have at once */
            break;
    }
    if (fd >= 0)
        close(fd);
    if (text != NULL)
        text[used] = '\0';
    *ret_size = used;
    return text;
}

bool process_look(long pid, struct process *ret)
{
    size_t size;
    char *text = process_read(pid, "stat", &size);
    char *start = text != NULL ? strchr(text, '(') : NULL, *end = text != NULL ? strrchr(text, ')') : NULL;
    bool found = start != NULL && end > start && end[1] == ' ';

    *ret = (struct process){.pid = pid};
    if (found) {
        *end = '\0';
        snprintf(ret->name, sizeof(ret->name), "%s", start + 1);
        end += 2;
        for (unsigned field = FIELD_STATE; end != NULL && *end != '\0'; field++) {
            if (field == FIELD_STATE)
                ret->state = *end;
            else if (field == FIELD_THREADS)
                ret->threads = strtol(end, NULL, 10);
            end = strchr(end, ' ');
            end += end != NULL;
        }
    }
    free(text);
    return found;
}

char *process_link(long pid, const char *link)
{
    char path[PATH_MAX_BYTES], *target = malloc(LINK_MAX_BYTES);
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%ld/%.32s", pid, link);
    n = target != NULL ? readlink(path, target, LINK_MAX_BYTES - 1) : -1;
    if (n < 0) {
        free(target);
        return NULL;
    }
    target[n] = '\0';
    return target;
}

/* "socket:[4711]" */
static uint32_t inode_parse(const char *target)
{
    static const char prefix[] = "socket:[";

    return strncmp(target, prefix, sizeof(prefix) - 1) == 0 ? (uint32_t)strtoul(target + sizeof(prefix) - 1, NULL, 10)
                                                            : 0;
}

uint32_t process_socket(long pid, int fd)
{
    char link[PATH_MAX_BYTES], *target;
    uint32_t inode;

    snprintf(link, sizeof(link), "fd/%d", fd);
    target = process_link(pid, link);
    inode = target != NULL ? inode_parse(target) : 0;
    free(target);
    return inode;
}

/* Looks through the descriptors of one process. Returns how many owners it made known. */
static size_t owners_look(long pid, struct process_owner *owners, size_t n)
{
    char path[PATH_MAX_BYTES], target[PATH_MAX_BYTES];
    struct dirent *e;
    size_t found = 0;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
    d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        ssize_t size = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
        uint32_t inode;
        target[size > 0 ? size : 0] = '\0';
        inode = inode_parse(target);
        for (size_t i = 0; inode != 0 && i < n; i++) {
            if (owners[i].inode != inode || owners[i].pid != 0)
                continue;
            owners[i].pid = pid;
            found++;
        }
    }
    if (d != NULL)
        closedir(d);
    return found;
}

void process_find_owners(struct process_owner *owners, size_t n)
{
    size_t n_pids, left = n;
    long *pids = n > 0 ? process_list(&n_pids) : NULL;

    for (size_t i = 0; i < n; i++)
        owners[i].pid = 0;
    for (size_t i = 0; pids != NULL && i < n_pids && left > 0; i++)
        left -= owners_look(pids[i], owners, n);
    free(pids);
}
