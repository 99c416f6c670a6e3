/* SPDX-License-Identifier: MIT */
/* Memory: what an event costs while somebody keeps it.
 *
 * Counted is what the allocator says is in use, its own headers and rounding included: the difference before and after
 * a few thousand of a kind.
 *
 * It refuses to count the kernel's share. */

#include "bench.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"
#include "wire.h"

/* Just above a power of two: the worst moment of a queue that doubles. */
#define EVENTS ((size_t)33000)

static double heap_used(void)
{
    struct mallinfo2 m = mallinfo2();

    return (double)(m.uordblks + m.hblkhd);
}

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

/* Heap for each of EVENTS events that wait in the default listener's queue, with or without a history of all. */
static double retained(bool history)
{
    qmp_listener *l;
    qmp_client *c = NULL;
    double before, after;
    int fds[2];

    check("qmp_client_new", qmp_client_new(&c));
    l = qmp_client_events(c);
    qmp_listener_set_limits(l, SIZE_MAX, history ? SIZE_MAX : 0);
    wire_connect(c, fds);
    while (qmp_client_process(c) > 0)
        ;
    before = heap_used();
    for (size_t i = 0; i < EVENTS; i++) {
        wire_write(fds[1], EVENT, EVENT_SIZE);
        if (i % 64 == 63 || i + 1 == EVENTS)
            while (qmp_client_process(c) > 0)
                ;
    }
    after = heap_used();
    qmp_client_unref(c);
    close(fds[1]);
    return (after - before) / (double)EVENTS;
}

/* Heap for each of EVENTS events whose references somebody keeps in an array of his own. */
static double kept(void)
{
    static qmp_message *events[EVENTS];
    double before = heap_used(), after;

    for (size_t i = 0; i < EVENTS; i++)
        check("qmp_message_parse", qmp_message_parse(&events[i], EVENT, EVENT_SIZE));
    after = heap_used();
    for (size_t i = 0; i < EVENTS; i++)
        qmp_message_unref(events[i]);
    return (after - before) / (double)EVENTS;
}

static void row_event(const char *measure, double bytes)
{
    /* The text without its line end. */
    double text = EVENT_SIZE - 2;

    table_row(measure, cell_bytes(bytes), cell_bytes(text), cell_times(bytes / text),
        goal_bytes_at_most(bytes, text + 160, ""));
}

void bench_memory(const struct options *o)
{
    (void)o;
    table_title("heap in use, the allocator's own overhead included (floor: the text of the event)");
    row_event("an event in a queue", retained(false));
    row_event("an event in a queue and in a history", retained(true));
    row_event("an event kept by its user", kept());
}
