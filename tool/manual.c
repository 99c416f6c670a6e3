/* SPDX-License-Identifier: MIT */

/* What QEMU's own reference says about a command: a section of an installed man page.
 *
 * The page is found where man(1) finds it, unpacked by the program that belongs to its suffix, and read up to the end
 * of the section. The sections of commands and events are headed "NAME (Command)" or, since QEMU 10, "Command NAME";
 * sections of other names follow, while "Arguments" and the like belong to it.
 *
 * The invariant: help does not fail for want of a manual. It knows nothing of the syntax of pages but the headings. */

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "complain.h"
#include "manual.h"
#include "output.h"
#include "roff.h"

/* Where pages are when $MANPATH does not say. */
#define FOLDERS "/usr/local/share/man:/usr/share/man"
/* The longest path of a page. */
#define PATH_MAX_BYTES 1024
/* Room for the name of a program that unpacks. */
#define PROGRAM_MAX 16
/* The longest heading. */
#define HEADING_MAX 256

extern char **environ;

static const char *const pages[] = {"qemu-qmp-ref", "qemu-storage-daemon-qmp-ref"};

static const struct {
    const char *suffix;
    const char *program; /* NULL: not packed */
} packings[] = {{"", NULL}, {".gz", "gzip"}, {".xz", "xz"}, {".zst", "zstd"}, {".bz2", "bzip2"}};

/* A page that is being read. */
struct page {
    FILE *file;
    pid_t unpacker; /* 0: there is none */
};

static void page_close(struct page *page)
{
    if (page->file != NULL)
        fclose(page->file);
    if (page->unpacker > 0)
        while (waitpid(page->unpacker, /* ret_status= */ NULL, /* options= */ 0) < 0 && errno == EINTR)
            ;
}

/* Starts a program that unpacks `fd` to what is returned; -1 when there is no such. It says nothing. */
static int unpacker_start(const char *program, int fd, pid_t *ret)
{
    char name[PROGRAM_MAX], option[] = "-dc", *const arguments[] = {name, option, NULL};
    posix_spawn_file_actions_t actions;
    int pipes[2], r;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -1;
    snprintf(name, sizeof(name), "%s", program);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    r = posix_spawnp(ret, program, &actions, /* attributes= */ NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    if (r == 0)
        return pipes[0];
    *ret = 0;
    close(pipes[0]);
    return -1;
}

/* Opens a page as text, if it is there. */
static bool page_open(const char *path, const char *program, struct page *page)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), unpacked;

    if (fd < 0)
        return false;
    if (program != NULL) {
        unpacked = unpacker_start(program, fd, &page->unpacker);
        close(fd);
        fd = unpacked;
    }
    page->file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (page->file == NULL && fd >= 0)
        close(fd);
    return page->file != NULL;
}

/* Looks for a page in a list of folders, as $MANPATH is one. */
static bool page_find(const char *name, const char *folders, struct page *page)
{
    while (*folders != '\0') {
        size_t size = strcspn(folders, ":");
        for (size_t i = 0; size > 0 && i < sizeof(packings) / sizeof(packings[0]); i++) {
            char path[PATH_MAX_BYTES];
            int n = snprintf(path, sizeof(path), "%.*s/man7/%s.7%s", (int)size, folders, name, packings[i].suffix);
            if (n > 0 && (size_t)n < sizeof(path) && page_open(path, packings[i].program, page))
                return true;
        }
        folders += size + (folders[size] == ':');
    }
    return false;
}

/* The name in a heading like "\fBNAME\fP (Command)" or "Command NAME (Since: 1.0)", or NULL when it is that of nothing
 * that has a name. The heading is changed. */
static const char *heading_name(char *heading, bool *ret_called)
{
    static const struct {
        const char *word;
        bool called; /* has a name that help can be asked for */
    } kinds[] = {{"Command", true}, {"Event", true}, {"Object", false}, {"Enum", false}, {"Alternate", false},
        {"Struct", false}, {"Union", false}};
    char *first, *second, *rest = NULL;

    first = strtok_r(roff_plain(heading), " ()\n", &rest);
    second = strtok_r(NULL, " ()\n", &rest);
    for (size_t i = 0; first != NULL && second != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        *ret_called = kinds[i].called;
        if (strcmp(second, kinds[i].word) == 0)
            return first;
        if (strcmp(first, kinds[i].word) == 0)
            return second;
    }
    return NULL;
}

/* Whether a heading within a section belongs to it. */
static bool heading_belongs(const char *heading)
{
    static const char *const words[] = {"Arguments", "Details", "Errors", "Example", "Features", "If", "Members",
        "Note", "Returns", "Return", "Since", "TODO", "Valid", "Values"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncmp(heading, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* Whether a line is the heading of the section that is looked for. */
static bool line_starts(const char *line, const char *name)
{
    char heading[HEADING_MAX];
    const char *found;
    bool called = false;

    if (strncmp(line, ".SS ", 4) != 0)
        return false;
    snprintf(heading, sizeof(heading), "%s", line + 4);
    found = heading_name(heading, &called);
    return found != NULL && called && strcmp(found, name) == 0;
}

static bool line_ends(const char *line)
{
    return strncmp(line, ".SH", 3) == 0 || (strncmp(line, ".SS ", 4) == 0 && !heading_belongs(line + 4));
}

static enum outcome page_print(
    struct page *page, const char *before, const char *name, const char *title, bool *ret_found)
{
    __attribute__((cleanup(qmp_freep))) char *line = NULL;
    struct roff roff = {0};
    size_t capacity = 0;
    enum outcome outcome = OUTCOME_DONE;

    while (outcome == OUTCOME_DONE && getline(&line, &capacity, page->file) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        if (!*ret_found) {
            *ret_found = line_starts(line, name);
            if (*ret_found)
                outcome = output_print("%s%s(7):\n\n", before, title);
            continue;
        }
        if (line_ends(line))
            break;
        outcome = roff_line(&roff, line);
    }
    return outcome == OUTCOME_DONE ? roff_end(&roff) : outcome;
}

enum outcome manual_print(const char *before, const char *name, bool *ret_found)
{
    const char *folders = getenv("MANPATH");
    enum outcome outcome = OUTCOME_DONE;

    *ret_found = false;
    if (folders == NULL || *folders == '\0')
        folders = FOLDERS;
    for (size_t i = 0; outcome == OUTCOME_DONE && !*ret_found && i < sizeof(pages) / sizeof(pages[0]); i++) {
        __attribute__((cleanup(page_close))) struct page page = {NULL, 0};
        if (page_find(pages[i], folders, &page))
            outcome = page_print(&page, before, name, pages[i], ret_found);
    }
    return outcome;
}
