/* SPDX-License-Identifier: MIT */
/* A real QEMU for a test, in a folder of its own.
 *
 * Readiness needs no polling: besides the monitors that a test asks for, QEMU gets one more on a socketpair that it
 * inherits, the witness. QEMU opens its character devices before any monitor greets, so the witness's greeting says
 * that all of them listen, and its end of file says that QEMU is gone. It is never negotiated, so it hears no events.
 *
 * A client that connects while QEMU is still attaching the monitors to its I/O thread may be greeted twice. So two
 * exchanges with the witness follow: the answer to the first comes from QEMU's main loop, which runs when all is
 * attached or about to be; that the second is read at all comes after that in the I/O thread.
 *
 * Invariant: a machine that was started is on the list until it was stopped, so that a test which fails half-way leaves
 * nothing behind; and a test that crashes takes its QEMU along, by the parent-death signal.
 *
 * It refuses to know libqmpclient: what the tests examine must not be what holds them up. */

#include "machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define ARGUMENTS_MAX 64
#define READY_TIMEOUT_MS 30000
#define GATE_TIMEOUT_MS 30000
#define STATUS_NOT_INSTALLED 127

struct machine {
    struct machine *next;
    char *folder;
    char *addresses[MACHINE_MONITORS_MAX];
    unsigned n_addresses;
    const char *program;
    const char *package;
    pid_t pid; /* 0 once reaped */
    int status;
    int witness; /* our end of the socketpair */
    unsigned n_gates;
    int gate; /* our end of the last gate, once QEMU waits there */
};

struct arguments {
    char *items[ARGUMENTS_MAX + 1];
    size_t n;
};

static struct machine *machines;

static char *format(const char *template, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *template, ...)
{
    va_list list;
    char *text = NULL;

    va_start(list, template);
    int r = vasprintf(&text, template, list);
    va_end(list);
    if (r < 0)
        fail_msg("out of memory");
    return text;
}

static void arguments_take(struct arguments *a, char *text)
{
    assert_true(a->n < ARGUMENTS_MAX);
    a->items[a->n++] = text;
}

static void arguments_add(struct arguments *a, const char *const *texts)
{
    for (; *texts; texts++)
        arguments_take(a, format("%s", *texts));
}

static void arguments_done(struct arguments *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->items[i]);
}

static char *chardev(const struct machine *m, const struct machine_options *options, unsigned monitor, int witness)
{
    if (monitor == m->n_addresses)
        return format("socket,id=q%u,fd=%d", monitor, witness);
    if (monitor == 0 && options->dial)
        return format("socket,id=q%u,%s,server=off,reconnect=1", monitor, options->dial);
    return format("socket,id=q%u,path=%s,server=on,wait=off", monitor, m->addresses[monitor]);
}

static bool is_daemon(const struct machine *m)
{
    return strcmp(m->program, "qemu-storage-daemon") == 0;
}

static void add_monitors(
    struct arguments *a, const struct machine *m, const struct machine_options *options, int witness)
{
    const char *dashes = is_daemon(m) ? "--" : "-", *mon = is_daemon(m) ? "monitor" : "mon";

    for (unsigned i = 0; i <= m->n_addresses; i++) {
        arguments_take(a, format("%schardev", dashes));
        arguments_take(a, chardev(m, options, i, witness));
        arguments_take(a, format("%s%s", dashes, mon));
        bool pretty = options->pretty && i < m->n_addresses;
        arguments_take(a, format("chardev=q%u,mode=control,pretty=%s", i, pretty ? "on" : "off"));
    }
}

static void add_extra(struct arguments *a, const struct machine *m, const struct machine_options *options)
{
    if (options->extra)
        arguments_add(a, options->extra);
    if (!options->monitor)
        return;
    arguments_take(a, format("--chardev"));
    arguments_take(a, format("%s,id=" MACHINE_MONITOR, options->monitor));
    arguments_take(a, format("%s", is_daemon(m) ? "--monitor" : "--mon"));
    arguments_take(a, format("chardev=" MACHINE_MONITOR ",mode=control,pretty=%s", options->pretty ? "on" : "off"));
}

static void add_nodes(struct arguments *a)
{
    static const char *const names[] = {"src", "dst1", "dst2", "dst3", "dst4", "dst5"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        arguments_take(a, format("--blockdev"));
        arguments_take(a, format("null-co,node-name=%s,size=16777216,read-zeroes=on", names[i]));
    }
}

static void add_arguments(
    struct arguments *a, const struct machine *m, const struct machine_options *options, int witness)
{
    static const char *const none[] = {"-machine", "none", NULL};
    static const char *const pc[] = {"-machine", "pc", "-m", "16", NULL};
    static const char *const bare[] = {"-S", "-nodefaults", "-display", "none", NULL};

    arguments_take(a, format("%s", m->program));
    if (options->kind != MACHINE_STORAGE) {
        arguments_add(a, options->kind == MACHINE_PC ? pc : none);
        arguments_add(a, bare);
    }
    add_extra(a, m, options);
    add_monitors(a, m, options, witness);
    if (options->kind != MACHINE_PC)
        add_nodes(a);
}

/* Between fork() and exec: nothing here may allocate or lock. */
static _Noreturn void run_child(char *const *arguments, int witness, int output, pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    fcntl(witness, F_SETFD, 0);
    execvp(arguments[0], arguments);
    _exit(errno == ENOENT ? STATUS_NOT_INSTALLED : 1);
}

static void make_folder(struct machine *m, unsigned monitors)
{
    const char *parent = getenv("TMPDIR");

    m->folder = format("%s/qmp-test-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(m->folder))
        fail_msg("mkdtemp %s: %s", m->folder, strerror(errno));
    m->n_addresses = monitors ? monitors : 1;
    assert_true(m->n_addresses <= MACHINE_MONITORS_MAX);
    for (unsigned i = 0; i < m->n_addresses; i++)
        m->addresses[i] = format("%s/qmp%u", m->folder, i);
}

static void launch(struct machine *m, const struct machine_options *options)
{
    struct arguments a = {{NULL}, 0};
    pid_t parent = getpid();
    int pair[2];

    char *log = machine_path(m, "output");
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    free(log);
    assert_true(output >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    m->witness = pair[0];
    add_arguments(&a, m, options, pair[1]);
    m->pid = fork();
    if (m->pid == 0)
        run_child(a.items, pair[1], output, parent);
    assert_true(m->pid > 0);
    close(pair[1]);
    close(output);
    arguments_done(&a);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int r;

    do
        r = poll(&p, 1, timeout_ms);
    while (r < 0 && errno == EINTR);
    return r > 0;
}

/* One line of the witness; false at the end of file. */
static bool witness_says(struct machine *m)
{
    char byte = 0;

    while (byte != '\n') {
        if (!readable(m->witness, READY_TIMEOUT_MS))
            fail_msg("%s did not start within %d s", m->program, READY_TIMEOUT_MS / 1000);
        if (recv(m->witness, &byte, 1, 0) != 1)
            return false;
    }
    return true;
}

static bool witness_answers(struct machine *m)
{
    static const char question[] = "{\"execute\": \"query-version\"}";

    return send(m->witness, question, sizeof(question) - 1, MSG_NOSIGNAL) > 0 && witness_says(m);
}

static void wait_ready(struct machine *m)
{
    if (witness_says(m) && witness_answers(m) && witness_answers(m))
        return;
    int status = machine_wait_exit(m);
    if (status == STATUS_NOT_INSTALLED)
        fail_msg("%s is not installed: these tests need the Debian package %s", m->program, m->package);
    fail_msg("%s did not start: exit status %d", m->program, status);
}

struct machine *machine_start(const struct machine_options *options)
{
    struct machine *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    m->witness = m->gate = -1;
    m->program = options->kind == MACHINE_STORAGE ? "qemu-storage-daemon" : "qemu-system-x86_64";
    m->package = options->kind == MACHINE_STORAGE ? "qemu-system-common" : "qemu-system-x86";
    m->next = machines;
    machines = m;
    make_folder(m, options->monitors);
    launch(m, options);
    wait_ready(m);
    return m;
}

static void remove_folder(const char *folder)
{
    DIR *d = opendir(folder);

    for (struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(folder);
}

void machine_stop(struct machine *m)
{
    struct machine **link = &machines;

    while (*link != m)
        link = &(*link)->next;
    *link = m->next;
    machine_kill(m);
    if (m->witness >= 0)
        close(m->witness);
    if (m->gate >= 0)
        close(m->gate);
    remove_folder(m->folder);
    for (unsigned i = 0; i < m->n_addresses; i++)
        free(m->addresses[i]);
    free(m->folder);
    free(m);
}

static void show_output(const struct machine *m)
{
    char *path = machine_path(m, "output");
    FILE *f = fopen(path, "re");
    char line[512];

    while (f && fgets(line, sizeof(line), f))
        print_error("%s said: %s", m->program, line);
    if (f)
        fclose(f);
    free(path);
}

void machine_stop_all(bool show)
{
    while (machines) {
        if (show)
            show_output(machines);
        machine_stop(machines);
    }
}

const char *machine_address(const struct machine *m, unsigned monitor)
{
    assert_true(monitor < m->n_addresses);
    return m->addresses[monitor];
}

pid_t machine_pid(const struct machine *m)
{
    return m->pid;
}

char *machine_path(const struct machine *m, const char *name)
{
    return format("%s/%s", m->folder, name);
}

static void reap(struct machine *m)
{
    while (waitpid(m->pid, &m->status, 0) < 0 && errno == EINTR)
        continue;
    m->pid = 0;
}

void machine_kill(struct machine *m)
{
    if (m->pid <= 0)
        return;
    kill(m->pid, SIGKILL);
    reap(m);
}

int machine_wait_exit(struct machine *m)
{
    char byte;

    for (;;) {
        if (!readable(m->witness, READY_TIMEOUT_MS))
            fail_msg("%s did not end within %d s", m->program, READY_TIMEOUT_MS / 1000);
        if (recv(m->witness, &byte, 1, 0) != 1)
            break;
    }
    if (m->pid > 0)
        reap(m);
    return WIFEXITED(m->status) ? WEXITSTATUS(m->status) : 128 + WTERMSIG(m->status);
}

void machine_freeze(struct machine *m)
{
    int status;

    assert_int_equal(kill(m->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(m->pid, &status, WUNTRACED), m->pid);
    assert_true(WIFSTOPPED(status));
}

void machine_thaw(struct machine *m)
{
    assert_int_equal(kill(m->pid, SIGCONT), 0);
}

/* blkdebug reads its configuration with plain blocking calls; from a FIFO, it waits there for a writer. */
char *machine_gate_arguments(struct machine *m)
{
    char *name = format("gate%u", ++m->n_gates);
    char *path = machine_path(m, name);

    if (mkfifo(path, 0600) < 0)
        fail_msg("mkfifo %s: %s", path, strerror(errno));
    char *arguments = format("{\"driver\": \"blkdebug\", \"node-name\": \"%s\", \"config\": \"%s\", \"image\": "
                             "{\"driver\": \"null-co\", \"read-zeroes\": true}}",
        name, path);
    free(path);
    free(name);
    return arguments;
}

/* Opening the other end is refused until QEMU has opened its own, which nothing announces: so it is tried again. From
 * then on QEMU waits for input, or for its end. */
void machine_gate_await(struct machine *m)
{
    char *name = format("gate%u", m->n_gates);
    char *path = machine_path(m, name);

    for (int waited = 0; m->gate < 0 && waited < GATE_TIMEOUT_MS; waited++) {
        m->gate = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (m->gate < 0 && errno != ENXIO)
            break;
        if (m->gate < 0)
            poll(NULL, 0, 1);
    }
    if (m->gate < 0)
        fail_msg("%s does not wait at %s: %s", m->program, path, strerror(errno));
    free(path);
    free(name);
}

void machine_gate_open(struct machine *m)
{
    machine_gate_await(m);
    close(m->gate);
    m->gate = -1;
}
