/* SPDX-License-Identifier: MIT */

/* The verb ga ping: does the agent answer?
 *
 * Connecting succeeds wherever QEMU listens, an agent in the guest or not; the client is there once the agent has
 * repeated a number (guest-sync-delimited). What is measured is the answer to one command more, guest-ping, so it is
 * the way into the guest and back and nothing else. */

#include <stdio.h>

#include "duration.h"
#include "ga.h"
#include "label.h"
#include "output.h"

/* Room for the answer as JSON. */
#define TEXT_MAX 64

static enum outcome ping_print(const struct options *o, uint64_t time)
{
    char text[TEXT_MAX], duration[DURATION_TEXT_MAX];
    int n;

    if (ga_is_for_people(o) && label_get() == NULL)
        return output_print("the guest agent answered in %s\n", duration_text(time, duration));
    n = snprintf(text, sizeof(text), "{\"microseconds\": %llu}", (unsigned long long)time);
    return output_json((qmp_value){text, (size_t)n});
}

static enum outcome ping_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = ga_words_check(words, n, 0);
    uint64_t start = 0;

    if (outcome == OUTCOME_DONE)
        outcome = ga_open(o, &c);
    if (outcome == OUTCOME_DONE) {
        start = duration_now();
        outcome = ga_ask(o, c, "guest-ping", /* arguments= */ NULL, &reply);
    }
    return outcome == OUTCOME_DONE ? ping_print(o, duration_now() - start) : outcome;
}

const struct verb verb_ga_ping = {
    .name = "ping",
    .synopsis = "",
    .summary = "whether the agent answers, and how fast",
    .description = "Asks the guest agent for a sign of life, and prints how long the answer took;\n"
                   "in a pipe, in microseconds, as JSON. When no agent answers in time, the exit\n"
                   "status is 3.\n",
    .examples = "  qmp ga ping\n"
                "  qmp ga ping --wait-for-socket 10s --connect-timeout 2m\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .several = true,
    .run = ping_run,
};
