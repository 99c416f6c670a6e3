/* SPDX-License-Identifier: MIT */
#ifndef TEST_QEMU_MACHINE_H
#define TEST_QEMU_MACHINE_H

#include <stdbool.h>
#include <sys/types.h>

#define MACHINE_MONITORS_MAX 4
/* The name that `query-chardev` has for the monitor of machine_options.monitor. */
#define MACHINE_MONITOR "extra"

enum machine_kind {
    MACHINE_NONE,   /* no board and no CPU: the cheapest; with null-co nodes src and dst1 … dst5 */
    MACHINE_PC,     /* a PC with 16 MiB of memory */
    MACHINE_STORAGE /* qemu-storage-daemon; with the same nodes */
};

struct machine_options {
    enum machine_kind kind;
    bool pretty;       /* the monitors' `pretty=on` */
    unsigned monitors; /* how many QMP sockets; 0 is one */
    const char *dial;  /* monitor 0 does not listen, but dials this address, in the syntax of QEMU's character devices:
                          "path=/tmp/vm.qmp", "host=::1,port=4444"; again and again until somebody listens there */
    const char *const *extra; /* further arguments, NULL-terminated, ahead of all others; for both programs (so write
                                 --chardev and --object) */
    const char *monitor; /* one more monitor, on this character device, in their syntax: "socket,host=::1,port=0…".
                            It is called MACHINE_MONITOR there, and is no number of machine_address() */
};

struct machine;

/* Starts QEMU, stopped before its first instruction, and waits until its monitors listen. Failing that fails the test,
 * with what QEMU said. */
struct machine *machine_start(const struct machine_options *options);
/* Ends QEMU, whatever it is doing, and removes its folder. */
void machine_stop(struct machine *m);
/* Stops every machine that is left and, when a test has failed, shows what each said. */
void machine_stop_all(bool show);

/* The path of monitor 0, 1 … */
const char *machine_address(const struct machine *m, unsigned monitor);
pid_t machine_pid(const struct machine *m);
/* The path of a file in the machine's folder; the caller frees it. */
char *machine_path(const struct machine *m, const char *name);

/* SIGKILL, and waits until the process is gone. */
void machine_kill(struct machine *m);
/* Waits until QEMU has ended by itself. Returns its exit status. */
int machine_wait_exit(struct machine *m);
/* SIGSTOP and SIGCONT: a server that hangs. */
void machine_freeze(struct machine *m);
void machine_thaw(struct machine *m);

/* A command's arguments that make QEMU's main loop hang in `blockdev-add` until machine_gate_open(); the caller frees
 * them. The gate can be used again once it was opened. */
char *machine_gate_arguments(struct machine *m);
/* Waits until QEMU hangs there. */
void machine_gate_await(struct machine *m);
void machine_gate_open(struct machine *m);

#endif
