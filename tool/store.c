/* SPDX-License-Identifier: MIT */

/* The files that are kept from one run to the next, in the user's folder for caches.
 *
 * They save time, and nothing depends on them: whatever goes wrong here, a full disk or no home, the file is not there,
 * and nobody is told. The invariant: only what nobody else could have written is read (the folder and the file are the
 * user's own, and writable by nobody else), and a file is seen in full or not at all, because it gets its name once it
 * is complete. Age is the time of the last change.
 *
 * It knows nothing of what the files hold. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "closing.h"
#include "store.h"

/* What a file is called until it is complete; more of these than can be at work are left from runs that were killed. */
#define NEW_PREFIX "new-"
#define NEW_MAX 64

static void closedirp(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

static void freep(char **text)
{
    free(*text);
}

bool store_is_own(const struct stat *st)
{
    return st->st_uid == geteuid() && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The folder that holds ours; false when there is none. A path that is not absolute does not count. */
static bool base_find(char path[PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;

    if (cache != NULL && cache[0] == '/')
        n = snprintf(path, PATH_MAX, "%s", cache);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, PATH_MAX, "%s/.cache", home);
    return n > 0 && n < PATH_MAX;
}

int store_open(bool make)
{
    char base[PATH_MAX], path[PATH_MAX];
    struct stat st;
    int n, fd;

    if (!base_find(base))
        return -1;
    n = snprintf(path, sizeof(path), "%s/qmp", base);
    if (n < 0 || n >= PATH_MAX)
        return -1;
    if (make && mkdir(path, 0700) < 0 && errno == ENOENT && mkdir(base, 0700) == 0)
        (void)mkdir(path, 0700); /* opening it tells */
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && store_is_own(&st))
        return fd;
    closep(&fd);
    return -1;
}

bool store_read(int folder, const char *name, size_t max, char **ret, size_t *ret_size)
{
    /* A FIFO would not let go */
    __attribute__((cleanup(closep))) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    __attribute__((cleanup(freep))) char *text = NULL;
    struct stat st;
    size_t size = 0;
    ssize_t n = 1;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !store_is_own(&st) || st.st_size > (off_t)max)
        return false;
    text = malloc((size_t)st.st_size + 1);
    while (text != NULL && n > 0 && size < (size_t)st.st_size) {
        n = read(fd, text + size, (size_t)st.st_size - size);
        size += n > 0 ? (size_t)n : 0;
    }
    if (text == NULL || n < 0)
        return false;
    text[size] = '\0';
    *ret = text;
    *ret_size = size;
    text = NULL;
    return true;
}

static bool text_write(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno != EINTR)
            return false;
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool store_write(int folder, const char *name, const char *text, size_t size)
{
    char temporary[STORE_NAME_MAX];
    struct timespec now;
    bool done;
    int fd;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(temporary, sizeof(temporary), NEW_PREFIX "%ld-%llx", (long)gettid(),
        (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec);
    fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    done = text_write(fd, text, size);
    done = close(fd) == 0 && done;
    done = done && renameat(folder, temporary, folder, name) == 0;
    if (!done)
        unlinkat(folder, temporary, /* flags= */ 0);
    return done;
}

void store_touch(int folder, const char *name)
{
    (void)utimensat(folder, name, /* times= */ NULL, AT_SYMLINK_NOFOLLOW); /* it is only as old as it was */
}

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* How many files there are whose names start so, and which of them is the oldest or the newest. */
static size_t files_look(int folder, const char *prefix, bool newest, char ret_name[STORE_NAME_MAX])
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    __attribute__((cleanup(closedirp))) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct timespec best = {0, 0};
    size_t n = 0;

    if (d == NULL)
        closep(&fd);
    for (const struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;) {
        struct stat st;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || strlen(entry->d_name) >= STORE_NAME_MAX ||
            fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (n++ > 0 && (newest ? !is_before(best, st.st_mtim) : !is_before(st.st_mtim, best)))
            continue;
        best = st.st_mtim;
        strcpy(ret_name, entry->d_name);
    }
    return n;
}

bool store_newest(int folder, const char *prefix, char ret_name[STORE_NAME_MAX])
{
    return files_look(folder, prefix, /* newest= */ true, ret_name) > 0;
}

static void prefix_prune(int folder, const char *prefix, size_t max)
{
    char oldest[STORE_NAME_MAX];

    while (files_look(folder, prefix, /* newest= */ false, oldest) > max)
        if (unlinkat(folder, oldest, /* flags= */ 0) < 0)
            return;
}

void store_prune(int folder, const char *prefix, size_t max)
{
    prefix_prune(folder, prefix, max);
    prefix_prune(folder, NEW_PREFIX, NEW_MAX);
}
