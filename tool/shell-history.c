/* SPDX-License-Identifier: MIT */

/* The shell's history on disk.
 *
 * A file that only its owner can read, one line for each entry, the newest last. Each is appended at once, so shells
 * that run side by side share it; when it has grown, a shell that starts writes it anew, without what is there twice,
 * and what another appends in that moment is lost. What may hold a secret is never written: it stays with the shell
 * that it was typed into. A history that cannot be read or written is no failure.
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

/* Makes the folder of a path, and those that it is in. */
static void folders_make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

static bool path_make(char path[PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;

    if (state != NULL && state[0] == '/')
        n = snprintf(path, PATH_MAX, "%s/qmp/history", state);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, PATH_MAX, "%s/.local/state/qmp/history", home);
    return n > 0 && n < PATH_MAX;
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
static size_t lines_read(struct lines *lines, const char *path)
{
    char line[LINE_MAX_BYTES];
    size_t n = 0;
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return 0;
    for (; fgets(line, sizeof(line), file) != NULL; n++) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0')
            line_keep(lines, line);
    }
    fclose(file);
    return n;
}

/* Writes the file anew: whoever reads it sees the old one or the new one. */
static void lines_write(const struct lines *lines, const char *path)
{
    char temporary[PATH_MAX + 8];
    FILE *file;
    int fd;

    snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        return;
    for (size_t i = lines->n > LINES_KEPT ? lines->n - LINES_KEPT : 0; i < lines->n; i++)
        if (lines->items[i % LINES_KEPT] != NULL)
            fprintf(file, "%s\n", lines->items[i % LINES_KEPT]);
    if (fclose(file) != 0 || rename(temporary, path) < 0)
        unlink(temporary);
}

void history_load(struct editor *e)
{
    __attribute__((cleanup(lines_freep))) struct lines *lines = calloc(1, sizeof(*lines));
    char path[PATH_MAX];

    if (lines == NULL || !path_make(path))
        return;
    if (lines_read(lines, path) > LINES_MAX)
        lines_write(lines, path);
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
    char path[PATH_MAX], text[LINE_MAX_BYTES];
    int fd, n = snprintf(text, sizeof(text), "%s\n", line);

    if (n >= (int)sizeof(text) || !path_make(path))
        return;
    folders_make(path);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
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
