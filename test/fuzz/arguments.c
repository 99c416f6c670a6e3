/* SPDX-License-Identifier: MIT */
/* The command's arguments: any words end as documented, and what they become is JSON that QEMU takes.
 *
 * The input is a command line, or a line of the shell. It goes the way that every command line goes, as far as that
 * goes without a server: options, verb, the arguments of `call`, typed by a schema and by none, checked by it, and
 * completed; and every word is tried as a condition and as a duration, too. Each outcome is one of the exit statuses,
 * and whatever is not success has been explained, in a line that no terminal takes for orders.
 *
 * No verb runs, so nothing is connected to, started or written. Files, which arguments may name, and standard input
 * have what is behind the last word instead of their contents.
 *
 * The input: what it is (1 byte), and the words, each with a NUL behind it; or the line, up to a NUL. */

#include "fuzz.h"

#include <errno.h>
#include <stdarg.h>

#include "arguments.h"
#include "complain.h"
#include "complete.h"
#include "condition.h"
#include "duration.h"
#include "escape.h"
#include "input.h"
#include "options.h"
#include "schema.h"
#include "shell-line.h"
#include "typing.h"
#include "verb.h"

#define WORDS_MAX 64u

static unsigned n_complaints;
static struct input file;

/* ---- instead of the tool's own ---- */

void complain(const char *format, ...)
{
    char *text, *line, *end;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vasprintf(&text, format, arguments);
    va_end(arguments);
    REQUIRE(n >= 0);
    line = malloc((size_t)n * ESCAPE_MAX + 1);
    REQUIRE(line);
    end = escape_text(line, text, (size_t)n);
    REQUIRE(end - line <= (ptrdiff_t)n * ESCAPE_MAX);
    for (const char *p = line; p < end;) {
        uint32_t c = 0;
        size_t size = escape_decode(p, (size_t)(end - p), &c);

        REQUIRE(size > 0 && escape_is_harmless(c));
        p += size;
    }
    free(line);
    free(text);
    n_complaints++;
}

void complain_where(const char *where)
{
    (void)where;
}

void complain_prepare(void (*prepare)(void *userdata), void *userdata)
{
    (void)prepare;
    (void)userdata;
}

enum outcome input_read(const char *path, size_t max, char **ret, size_t *ret_size)
{
    REQUIRE(*path != '\0' && file.size <= max);
    *ret = calloc(1, file.size + 1);
    REQUIRE(*ret);
    if (file.size > 0)
        memcpy(*ret, file.data, file.size);
    *ret_size = file.size;
    return OUTCOME_DONE;
}

const char *input_name(const char *path)
{
    return path;
}

/* ---- the properties ---- */

/* That of a step which has just been taken. */
static enum outcome ended(enum outcome outcome, unsigned complaints_before)
{
    REQUIRE(outcome_meaning((int)outcome) != NULL && outcome <= OUTCOME_LAST);
    REQUIRE(outcome == OUTCOME_DONE || n_complaints > complaints_before);
    return outcome;
}

static const struct schema *schema_load(void)
{
    static struct schema *schema;
    FILE *f;
    char *text;
    long size;

    if (schema)
        return schema;
    f = fopen(SCHEMA, "re");
    REQUIRE(f && fseek(f, 0, SEEK_END) == 0);
    size = ftell(f);
    REQUIRE(size > 0);
    text = calloc(1, (size_t)size + 1);
    REQUIRE(text);
    rewind(f);
    REQUIRE(fread(text, 1, (size_t)size, f) == (size_t)size);
    fclose(f);
    REQUIRE(schema_new(&schema, text, (size_t)size) == 0);
    return schema;
}

/* Arguments that are JSON already stay as they are. */
static void check_unchanged(const struct schema *s, const char *command, char *json)
{
    const struct arguments again = {NULL, json};
    char *same = NULL;

    REQUIRE(typing_make_offline(s, command, &again, &same) == OUTCOME_DONE);
    REQUIRE(same && strcmp(same, json) == 0);
    free(same);
}

static void check_typing(const struct schema *s, const char *command, const struct arguments *a)
{
    char *json = NULL;
    unsigned before = n_complaints;
    enum outcome outcome = ended(typing_make_offline(s, command, a, &json), before);
    qmp_value v = {NULL, 0};

    REQUIRE(outcome == OUTCOME_DONE || !json);
    if (json) {
        REQUIRE(qmp_json_check(json, strlen(json), &v, NULL) == 0);
        REQUIRE(qmp_value_type(v) == QMP_OBJECT);
        check_unchanged(s, command, json);
    }
    free(json);
    before = n_complaints;
    (void)ended(typing_check_offline(s, command, a, /* oob= */ false), before);
}

/* It goes on where the word ends, and says by its last character whether more belongs to it. */
static void on_candidate(const char *word, const char *meaning, bool finished, void *userdata)
{
    const char *written = userdata;

    REQUIRE(meaning && strncmp(word, written, strlen(written)) == 0);
    REQUIRE(*word != '\0' && finished == !strchr("=.:/", word[strlen(word) - 1]));
}

static void check_completion(const char *const *words, size_t n)
{
    char *last = strdup(words[n - 1]);

    REQUIRE(last);
    complete_call(schema_load(), words, n, on_candidate, last);
    complete_name(schema_load(), /* commands= */ true, /* events= */ true, last, on_candidate, last);
    free(last);
}

static void check_call(const char *const *words, size_t n)
{
    struct arguments a;
    unsigned before = n_complaints;

    if (n == 0)
        return;
    check_completion(words, n);
    if (ended(arguments_parse(words + 1, n - 1, &a), before) == OUTCOME_DONE) {
        check_typing(schema_load(), words[0], &a);
        check_typing(NULL, words[0], &a);
    }
    arguments_done(&a);
    typing_suggest(schema_load(), words[0]);
}

static void check_word(const char *word)
{
    struct condition c;
    unsigned before = n_complaints;
    uint64_t duration = 0;
    char text[CONDITION_VALUE_MAX], near[CONDITION_VALUE_MAX], shown[DURATION_TEXT_MAX];

    if (ended(condition_parse(word, &c), before) == OUTCOME_DONE &&
        (c.kind == CONDITION_STATE || c.kind == CONDITION_JOB)) {
        const char *stranger = condition_stranger(&c, schema_load(), text, near);
        REQUIRE(!stranger || strlen(stranger) < CONDITION_VALUE_MAX);
    }
    condition_done(&c);
    if (duration_parse(word, &duration)) {
        REQUIRE(duration > 0 && duration <= UINT64_C(366) * 24 * 3600 * 1000000);
        REQUIRE(strlen(duration_text(duration, shown)) < DURATION_TEXT_MAX);
    }
}

static void check_options(const struct options *o)
{
    REQUIRE(o->connect_timeout > 0 && o->timeout > 0);
    REQUIRE(o->n_words == 0 || o->words[0] != NULL);
    for (size_t i = 0; verbs[i] != NULL; i++) {
        unsigned before = n_complaints;
        enum outcome outcome = ended(options_check(o, verbs[i]->options, verbs[i]->name), before);

        REQUIRE(outcome == OUTCOME_DONE || outcome == OUTCOME_USAGE);
        REQUIRE((outcome == OUTCOME_DONE) == ((o->given & ~verbs[i]->options) == 0));
    }
}

static void check_command_line(int argc, char **argv)
{
    struct options o;
    unsigned before = n_complaints;
    enum outcome outcome = ended(options_parse(&o, argc, argv), before);
    size_t used = 0;

    REQUIRE(outcome == OUTCOME_DONE || outcome == OUTCOME_USAGE);
    REQUIRE(o.n_words < (size_t)argc);
    if (outcome == OUTCOME_DONE) {
        check_options(&o);
        before = n_complaints;
        if (o.n_words > 0 && !verb_find(o.words, o.n_words, &used))
            REQUIRE(n_complaints > before);
        REQUIRE(used <= o.n_words && used <= 2);
        check_call(o.words + used, o.n_words - used);
    }
    options_done(&o);
}

/* A line of the shell; what it says as words is a command with arguments. */
static void check_line(const char *text)
{
    struct line line;
    const char *why = NULL;
    enum line_end end = line_parse(&line, text, &why);

    REQUIRE(end != LINE_MEMORY && (end == LINE_WRONG) == (why != NULL));
    if (end == LINE_WHOLE && line.n_words > 0) {
        REQUIRE(line.words[line.n_words] == NULL && !line.json && !line.monitor);
        check_call((const char *const *)(const void *)line.words, line.n_words);
    }
    line_done(&line);
    if (line_parse_beginning(&line, text))
        REQUIRE(line.n_words > 0);
    line_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t what = input_byte(&in);
    char *argv[WORDS_MAX + 2] = {(char *)(uintptr_t) "qmp"}, *text = calloc(1, in.size + 1);
    int argc = 1;
    size_t at = 0;

    REQUIRE(text);
    if (in.size > 0)
        memcpy(text, in.data, in.size);
    while (at < in.size && argc < (int)(what & 1 ? 2 : WORDS_MAX + 1)) {
        argv[argc++] = text + at;
        at += strlen(text + at) + 1;
    }
    file = at < in.size ? (struct input){in.data + at, in.size - at} : (struct input){NULL, 0};
    if (what & 1) {
        check_line(argc > 1 ? argv[1] : "");
    } else {
        check_command_line(argc, argv);
        for (int i = 1; i < argc; i++)
            check_word(argv[i]);
    }
    n_complaints = 0;
    free(text);
    return 0;
}
