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

static void print_options(unsigned taken)
{
    struct option_help option;
    size_t position = 0;

    print("\nOptions, before or after the verb:\n");
    while (options_next(taken | OPTIONS_EVERYWHERE, &position, &option)) {
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

enum outcome help_tool(void)
{
    print("Usage: qmp [OPTION]... VERB [WORD]...\n\n"
          "Talks to the monitor of a QEMU in its machine protocol, QMP. Start QEMU with\n"
          "  -qmp unix:/tmp/vm.qmp,server=on,wait=off\n"
          "\nVerbs:\n");
    for (size_t i = 0; verb_at(i) != NULL; i++)
        print_line("  %-*s%s", COLUMN, verb_at(i)->name, verb_at(i)->summary);
    print_options(OPTIONS_CONNECT);
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

enum outcome help_verb(const struct verb *verb)
{
    print_line("Usage: qmp %s [OPTION]... %s\n", verb->name, verb->synopsis);
    print(verb->description);
    print_options(verb->options);
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
    for (size_t i = 0; o->n_words > 0 && verb_at(i) != NULL; i++) {
        if (strcmp(verb_at(i)->name, o->words[0]) != 0)
            continue;
        complain("'qmp %s --help' says more", verb_at(i)->name);
        return;
    }
    complain("'qmp --help' says more");
}
