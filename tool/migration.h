/* SPDX-License-Identifier: MIT */
#ifndef TOOL_MIGRATION_H
#define TOOL_MIGRATION_H

#include "convergence.h"
#include "options.h"
#include "progress.h"

/* Where a migration is. */
enum migration_phase {
    MIGRATION_NONE, /* there is none, nor was one */
    MIGRATION_GOES_ON,
    MIGRATION_COMPLETED,
    MIGRATION_FAILED,
    MIGRATION_CANCELLED
};

/* A migration that is watched from its source. */
struct migration {
    const struct options *options;
    qmp_client *client;
    qmp_listener *listener; /* wakes; NULL: nothing does */
    struct progress_view progress;
    qmp_message *answer; /* the last to query-migrate */
    enum migration_phase phase;
    const char *waits; /* the status that it was said to wait in; NULL: none */
    enum convergence_verdict verdict, said;
    uint64_t since; /* when the verdict became that */
};

/* The phase that an answer to query-migrate tells of. */
enum migration_phase migration_phase(const qmp_message *answer);

/* The status in an answer to query-migrate, the caller's to free(); "none" when there is none in it. NULL: no memory.
 */
char *migration_status(const qmp_message *answer);

/* Watches until the migration is over, or there is none, or the deadline comes: then the phase is still
 * MIGRATION_GOES_ON. Shows progress, and says whether it converges. */
enum outcome migration_watch(struct migration *m);

void migration_done(struct migration *m);

#endif
