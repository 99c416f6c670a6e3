/* SPDX-License-Identifier: MIT */
/* Where the instructions and the bytes go: what stages.py finds with valgrind, as rows of the table.
 *
 * It refuses to know what is counted. */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "program.h"

static void print(char *line)
{
    static const char tab[] = "\t";
    char *rest = line, *kind = strsep(&rest, tab), *what = strsep(&rest, tab);
    const char *much = strsep(&rest, tab), *share = strsep(&rest, tab);
    struct cell a, b;

    if (what && strcmp(kind, "title") == 0)
        table_title(what);
    if (!what || strcmp(kind, "row") != 0)
        return;
    snprintf(a.text, sizeof(a.text), "%s", much ? much : "");
    snprintf(b.text, sizeof(b.text), "%s", share ? share : "");
    table_row(what, a, (struct cell){""}, b, goal_none());
}

void bench_stages(const struct options *o)
{
    char work[4300], script[] = BENCH_FOLDER "/stages.py", line[512];
    int out[2], status = 0;
    FILE *lines;
    pid_t pid;

    if (!program_exists("valgrind") || !program_exists("python3")) {
        table_title("instructions, calls and bytes");
        table_skipped("stages", "install valgrind, python3");
        return;
    }
    snprintf(work, sizeof(work), "%s/qmp-bench-work", o->folder);
    fflush(stdout);
    if (pipe(out) < 0)
        die("pipe", -errno);
    pid = fork();
    if (pid < 0)
        die("fork", -errno);
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execlp("python3", "python3", script, work, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    lines = fdopen(out[0], "r");
    while (lines && fgets(line, sizeof(line), lines)) {
        line[strcspn(line, "\n")] = '\0';
        print(line);
    }
    if (lines)
        fclose(lines);
    waitpid(pid, &status, 0);
    if (status != 0)
        table_skipped("stages", "valgrind does not run here");
}
