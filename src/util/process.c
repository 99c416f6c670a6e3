/* SPDX-License-Identifier: MIT */
/* Which process this is. Every blocking call asks, to tell a child after fork() from its parent, and the C library asks
 * the kernel each time.
 *
 * The answer is kept in a page that the kernel wipes in every child. Where it cannot do that, it is asked as before.
 * It refuses to know why one wants to know. */

#include "util/process.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static pid_t *known; /* 0: not yet; the pointer is NULL where it cannot be wiped */

static void prepare(void)
{
#ifdef MADV_WIPEONFORK
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return;
    if (madvise(page, size, MADV_WIPEONFORK) == 0)
        known = page;
    else
        munmap(page, size);
#endif
}

pid_t process_id(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pid_t pid;

    pthread_once(&once, prepare);
    if (!known)
        return getpid();
    pid = __atomic_load_n(known, __ATOMIC_RELAXED);
    if (pid == 0) {
        pid = getpid();
        __atomic_store_n(known, pid, __ATOMIC_RELAXED);
    }
    return pid;
}
