/* SPDX-License-Identifier: MIT */

/* The verb ga shutdown: asks the guest's own operating system to end.
 *
 * The agent answers only errors, and may be gone before it could: silence, or the end of the connection, is success. So
 * this ends when the guest has taken the order, not when it is down. */

#include <errno.h>
#include <string.h>

#include "complain.h"
#include "ga.h"

static enum outcome mode_check(const char *mode)
{
    static const char *const modes[] = {"powerdown", "halt", "reboot"};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(modes[i], mode) == 0)
            return OUTCOME_DONE;
    complain("'%s' is none of powerdown, halt, reboot", mode);
    return OUTCOME_USAGE;
}

static enum outcome shutdown_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    __attribute__((cleanup(qmp_freep))) char *arguments = NULL;
    enum outcome outcome = ga_words_check(words, n, 1);

    if (outcome == OUTCOME_DONE && n > 0)
        outcome = mode_check(words[0]);
    if (outcome != OUTCOME_DONE)
        return outcome;
    arguments = qmp_json("{'mode': %s}", n > 0 ? words[0] : "powerdown");
    if (arguments == NULL)
        return outcome_of_error("arguments", -errno);
    outcome = ga_open(o, &c);
    return outcome == OUTCOME_DONE ? ga_ask(o, c, "guest-shutdown", arguments, &reply) : outcome;
}

const struct verb verb_ga_shutdown = {
    .name = "shutdown",
    .synopsis = "[powerdown | halt | reboot]",
    .summary = "shut the guest down from inside",
    .description = "Asks the guest's operating system to shut down and power off, or to halt, or to\n"
                   "reboot. Ends when the guest has taken the order: to wait for the end, 'qmp wait\n"
                   "SHUTDOWN' on the monitor, started before.\n",
    .examples = "  qmp ga shutdown\n"
                "  qmp ga shutdown reboot\n",
    .options = OPTIONS_CONNECT,
    .several = true,
    .run = shutdown_run,
};
