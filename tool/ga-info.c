/* SPDX-License-Identifier: MIT */

/* The verb ga info: which agent it is, and what it lets the host do.
 *
 * For people a list, in which the commands that the guest's administrator switched off stand out; for programs what
 * guest-info returned. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ga.h"
#include "label.h"
#include "output.h"
#include "style.h"

/* Commands that are sorted at most; a real agent has about 50. */
#define COMMANDS_MAX 1024

struct command {
    qmp_value name; /* a JSON string */
    bool enabled;
    bool silent; /* it answers only errors */
};

static int command_compare(const void *a, const void *b)
{
    const qmp_value *x = &((const struct command *)a)->name, *y = &((const struct command *)b)->name;
    size_t size = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text, y->text, size);

    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static enum outcome string_print(const char *title, qmp_value v)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    size_t size = 0;

    if (qmp_value_string(v, &text, &size) < 0)
        return ga_senseless("guest-info", "a name is no string");
    output_print("%s", title);
    return output_escaped(text, size);
}

static enum outcome command_print(const struct command *command)
{
    enum style style = command->enabled ? STYLE_PLAIN : STYLE_FAINT;
    enum outcome outcome;

    output_print("%s", style_start(STDOUT_FILENO, style));
    outcome = string_print("  ", command->name);
    if (!command->enabled)
        output_print("  (disabled in the guest)");
    else if (command->silent)
        output_print("  (answers only errors)");
    output_print("%s\n", style == STYLE_PLAIN ? "" : style_end(STDOUT_FILENO));
    return outcome;
}

static enum outcome commands_print(qmp_value list)
{
    __attribute__((cleanup(qmp_freep))) struct command *commands = calloc(COMMANDS_MAX, sizeof(*commands));
    enum outcome outcome = OUTCOME_DONE;
    qmp_value item = {0};
    size_t n = 0;

    if (commands == NULL)
        return outcome_of_error("commands", -ENOMEM);
    while (outcome == OUTCOME_DONE && n < COMMANDS_MAX && qmp_value_next(list, /* key= */ NULL, &item)) {
        struct command *command = &commands[n++];
        bool answers = true;
        command->name = qmp_value_member(item, "name");
        if (qmp_value_type(command->name) != QMP_STRING)
            return ga_senseless("guest-info", "a command has no name");
        outcome = ga_truth("guest-info", item, "enabled", &command->enabled);
        qmp_value_bool(qmp_value_member(item, "success-response"), &answers); /* old agents have none */
        command->silent = !answers;
    }
    if (outcome == OUTCOME_DONE)
        qsort(commands, n, sizeof(*commands), command_compare);
    for (size_t i = 0; outcome == OUTCOME_DONE && i < n; i++)
        outcome = command_print(&commands[i]);
    return outcome;
}

static enum outcome info_print(qmp_value info)
{
    enum outcome outcome = string_print("QEMU guest agent ", qmp_value_member(info, "version"));

    if (outcome == OUTCOME_DONE)
        outcome = output_print("\nCommands:\n");
    return outcome == OUTCOME_DONE ? commands_print(qmp_value_member(info, "supported_commands")) : outcome;
}

static enum outcome info_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = ga_words_check(words, n, 0);

    if (outcome == OUTCOME_DONE)
        outcome = ga_open(o, &c);
    if (outcome == OUTCOME_DONE)
        outcome = ga_ask(o, c, "guest-info", /* arguments= */ NULL, &reply);
    if (outcome != OUTCOME_DONE)
        return outcome;
    return ga_is_for_people(o) && label_get() == NULL ? info_print(qmp_reply_value(reply))
                                                      : output_json(qmp_reply_value(reply));
}

const struct verb verb_ga_info = {
    .name = "info",
    .synopsis = "",
    .summary = "the agent's version and its commands",
    .description = "Prints the guest agent's version and the commands that it knows, with those\n"
                   "marked that are disabled in the guest: on a terminal as a list, else as JSON, as\n"
                   "the agent returned it.\n",
    .examples = "  qmp ga info\n"
                "  qmp ga info -g version\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .several = true,
    .run = info_run,
};
