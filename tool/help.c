/* SPDX-License-Identifier: MIT */

/* The help, put together from the tables: verbs, options, exit codes.
 *
 * Nothing is said twice in the sources, so the help cannot disagree with what the program does. It goes to standard
 * output, because it was asked for. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "help.h"
#include "output.h"

/* The column where meanings start. */
#define COLUMN 28
/* The longest line that is put together here; texts that are ready made may be longer. */
#define LINE_MAX_BYTES 256

static void print(const char *text)
{
    output_text(text, strlen(text));
}

static void print_line(const char *format, ...) QMP_PRINTF(1, 2);
static void print_line(const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    print(line);
    print("\n");
}

static void print_options(const char *title, uint64_t taken)
{
    struct option_help option;
    size_t position = 0;

    print(title);
    while (options_next(taken, &position, &option)) {
        char name[LINE_MAX_BYTES];
        const char letter[] = {'-', option.short_name, ',', ' ', '\0'};
        snprintf(name, sizeof(name), "%s--%s%s%s", option.short_name != 0 ? letter : "    ", option.long_name,
            option.value != NULL ? " " : "", option.value != NULL ? option.value : "");
        for (const char *line = option.meaning; *line != '\0'; name[0] = '\0') {
            size_t size = strcspn(line, "\n");
            print_line("  %-*s%.*s", COLUMN, name, (int)size, line);
            line += size + (line[size] == '\n');
        }
    }
}

static void print_verbs(const struct verb *const *table, const char *prefix)
{
    for (; *table != NULL; table++) {
        char name[LINE_MAX_BYTES];
        if ((*table)->hidden)
            continue;
        snprintf(name, sizeof(name), "%s%s", prefix, (*table)->name);
        print_line("  %-*s%s", COLUMN, name, (*table)->summary);
    }
}

enum outcome help_tool(void)
{
    print("Usage: qmp [OPTION]... VERB [WORD]...\n\n"
          "Talks to the monitor of a QEMU in its machine protocol, QMP. Start QEMU with\n"
          "  -qmp unix:/tmp/vm.qmp,server=on,wait=off\n"
          "\nVerbs:\n");
    print_verbs(verbs, "");
    print_options("\nOptions of every verb that connects, before or after the verb:\n", OPTIONS_CONNECT | OPTION_ALL);
    print_options("\nOptions of every verb that prints JSON:\n", OPTIONS_OUTPUT);
    print_options("\nOptions everywhere:\n", OPTIONS_EVERYWHERE);
    print("\nExamples:\n"
          "  export QMP_SOCKET=/tmp/vm.qmp\n"
          "  qmp call query-status\n"
          "  qmp events --timeout 10s\n"
          "  qmp wait SHUTDOWN\n"
          "\nExit status:\n");
    for (int status = 0; status <= OUTCOME_LAST; status++) {
        if (outcome_meaning(status) != NULL)
            print_line(" %2d  %s", status, outcome_meaning(status));
    }
    print("\n'qmp VERB --help' says more about a verb.\n");
    return output_flush();
}

enum outcome help_verb(const struct verb *verb, const char *name)
{
    uint64_t own = verb->options & ~(OPTIONS_CONNECT | OPTIONS_OUTPUT);
    char prefix[LINE_MAX_BYTES];

    print_line("Usage: qmp %s [OPTION]...%s%s\n", name, *verb->synopsis != '\0' ? " " : "", verb->synopsis);
    print(verb->description);
    if (verb->family != NULL) {
        snprintf(prefix, sizeof(prefix), "%s ", name);
        print("\nVerbs:\n");
        print_verbs(verb->family, prefix);
        print_line("\n'qmp %s VERB --help' says more about each.", name);
    }
    if (own != 0)
        print_options("\nOptions, before or after the verb:\n", own);
    if (verb->options & OPTION_SOCKET)
        print_line("\nIt connects%s: -s ADDRESS, --timeout DUR and the like are in 'qmp --help'.",
            verb->options & OPTION_OUTPUT ? " and prints JSON" : "");
    print("\nExamples:\n");
    print(verb->examples);
    return output_flush();
}

enum outcome help_version(void)
{
    print_line("qmp %s (libqmpclient %s)", QMP_VERSION, qmp_version());
    return output_flush();
}

void help_hint(const struct options *o)
{
    size_t used = 0;
    const struct verb *verb = o->n_words > 0 ? verb_look(o->words, o->n_words, &used) : NULL;

    if (verb == NULL)
        complain("'qmp --help' says more");
    else
        complain("'qmp %s%s%s --help' says more", o->words[0], used > 1 ? " " : "", used > 1 ? o->words[1] : "");
}
