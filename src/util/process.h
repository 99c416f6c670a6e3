/* SPDX-License-Identifier: MIT */
#ifndef SRC_UTIL_PROCESS_H
#define SRC_UTIL_PROCESS_H

#include <sys/types.h>

/* getpid(), nearly for free; right in the child of any fork, also where no handlers of pthread_atfork() run. */
pid_t process_id(void);

#endif
