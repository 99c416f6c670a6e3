/* SPDX-License-Identifier: MIT */
/* The framer, against one that is obviously right: a loop over single bytes. Whatever is fed, however it is cut and
 * whoever's memory it lies in, both find the same messages, the same end and the same error.
 *
 * What is fed: recorded transcripts, messages made to put every interesting byte on every place of a block, and noise.
 * Every piece ends where memory ends, so a look past it faults.
 *
 * It refuses to know values, as the framer does. */

#include "frame/frame.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "util/util.h"

#define TEXT_MAX ((size_t)1 << 20)
#define SIZE_UNLIMITED ((size_t)64 << 20)
#define DEPTH_UNLIMITED 1024u
#define FOUND_MAX 512u
#define GARBAGE_BYTE '{'
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* ---- the reference ---- */

struct slice {
    size_t at, size;
};

struct found {
    struct slice messages[FOUND_MAX];
    size_t n;
    int error;      /* 0 when everything was taken */
    size_t at;      /* where the message in error, or the garbage, starts */
    size_t pending; /* bytes of a message without an end */
};

struct text {
    const char *bytes;
    size_t size, size_max;
    unsigned depth_max;
};

/* The message that starts at `at`: its size, 0 when it does not end, a negative errno. */
static ptrdiff_t reference_message(const struct text *t, size_t at)
{
    bool in_string = false, escaped = false;
    unsigned depth = 0;

    for (size_t i = at; i < t->size; i++) {
        char c = t->bytes[i];

        if (i - at == t->size_max)
            return -EMSGSIZE;
        if (c == '"' && !escaped)
            in_string = !in_string;
        escaped = c == '\\' && !escaped;
        if (in_string)
            continue;
        if (c == '{' || c == '[') {
            if (depth++ == t->depth_max)
                return -ELOOP;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return (ptrdiff_t)(i + 1 - at);
        }
    }
    return 0;
}

static void reference(const struct text *t, struct found *f)
{
    size_t at = 0;

    *f = (struct found){.n = 0};
    for (;;) {
        ptrdiff_t size;

        while (at < t->size && strchr(" \t\r\n", t->bytes[at]) && t->bytes[at] != '\0')
            at++;
        f->at = at;
        if (at == t->size)
            return;
        if (t->bytes[at] != '{' && t->bytes[at] != '[') {
            f->error = -EBADMSG;
            return;
        }
        size = reference_message(t, at);
        if (size < 0)
            f->error = (int)size;
        if (size == 0)
            f->pending = t->size - at;
        if (size <= 0)
            return;
        assert_true(f->n < FOUND_MAX);
        f->messages[f->n++] = (struct slice){at, (size_t)size};
        at += (size_t)size;
    }
}

/* ---- feeding ---- */

/* Whose memory the bytes lie in. */
enum style { OWN, IN_PLACE, MIXED, STYLES };

struct feeding {
    const struct text *text;
    const struct found *expected;
    enum style style;
    size_t scratch_size;
    struct frame frame;
    size_t n; /* messages so far */
    int error;
};

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = random_state;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static size_t random_below(size_t n)
{
    return (size_t)(random_next() % n);
}

/* $FRAME_SEED repeats a run. */
static void random_start(void)
{
    const char *seed = getenv("FRAME_SEED");

    random_state = seed ? strtoull(seed, NULL, 10) : check_now();
    print_message("FRAME_SEED=%" PRIu64 "\n", random_state);
}

/* The end of memory: what is before it may be read, what is behind it faults. */
static char *memory_end(void)
{
    static char *end;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = TEXT_MAX + page - TEXT_MAX % page;

    if (!end) {
        char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(map, MAP_FAILED);
        assert_int_equal(mprotect(map + room, page, PROT_NONE), 0);
        end = map + room;
    }
    return end;
}

static void on_message(struct feeding *f, const char *text, size_t size)
{
    const struct found *e = f->expected;

    if (f->n == e->n)
        fail_msg("a message too many: %.*s", (int)MIN(size, (size_t)80), text);
    if (size != e->messages[f->n].size || memcmp(text, f->text->bytes + e->messages[f->n].at, size) != 0)
        fail_msg("message %zu is %.*s", f->n, (int)MIN(size, (size_t)80), text);
    f->n++;
}

static void on_error(struct feeding *f, int error, const char *text, size_t size)
{
    assert_error(error, f->expected->error);
    assert_int_equal(f->n, f->expected->n);
    assert_non_null(text);
    assert_true(size > 0 && size <= f->text->size - f->expected->at);
    assert_memory_equal(text, f->text->bytes + f->expected->at, size);
    f->error = error;
}

/* Hands the framer bytes that came, and takes what it cuts off. */
static void take(struct feeding *f, const char *data, size_t size)
{
    const char *text = NULL;
    size_t text_size = 0;
    int r;

    while ((r = frame_next(&f->frame, &data, &size, &text, &text_size)) > 0)
        on_message(f, text, text_size);
    if (r < 0)
        on_error(f, r, text, text_size);
    else
        assert_int_equal(size, 0);
}

/* A piece as recv() would put it where frame_space() says: perhaps not all at once. */
static void feed_in_place(struct feeding *f, const char *bytes, size_t size)
{
    char *scratch = memory_end() - f->scratch_size;

    while (size > 0 && f->error == 0) {
        size_t room = 0, part;
        char *space = NULL;

        assert_ok(frame_space(&f->frame, scratch, f->scratch_size, &space, &room));
        assert_true(room > 0);
        part = MIN(room, size);
        if (space == scratch)
            memset(scratch, GARBAGE_BYTE, f->scratch_size);
        memcpy(space, bytes, part);
        take(f, space, part);
        assert_true(f->frame.pending.allocated <= MAX(f->text->size_max + 1, (size_t)256));
        bytes += part;
        size -= part;
    }
}

static void feed(struct feeding *f, const char *bytes, size_t size)
{
    if (f->error < 0)
        return;
    if (f->style == IN_PLACE || (f->style == MIXED && random_below(2) == 0))
        feed_in_place(f, bytes, size);
    else
        take(f, memcpy(memory_end() - size, bytes, size), size);
}

static void feeding_start(struct feeding *f, const struct text *t, const struct found *e, enum style style)
{
    *f = (struct feeding){.text = t, .expected = e, .style = style, .scratch_size = 4096};
    frame_init(&f->frame, t->size_max, t->depth_max);
}

static void feeding_end(struct feeding *f)
{
    assert_int_equal(f->error, f->expected->error);
    assert_int_equal(f->n, f->expected->n);
    if (f->error == 0) {
        assert_int_equal(frame_pending(&f->frame), f->expected->pending);
        if (f->expected->pending == 0)
            assert_int_equal(f->frame.pending.allocated, 0);
    }
    frame_done(&f->frame);
}

/* In two pieces; in one when the cut is at an end. */
static void feed_cut(const struct text *t, const struct found *e, enum style style, size_t cut)
{
    struct feeding f;

    feeding_start(&f, t, e, style);
    if (cut > 0)
        feed(&f, t->bytes, cut);
    if (cut < t->size)
        feed(&f, t->bytes + cut, t->size - cut);
    feeding_end(&f);
}

/* In pieces of one size, or of random ones up to it. */
static void feed_pieces(const struct text *t, const struct found *e, enum style style, size_t piece, bool at_random)
{
    struct feeding f;

    feeding_start(&f, t, e, style);
    f.scratch_size = at_random ? 1 + random_below(4096) : 4096;
    for (size_t at = 0, n; at < t->size; at += n) {
        n = at_random ? 1 + random_below(piece) : piece;
        n = MIN(n, t->size - at);
        feed(&f, t->bytes + at, n);
    }
    feeding_end(&f);
}

/* Every cut (every `step`th when the text is long), byte by byte, at random. */
static void check_all_cuts(const struct text *t, size_t step)
{
    struct found e;

    reference(t, &e);
    for (unsigned style = 0; style < STYLES; style++) {
        for (size_t cut = 0; cut <= t->size; cut += cut < 512 || t->size - cut < 512 ? 1 : step)
            feed_cut(t, &e, style, cut);
        feed_pieces(t, &e, style, 1, false);
        for (unsigned i = 0; i < 8; i++)
            feed_pieces(t, &e, style, (size_t)1 << (i + 1), true);
    }
}

static void check_few_cuts(const struct text *t)
{
    struct found e;

    reference(t, &e);
    feed_cut(t, &e, OWN, 0);
    feed_cut(t, &e, IN_PLACE, 0);
    feed_pieces(t, &e, OWN, 1, false);
    for (unsigned i = 0; i < 4; i++)
        feed_cut(t, &e, i % STYLES, random_below(t->size + 1));
}

static struct text text_of(const char *bytes, size_t size)
{
    return (struct text){bytes, size, SIZE_UNLIMITED, DEPTH_UNLIMITED};
}

/* ---- transcripts ---- */

static char *load(const char *name, size_t *ret_size)
{
    char *path, *bytes = malloc(TEXT_MAX);
    FILE *file;

    assert_non_null(bytes);
    assert_true(asprintf(&path, "%s/%s", TRANSCRIPTS, name) > 0);
    file = fopen(path, "rb");
    assert_non_null(file);
    *ret_size = fread(bytes, 1, TEXT_MAX, file);
    assert_true(*ret_size > 0 && *ret_size < TEXT_MAX);
    fclose(file);
    free(path);
    return bytes;
}

static void test_transcripts(void)
{
    DIR *folder = opendir(TRANSCRIPTS);
    struct dirent *entry;
    unsigned n = 0;

    assert_non_null(folder);
    random_start();
    while ((entry = readdir(folder))) {
        struct found e;
        struct text t;
        size_t size;

        if (!strstr(entry->d_name, ".qmp"))
            continue;
        char *bytes = load(entry->d_name, &size);
        t = text_of(bytes, size);
        reference(&t, &e);
        assert_int_equal(e.error, 0);
        assert_int_equal(e.pending, 0);
        assert_true(e.n >= 3);
        check_all_cuts(&t, size > 65536 ? 997 : 1);
        free(bytes);
        n++;
    }
    closedir(folder);
    assert_true(n >= 10);
}

/* ---- blocks ---- */

/* Messages of every size: as little as possible, all string, all brackets, white space. */
static void test_every_size(void)
{
    char bytes[256];

    random_start();
    for (size_t size = 2; size <= 200; size++) {
        for (unsigned shape = 0; shape < 4; shape++) {
            struct text t = text_of(bytes, size + 9);

            memset(bytes, shape == 0 ? ' ' : 'x', size);
            for (size_t i = 0; shape == 2 && i < size; i++)
                bytes[i] = i % 2 ? ']' : '[';
            for (size_t i = 0; shape == 3 && i < size / 2; i++)
                bytes[i] = '[', bytes[size - 1 - i] = '}';
            bytes[0] = '{';
            bytes[size - 1] = '}';
            if (shape == 1 && size >= 4)
                bytes[1] = bytes[size - 2] = '"';
            memcpy(bytes + size, "\r\n{\"b\":1}", 9);
            check_all_cuts(&t, 1);
        }
    }
}

/* Everything that could confuse, at every place of a string, in messages of many sizes. */
static void test_every_position(void)
{
    static const char *const units[] = {"\\\"", "\\\\", "{", "}", "[", "]", "\\\"}", "\\\\\\\"", "}\\\\", "\\u007b"};
    char bytes[256];

    random_start();
    for (size_t size = 8; size <= 150; size++) {
        for (unsigned u = 0; u < ELEMENTS(units); u++) {
            size_t width = strlen(units[u]);

            for (size_t at = 2; at + width <= size - 2; at++) {
                struct text t = text_of(bytes, size + 2);

                memset(bytes, 'x', size);
                memcpy(bytes, "[\"", 2);
                memcpy(bytes + at, units[u], width);
                memcpy(bytes + size - 2, "\"]{}", 4);
                check_few_cuts(&t);
            }
        }
    }
}

/* A quote after a run of backslashes ends the string when the run is even. */
static void test_backslashes(void)
{
    char bytes[512];

    random_start();
    for (size_t offset = 0; offset <= 70; offset++) {
        for (size_t run = 0; run <= 134; run++) {
            struct text t = text_of(bytes, 0);
            int n = snprintf(bytes, sizeof(bytes), "{\"%.*s", (int)offset,
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

            memset(bytes + n, '\\', run);
            t.size = (size_t)n + run;
            t.size += (size_t)sprintf(bytes + t.size, run % 2 ? "\"}\"}[]" : "\"}[]");
            check_few_cuts(&t);
        }
    }
}

/* Noise out of the bytes that mean something, most of it no JSON: consistent all the same. */
static void test_noise(void)
{
    static const char alphabet[] = "{{{}}}[[]]\"\"\"\\\\ a\n";
    char bytes[400];

    random_start();
    for (unsigned i = 0; i < 20000; i++) {
        struct text t = text_of(bytes, 1 + random_below(sizeof(bytes) - 1));
        struct found e;

        for (size_t j = 0; j < t.size; j++)
            bytes[j] = alphabet[random_below(sizeof(alphabet) - 1)];
        bytes[0] = '{';
        t.depth_max = 1 + (unsigned)random_below(8);
        reference(&t, &e);
        feed_cut(&t, &e, i % STYLES, random_below(t.size + 1));
        feed_pieces(&t, &e, i % STYLES, 1 + random_below(100), true);
    }
}

static void test_several_in_one_piece(void)
{
    static const char bytes[] = " {}[] {\"a\":{\"b\":[1,2,{}]}}\t\r\n\r\n[\"}\"]{\"]\":\"{\\\"\"}  {\"half\": [\"";
    struct text t = text_of(bytes, sizeof(bytes) - 1);
    struct found e;

    random_start();
    reference(&t, &e);
    assert_int_equal(e.n, 5);
    assert_int_equal(e.pending, 11);
    check_all_cuts(&t, 1);
}

/* ---- limits ---- */

static void test_size_limit(void)
{
    static const size_t limits[] = {2, 3, 10, 62, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513};
    char bytes[1100];

    random_start();
    for (unsigned i = 0; i < ELEMENTS(limits); i++) {
        for (unsigned above = 0; above < 4; above++) {
            size_t size = limits[i] + above % 2;
            struct text t = {bytes, 4 + size, limits[i], DEPTH_UNLIMITED};
            struct found e;

            memset(bytes, ' ', sizeof(bytes));
            memcpy(bytes, "[] ", 3);
            memset(bytes + 4, 'x', size);
            bytes[4] = '{';
            if (above < 2)
                bytes[4 + size - 1] = '}';
            reference(&t, &e);
            assert_int_equal(e.error, above % 2 ? -EMSGSIZE : 0);
            assert_int_equal(e.n, above == 0 ? 2 : 1);
            check_all_cuts(&t, 1);
        }
    }
}

/* Far above the limit: in one piece, in pieces of any size, ended or not. */
static void test_far_too_large(void)
{
    struct text t = {NULL, (size_t)100000, 1000, DEPTH_UNLIMITED};
    struct found e;
    char *bytes = malloc(t.size);

    assert_non_null(bytes);
    memset(bytes, 'x', t.size);
    bytes[0] = '{';
    t.bytes = bytes;
    for (unsigned ended = 0; ended < 2; ended++) {
        if (ended)
            bytes[t.size - 1] = '}';
        reference(&t, &e);
        assert_int_equal(e.error, -EMSGSIZE);
        for (unsigned style = 0; style < MIXED; style++) {
            feed_cut(&t, &e, style, 0);
            for (size_t piece = 1; piece < t.size; piece = piece * 3 + 1)
                feed_pieces(&t, &e, style, piece, false);
        }
    }
    free(bytes);
}

static void test_depth_limit(void)
{
    static const unsigned limits[] = {1, 2, 3, 31, 32, 63, 64, 65, 100, 128};
    char bytes[400];

    random_start();
    for (unsigned i = 0; i < ELEMENTS(limits); i++) {
        for (unsigned above = 0; above < 2; above++) {
            unsigned depth = limits[i] + above;
            struct text t = {bytes, 0, SIZE_UNLIMITED, limits[i]};
            struct found e;

            /* Brackets in a string do not count. */
            t.size = (size_t)sprintf(bytes, "{\"[[[{{{\"}");
            for (unsigned j = 0; j < depth; j++)
                bytes[t.size++] = j % 3 ? '[' : '{';
            for (unsigned j = 0; j < depth; j++)
                bytes[t.size++] = '}';
            reference(&t, &e);
            assert_int_equal(e.error, above ? -ELOOP : 0);
            check_all_cuts(&t, 1);
        }
    }
}

/* Depth goes up and down around the limit in one block. */
static void test_depth_sawtooth(void)
{
    struct text t;
    char bytes[900];
    size_t n = 0;

    random_start();
    bytes[n++] = '[';
    for (unsigned i = 0; i < 400; i++) {
        bytes[n++] = '[';
        bytes[n++] = ']';
    }
    bytes[n++] = ']';
    t = text_of(bytes, n);
    t.depth_max = 2;
    check_all_cuts(&t, 1);
    bytes[n - 100] = '[';
    check_all_cuts(&t, 1);
}

/* ---- between messages ---- */

static void test_garbage(void)
{
    random_start();
    for (unsigned byte = 0; byte < 256; byte++) {
        bool space = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
        char bytes[] = "?{\"a\": 1}\r\n";

        if (byte == '{' || byte == '[')
            continue;
        for (unsigned place = 0; place < 3; place++) {
            struct text t = text_of(bytes, sizeof(bytes) - 1);
            struct found e;

            /* Before, directly behind, and behind a line end. */
            memcpy(bytes, place == 0 ? "?{\"a\": 1}\r\n" : place == 1 ? "{\"a\": 1}?\r\n" : "{\"a\": 1}\r\n?", t.size);
            *(char *)memchr(bytes, '?', t.size) = (char)byte;
            reference(&t, &e);
            assert_int_equal(e.error, space ? 0 : -EBADMSG);
            assert_int_equal(e.n, place > 0 || space);
            check_all_cuts(&t, 1);
        }
    }
}

static void test_nothing(void)
{
    const char *data = "", *text = NULL;
    size_t size = 0, text_size = 0;
    struct frame f;

    frame_init(&f, 100, 10);
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 0);
    data = "{";
    size = 1;
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 0);
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 0);
    assert_int_equal(frame_pending(&f), 1);
    frame_done(&f);
}

/* What is pending at the end of input is the message's bytes, and nothing else. */
static void test_end_of_input(void)
{
    static const char bytes[] = "{}\r\n {\"a\": \"\\\"}\", \"b\": [{}]}";

    for (size_t size = 0; size < sizeof(bytes) - 1; size++) {
        struct text t = text_of(bytes, size);
        struct found e;

        reference(&t, &e);
        assert_int_equal(e.pending, size == 1 ? 1 : size > 5 ? size - 5 : 0);
        feed_cut(&t, &e, OWN, 0);
        feed_pieces(&t, &e, IN_PLACE, 1, false);
    }
}

/* ---- memory ---- */

/* The rest of the input lies behind a message in the framer's own buffer, and so does the start of the next one. */
static void test_rest_in_own_buffer(void)
{
    static const char rest[] = "2}\r\n{\"b\": 3}{\"cc\": [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4";
    const char *text, *data = "{\"a\": 1";
    size_t size = 7, text_size, room;
    char scratch[8], *space;
    struct frame f;

    frame_init(&f, 100, 10);
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 0);
    assert_ok(frame_space(&f, scratch, sizeof(scratch), &space, &room));
    assert_true(room >= sizeof(rest) - 1);
    data = memcpy(space, rest, sizeof(rest) - 1);
    size = sizeof(rest) - 1;
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 1);
    assert_value(((qmp_value){text, text_size}), "{\"a\": 12}");
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 1);
    assert_value(((qmp_value){text, text_size}), "{\"b\": 3}");
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 0);
    assert_int_equal(frame_pending(&f), 39);

    data = "]}";
    size = 2;
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 1);
    assert_value(((qmp_value){text, text_size}), "{\"cc\": [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]}");
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 0);
    assert_int_equal(f.pending.allocated, 0);
    frame_done(&f);
}

/* Whatever was begun, handed out or refused, the next message is a message, and no memory is kept. */
static void test_reset(void)
{
    static const char *const before[] = {
        "", "{", "{\"a\": [[\"", "{\"a\\", "{\"\\", "[[[[", "[[[[[[[", "x", "{\"0123456789\": \"0123456789"};
    const char *text, *data;
    size_t size, text_size;
    struct frame f;

    frame_init(&f, 20, 4);
    for (unsigned i = 0; i < ELEMENTS(before); i++) {
        for (unsigned cut = 0; cut < 2; cut++) {
            size = cut ? strlen(before[i]) / 2 : 0;
            data = before[i];
            (void)frame_next(&f, &data, &size, &text, &text_size);
            size = strlen(before[i]) - (size_t)(data - before[i]);
            (void)frame_next(&f, &data, &size, &text, &text_size);
            frame_reset(&f);
            assert_int_equal(f.pending.allocated, 0);
            data = "{\"a\": [\"\\\"]";
            size = strlen(data);
            assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 0);
            data = "\"]}";
            size = 3;
            assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 1);
            assert_value(((qmp_value){text, text_size}), "{\"a\": [\"\\\"]\"]}");
            frame_reset(&f);
            assert_int_equal(f.pending.allocated, 0);
        }
    }
    frame_done(&f);
}

/* Messages that arrive whole are handed out where they lie. */
static void test_no_copy(void)
{
    static const char bytes[] = " {\"a\": 1} ";
    const char *data = bytes, *text;
    size_t size = sizeof(bytes) - 1, text_size;
    struct frame f;

    frame_init(&f, 100, 10);
    assert_int_equal(frame_next(&f, &data, &size, &text, &text_size), 1);
    assert_ptr_equal(text, bytes + 1);
    assert_int_equal(f.pending.allocated, 0);
    frame_done(&f);
}

/* 8 MiB: the buffer grows geometrically, and no byte is looked at again when more come. */
static void test_huge(void)
{
    static const size_t pieces[] = {32768, 1000, 1};
    size_t size = (size_t)8 << 20;
    char *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, '[', size);
    bytes[0] = '{';
    bytes[1] = bytes[size - 2] = '"';
    bytes[size - 1] = '}';
    for (unsigned i = 0; i < ELEMENTS(pieces); i++) {
        for (unsigned style = 0; style < MIXED; style++) {
            struct text t = text_of(bytes, size);
            struct found e = {.messages = {{0, size}}, .n = 1};
            struct feeding f;
            unsigned n_growths = 0;

            feeding_start(&f, &t, &e, style);
            for (size_t at = 0, n; at < size; at += n) {
                size_t allocated = f.frame.pending.allocated;

                n = MIN(pieces[i], size - at);
                feed(&f, bytes + at, n);
                n_growths += f.frame.pending.allocated != allocated;
            }
            feeding_end(&f);
            assert_true(n_growths <= 24);
        }
    }
    free(bytes);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_transcripts),
    CHECK_TEST(test_every_size),
    CHECK_TEST(test_every_position),
    CHECK_TEST(test_backslashes),
    CHECK_TEST(test_noise),
    CHECK_TEST(test_several_in_one_piece),
    CHECK_TEST(test_size_limit),
    CHECK_TEST(test_far_too_large),
    CHECK_TEST(test_depth_limit),
    CHECK_TEST(test_depth_sawtooth),
    CHECK_TEST(test_garbage),
    CHECK_TEST(test_nothing),
    CHECK_TEST(test_end_of_input),
    CHECK_TEST(test_rest_in_own_buffer),
    CHECK_TEST(test_reset),
    CHECK_TEST(test_no_copy),
    CHECK_TEST(test_huge),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
