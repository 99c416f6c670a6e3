/* SPDX-License-Identifier: MIT */

/* What is wrong with arguments, in words.
 *
 * A fault is counted; it is said only where the schema is the server's own answer. A schema that was kept may be that
 * of another program, so with it everything is judged quietly first, and again with a fresh one when there were faults.
 *
 * It knows nothing of where arguments come from. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "guess.h"
#include "judge.h"

/* Room for the names that there are, where nothing near was found. */
#define NAMES_MAX 400

/* Takes what its type does not name, and passes it on to the device. */
#define OPEN_COMMAND "device_add"

static void say(const struct judge *j, const char *kind, const char *format, va_list arguments)
{
    char *text;

    if (j->quiet || vasprintf(&text, format, arguments) < 0)
        return;
    complain("%s%s: %s", kind, j->command, text);
    free(text);
}

void judge_fault(struct judge *j, const char *format, ...)
{
    va_list arguments;

    j->faults++;
    va_start(arguments, format);
    say(j, "", format, arguments);
    va_end(arguments);
}

void judge_remark(struct judge *j, const char *format, ...)
{
    va_list arguments;

    j->remarks++;
    va_start(arguments, format);
    say(j, "", format, arguments);
    va_end(arguments);
}

/* A fault that is sent all the same, unless somebody only asks. */
static QMP_PRINTF(2, 3) void doubt(struct judge *j, const char *format, ...)
{
    va_list arguments;

    j->faults++;
    va_start(arguments, format);
    say(j, j->checking ? "" : "warning: ", format, arguments);
    va_end(arguments);
}

/* Names to choose from: the nearest to what was written, and all of them as far as there is room. */
struct names {
    struct guess guess;
    char all[NAMES_MAX];
    size_t used;
    bool full;
};

static void names_add(struct names *names, qmp_value name)
{
    static const char more[] = ", ...";
    size_t size = name.size, left = NAMES_MAX - names->used;

    if (qmp_value_type(name) != QMP_STRING)
        return;
    guess_add_sized(&names->guess, name.text + 1, size - 2);
    if (names->full)
        return;
    names->full = size + sizeof(more) > left;
    if (names->full)
        strcpy(names->all + names->used, more);
    else
        names->used += (size_t)sprintf(
            names->all + names->used, "%s%.*s", names->used > 0 ? ", " : "", (int)size - 2, name.text + 1);
}

void judge_unknown(struct judge *j, const char *path, const char *name, const struct shape *shape)
{
    struct names names = {guess_start(name), "", 0, false};
    qmp_value member = {NULL, 0};
    size_t part = 0;

    while (shape_next(shape, &part, &member))
        names_add(&names, qmp_value_member(member, "name"));
    member = (qmp_value){NULL, 0};
    while (judge_is_open(j, shape) && properties_next(j->properties, &member))
        names_add(&names, qmp_value_member(member, "name"));
    if (names.guess.best[0] != '\0')
        doubt(j, "there is no '%s'; did you mean '%s'?", path, names.guess.best);
    else if (names.used > 0)
        doubt(j, "there is no '%s'; there are: %s", path, names.all);
    else
        doubt(j, "there is no '%s'; it takes nothing", path);
}

void judge_no_value(struct judge *j, const char *path, const char *value, qmp_value type)
{
    struct names names = {guess_start(value), "", 0, false};
    qmp_value member = {NULL, 0}, name;

    while (kind_next_value(type, &member, &name))
        names_add(&names, name);
    if (names.guess.best[0] != '\0')
        judge_fault(j, "'%s': there is no '%.80s'; did you mean '%s'?", path, value, names.guess.best);
    else
        judge_fault(j, "'%s': '%.80s' is none of %s", path, value, names.all);
}

qmp_value judge_command(const struct judge *j)
{
    qmp_value command = j->schema != NULL ? schema_find(j->schema, j->command) : (qmp_value){NULL, 0};

    return qmp_value_equals(qmp_value_member(command, "meta-type"), "command") ? command : (qmp_value){NULL, 0};
}

qmp_value judge_arguments(const struct judge *j)
{
    qmp_value name = qmp_value_member(judge_command(j), "arg-type");
    qmp_value type = j->schema != NULL ? schema_named(j->schema, name) : name;

    return kind_of(type) == KIND_OBJECT ? type : (qmp_value){NULL, 0};
}

bool judge_is_open(const struct judge *j, const struct shape *shape)
{
    return strcmp(j->command, OPEN_COMMAND) == 0 && shape->parts[0].text == judge_arguments(j).text;
}
