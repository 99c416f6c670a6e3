/* SPDX-License-Identifier: MIT */

/* The shell's history on disk.
 *
 * A file that only its owner can read, one line for each entry, the newest last. Each is appended at once, so shells
 * that run side by side share it; when it has grown, a shell that starts writes it anew, without what is there twice,
 * and what another appends in that moment is lost. What may hold a secret is never written: it stays with the shell
 * that it was typed into. As with the cache, only what nobody else could have put there is read or written: folder and
 * file are the user's own, and the file is no link. A history that cannot be read or written is no failure.
 *
 * It knows nothing of what lines mean, but for words that stand near secrets. */

#include "shell-history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <qmp/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "closing.h"
#include "store.h"

/* The file in its folder. */
#define FILE_NAME "history"
/* Lines that are kept, and how many there may be in the file before it is written anew. */
#define LINES_KEPT 1000
#define LINES_MAX ((size_t)2 * LINES_KEPT)
/* The longest line that is kept. */
#define LINE_MAX_BYTES 4096

struct lines {
    char *items[LINES_KEPT]; /* in a ring */
    size_t n;                /* that were added */
};

static void lines_done(struct lines *lines)
{
    for (size_t i = 0; i < LINES_KEPT; i++)
        free(lines->items[i]);
    free(lines);
}

static void lines_freep(struct lines **lines)
{
    if (*lines != NULL)
        lines_done(*lines);
}

/* Makes the folder, and those that it is in. */
static void folders_make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* The folder, or -1 when there is none that is the user's own. */
static int folder_open(bool make)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char path[PATH_MAX];
    struct stat st;
    int n = -1, fd;

    if (state != NULL && state[0] == '/')
        n = snprintf(path, PATH_MAX, "%s/qmp/", state);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, PATH_MAX, "%s/.local/state/qmp/", home);
    if (n < 0 || n >= PATH_MAX)
        return -1;
    if (make)
        folders_make(path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && store_is_own(&st))
        return fd;
    closep(&fd);
    return -1;
}

/* The file in that folder, or -1. A FIFO would not let go. */
static int file_open(int folder, int flags)
{
    int fd = openat(folder, FILE_NAME, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && store_is_own(&st))
        return fd;
    closep(&fd);
    return -1;
}

/* Takes out what is there already. */
static void line_drop(struct lines *lines, const char *line)
{
    for (size_t i = 0; i < LINES_KEPT; i++) {
        if (lines->items[i] == NULL || strcmp(lines->items[i], line) != 0)
            continue;
        free(lines->items[i]);
        lines->items[i] = NULL;
    }
}

static void line_keep(struct lines *lines, const char *line)
{
    char **item = &lines->items[lines->n % LINES_KEPT];

    line_drop(lines, line);
    free(*item);
    *item = strdup(line);
    lines->n++;
}

/* Reads the file; returns how many lines it has. */
static size_t lines_read(struct lines *lines, int folder)
{
    int fd = file_open(folder, O_RDONLY);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    char line[LINE_MAX_BYTES];
    size_t n = 0;

    if (file == NULL) {
        closep(&fd);
        return 0;
    }
    for (; fgets(line, sizeof(line), file) != NULL; n++) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0')
            line_keep(lines, line);
    }
    fclose(file);
    return n;
}

/* Writes the file anew: whoever reads it sees the old one or the new one. */
static void lines_write(const struct lines *lines, int folder)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    if (file == NULL)
        return;
    for (size_t i = lines->n > LINES_KEPT ? lines->n - LINES_KEPT : 0; i < lines->n; i++)
        if (lines->items[i % LINES_KEPT] != NULL)
            fprintf(file, "%s\n", lines->items[i % LINES_KEPT]);
    if (fclose(file) == 0)
        (void)store_write(folder, FILE_NAME, text, size); /* or the old one stays */
}

void history_load(struct editor *e)
{
    __attribute__((cleanup(lines_freep))) struct lines *lines = calloc(1, sizeof(*lines));
    __attribute__((cleanup(closep))) int folder = folder_open(/* make= */ false);

    if (lines == NULL || folder < 0)
        return;
    if (lines_read(lines, folder) > LINES_MAX)
        lines_write(lines, folder);
    for (size_t i = lines->n > LINES_KEPT ? lines->n - LINES_KEPT : 0; i < lines->n; i++)
        if (lines->items[i % LINES_KEPT] != NULL)
            editor_remember(e, lines->items[i % LINES_KEPT]);
}

static bool is_secret(const char *line)
{
    return strcasestr(line, "password") != NULL || strcasestr(line, "secret") != NULL;
}

static void line_append(const char *line)
{
    char text[LINE_MAX_BYTES];
    int fd, folder, n = snprintf(text, sizeof(text), "%s\n", line);

    if (n >= (int)sizeof(text))
        return;
    folder = folder_open(/* make= */ true);
    fd = folder >= 0 ? file_open(folder, O_WRONLY | O_APPEND | O_CREAT) : -1;
    closep(&folder);
    if (fd < 0)
        return;
    if (write(fd, text, (size_t)n) < 0) {
        /* no failure: there will be one line less */
    }
    close(fd);
}

void history_add(struct editor *e, const char *line)
{
    __attribute__((cleanup(qmp_freep))) char *flat = strdup(line);

    if (flat == NULL || line[strspn(line, " \t\n")] == '\0')
        return;
    for (char *p = flat; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
    editor_remember(e, flat);
    if (!is_secret(flat))
        line_append(flat);
}
