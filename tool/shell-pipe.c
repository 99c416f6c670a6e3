/* SPDX-License-Identifier: MIT */

/* A program that gets an answer: COMMAND | PROGRAM.
 *
 * A child of its own writes the answer, as a verb would write it into a pipe. So however slow the program reads, the
 * shell goes on reading the connection, and a program that ends early ends that child only. Events wait until the
 * program has ended: it may have the terminal.
 *
 * It knows nothing of what is written. */

#include "shell-pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "complain.h"
#include "duration.h"
#include "output.h"
#include "shell-signals.h"
#include "style.h"

/* What sh says when it has not found a program. */
#define STATUS_NOT_FOUND 127

struct children {
    pid_t writer, program; /* 0: has ended */
    int status;            /* of the program */
};

static void child_look(pid_t *child, int *ret_status)
{
    int status;
    pid_t r = *child == 0 ? 0 : waitpid(*child, &status, WNOHANG);

    if (r != *child)
        return;
    if (r != 0)
        *ret_status = status;
    *child = 0;
}

static bool children_have_ended(void *userdata)
{
    struct children *children = userdata;
    int ignored;

    child_look(&children->writer, &ignored);
    child_look(&children->program, &children->status);
    return children->writer == 0 && children->program == 0;
}

_Noreturn static void writer_run(struct shell *s, int fd, pipe_write_fn write, const qmp_message *reply)
{
    struct options o = s->options;

    signals_restore();
    dup2(fd, STDOUT_FILENO);
    if (o.format == FORMAT_AUTO)
        o.format = FORMAT_PRETTY;
    output_setup(&o);
    style_setup(COLOR_NEVER);
    write(reply);
    _exit(output_flush() == OUTCOME_DONE ? 0 : 1);
}

_Noreturn static void program_become(int fd, const char *program)
{
    signals_restore();
    dup2(fd, STDIN_FILENO);
    execl("/bin/sh", "sh", "-c", program, (char *)NULL);
    _exit(STATUS_NOT_FOUND);
}

/* Starts both; a child that could not be started counts as one that has ended. */
static int children_start(
    struct shell *s, struct children *children, const char *program, pipe_write_fn write, const qmp_message *reply)
{
    int fds[2], r = 0;

    output_flush();
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    children->program = fork();
    if (children->program == 0)
        program_become(fds[0], program);
    if (children->program > 0)
        children->writer = fork();
    if (children->program > 0 && children->writer == 0) {
        close(fds[0]); /* else nobody would tell that the program has gone */
        writer_run(s, fds[1], write, reply);
    }
    if (children->program < 0 || children->writer < 0)
        r = -errno;
    children->program = children->program < 0 ? 0 : children->program;
    children->writer = children->writer < 0 ? 0 : children->writer;
    close(fds[0]);
    close(fds[1]);
    return r;
}

/* A person has seen how a program ended; whoever reads what a script has said has not. */
static enum outcome status_tell(const struct shell *s, const char *program, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return OUTCOME_DONE;
    if (s->interactive && WIFSIGNALED(status))
        output_print("\n"); /* after the terminal's "^C" */
    if (s->interactive)
        return OUTCOME_REFUSED;
    if (WIFSIGNALED(status))
        complain("'%s' was ended by signal %d", program, WTERMSIG(status));
    else
        complain("'%s' ended with status %d", program, WEXITSTATUS(status));
    return OUTCOME_REFUSED;
}

enum outcome pipe_run(struct shell *s, const char *program, pipe_write_fn write, const qmp_message *reply)
{
    struct children children = {0};
    enum wake wake;
    int r = children_start(s, &children, program, write, reply);

    s->held = true;
    do /* Ctrl-C is the program's */
        wake = shell_wait(s, children_have_ended, &children, QMP_FOREVER);
    while (wake == WAKE_INTERRUPTED);
    signals_forget(SIGNAL_INTERRUPT);
    s->held = false;
    if (wake == WAKE_ENDED)
        return s->end;
    if (r < 0) {
        complain("'%s' cannot be run: %s", program, strerror(-r));
        return OUTCOME_LOCAL;
    }
    return status_tell(s, program, children.status);
}
