/* SPDX-License-Identifier: MIT */
#ifndef TEST_QEMU_AGENT_H
#define TEST_QEMU_AGENT_H

#include <sys/types.h>

/* The guest agent, qemu-ga, as an ordinary process of this host. It would shut this host down when told to: tests send
 * it nothing that changes anything outside of their own folder. */
struct agent;

/* Starts it; clients can connect at once. Failing that fails the test. */
struct agent *agent_start(void);
/* The socket that it listens on. */
const char *agent_address(const struct agent *a);
/* SIGSTOP, after which it has stopped, and SIGCONT. */
void agent_freeze(struct agent *a);
void agent_thaw(struct agent *a);
/* SIGKILL, and waits until it is gone. */
void agent_kill(struct agent *a);
/* Ends every agent that is left, whatever it is doing. */
void agent_stop_all(void);

#endif
