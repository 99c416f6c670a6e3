/* SPDX-License-Identifier: MIT */
/* The fast path against the validator proper: whatever it says yes to is accepted there too, and both find the same.
 * And it does say yes to what QEMU writes, or it would be of no use.
 *
 * The validator proper is asked with JSON_FOR_QEMU, since without flags it may itself take the fast path. That refuses
 * more: noncharacters, which the fast path refuses as well, and numbers that no double holds, which are left out here.
 *
 * What is fed: recorded transcripts, documents in every style, noise; whole, cut at every byte, with every byte
 * replaced by nasty ones, with every byte on every place of a block. Every text lies between pages that cannot be read.
 */

#include "json/fast.h"

#include "json/test-json.h"

#include <dirent.h>
#include <stdbool.h>

#include "util/util.h"

#define TEXT_MAX ((size_t)1 << 20)
#define MESSAGES_MAX 256u

/* A block of white space: without as much text, the fast path never says yes. */
#define PADDING "                                                                "

struct message {
    char *text;
    size_t size;
    bool usual; /* as QEMU writes by default, without escapes and exponents */
};

static struct message messages[MESSAGES_MAX];
static size_t n_messages;
static size_t n_yes;

/* ---- one text ---- */

/* A copy of the text, right behind (0) or right before (1) a page that cannot be read. */
static const char *between_guards(unsigned side, const char *text, size_t size)
{
    static char *room;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    assert_true(size <= TEXT_MAX);
    if (!room) {
        char *map = mmap(NULL, TEXT_MAX + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_int_equal(mprotect(map, page, PROT_NONE), 0);
        assert_int_equal(mprotect(map + page + TEXT_MAX, page, PROT_NONE), 0);
        room = map + page;
    }
    return memcpy(side == 0 ? room : room + TEXT_MAX - size, text, size);
}

static void assert_same(const struct json_scan *a, const struct json_scan *b)
{
    assert_int_equal(a->flaw, b->flaw);
    assert_int_equal(a->at, b->at);
    assert_int_equal(a->value, b->value);
    assert_int_equal(a->value_size, b->value_size);
    assert_int_equal(a->n_members, b->n_members);
    for (size_t i = 0; i < MIN(a->n_members, JSON_MEMBERS_MAX); i++)
        assert_memory_equal(&a->members[i], &b->members[i], sizeof(a->members[i]));
}

/* Asks both. Returns what the fast path says. */
static bool check_depth(const char *text, size_t size, unsigned depth_max)
{
    struct json_scan fast, proper;
    bool yes[2];

    for (unsigned side = 0; side < 2; side++) {
        const char *copy = between_guards(side, text, size);

        memset(&fast, 0x55, sizeof(fast));
        memset(&proper, 0xaa, sizeof(proper));
        yes[side] = json_validate_fast(copy, size, depth_max, &fast);
        if (!yes[side])
            continue;
        if (json_validate_first(copy, size, depth_max, JSON_FOR_QEMU, &proper) < 0)
            fail_msg("%.*s: %s at byte %zu, but the fast path says yes", (int)size, text, json_flaw_string(proper.flaw),
                proper.at);
        assert_same(&fast, &proper);
        assert_true(fast.plain && !memchr(copy + fast.value, '\\', fast.value_size));
        n_yes++;
    }
    assert_int_equal(yes[0], yes[1]);
    return yes[0];
}

static bool check(const char *text, size_t size)
{
    return check_depth(text, size, JSON_DEPTH_MAX);
}

/* The text alone, and with a message or white space behind it. Returns what is said of the last. */
static bool check_padded(const char *text, size_t size)
{
    static const char *const followers[] = {"\r\n{\"event\": \"\\\x80\", [" PADDING, PADDING, "\n" PADDING};
    static char buffer[TEXT_MAX];
    bool yes = false;

    check(text, size);
    memcpy(buffer, text, size);
    for (size_t i = 0; i < ELEMENTS(followers); i++) {
        size_t more = strlen(followers[i]);

        memcpy(buffer + size, followers[i], more);
        yes = check(buffer, size + more);
    }
    return yes;
}

/* ---- what is done to a text ---- */

static void check_truncated(const char *text, size_t size)
{
    for (size_t n = 0; n < size; n++)
        check_padded(text, n);
}

static void check_replaced(const char *text, size_t size)
{
    static const char nasty[] = "\0\t\n\r\x1f !\"+,-./019:;AEZ[\\]`aefntu{|}~\x7f\x80\xc3\xff";
    static char buffer[TEXT_MAX];

    memcpy(buffer, text, size);
    memcpy(buffer + size, PADDING, sizeof(PADDING));
    for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j < sizeof(nasty) - 1; j++) {
            buffer[i] = nasty[j];
            check(buffer, size + sizeof(PADDING) - 1);
        }
        buffer[i] = text[i];
    }
}

/* One byte dropped, doubled, or followed by white space. */
static void check_shifted(const char *text, size_t size)
{
    static char buffer[TEXT_MAX];

    for (size_t i = 0; i < size; i++) {
        memcpy(buffer, text, i);
        memcpy(buffer + i, text + i + 1, size - i - 1);
        check_padded(buffer, size - 1);
        buffer[i] = text[i];
        memcpy(buffer + i + 1, text + i, size - i);
        check_padded(buffer, size + 1);
        buffer[i + 1] = " \n"[i % 2];
        memcpy(buffer + i + 2, text + i + 1, size - i - 1);
        check_padded(buffer, size + 1);
    }
}

/* The first string longer, so that whatever follows it lies on every place of a block. Returns whether it is always
 * yes. */
static bool check_offsets(const char *text, size_t size)
{
    static char buffer[TEXT_MAX];
    const char *quote = memchr(text, '"', size);
    size_t head = quote ? (size_t)(quote + 1 - text) : 0;
    bool yes = true;

    for (size_t n = 0; n < 130; n++) {
        memcpy(buffer, text, head);
        memset(buffer + head, quote ? 'x' : ' ', n);
        memcpy(buffer + head + n, text + head, size - head);
        yes &= check_padded(buffer, size + n);
    }
    return yes;
}

static void check_everything(const char *text, size_t size)
{
    check_padded(text, size);
    check_truncated(text, size);
    check_replaced(text, size);
    check_shifted(text, size);
    check_offsets(text, size);
}

/* ---- transcripts ---- */

static void add_message(const char *text, size_t size, bool plain)
{
    struct message *m = &messages[n_messages++];

    assert_true(n_messages <= MESSAGES_MAX);
    m->text = malloc(size);
    assert_non_null(m->text);
    memcpy(m->text, text, size);
    m->size = size;
    m->usual = plain && !memchr(text, '\\', size) && !memmem(text, size, "e+", 2);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x80)
            m->usual = false;
}

static void load_transcript(const char *name)
{
    static char bytes[TEXT_MAX];
    char path[4096];
    size_t size, at = 0;
    struct json_scan scan;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", TRANSCRIPTS, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    size = fread(bytes, 1, sizeof(bytes), f);
    assert_int_equal(fclose(f), 0);
    while (json_validate_first(bytes + at, size - at, JSON_DEPTH_MAX, JSON_FOR_QEMU, &scan) == 0) {
        add_message(bytes + at + scan.value, scan.value_size, strncmp(name, "plain-", 6) == 0);
        at += scan.value + scan.value_size;
    }
    assert_int_equal(scan.flaw, JSON_EMPTY);
}

static int load_transcripts(void **state)
{
    DIR *folder = opendir(TRANSCRIPTS);
    struct dirent *entry;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)))
        if (strstr(entry->d_name, ".qmp"))
            load_transcript(entry->d_name);
    assert_int_equal(closedir(folder), 0);
    assert_true(n_messages > 80);
    return 0;
}

static int free_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_messages; i++)
        free(messages[i].text);
    return 0;
}

static void test_usual(void **state)
{
    size_t n_usual = 0;

    (void)state;
    for (size_t i = 0; i < n_messages; i++) {
        struct message *m = &messages[i];
        bool yes = check_padded(m->text, m->size);

        if (!m->usual)
            continue;
        n_usual++;
#ifdef __SSE2__
        if (!yes || !check_offsets(m->text, m->size))
            fail_msg("%.*s: the fast path says no", (int)m->size, m->text);
#else
        assert_false(yes);
#endif
    }
    assert_true(n_usual > 60);
}

static void test_transcripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_messages; i++)
        if (messages[i].size < 4096)
            check_everything(messages[i].text, messages[i].size);
}

/* ---- by hand ---- */

static const char *const documents[] = {
    "{}",
    "[]",
    "{ }",
    "[ ]",
    "[[]]",
    "[{}]",
    "{\"\":{}}",
    "[[],[[]],{},[{}]]",
    "{\"a\":{\"a\":[{\"a\":{}}]}}",
    "[null,true,false,0,\"\",[],{}]",
    "[ null , true , false , 0 , \"\" , [ ] , { } ]",
    "{\"a\": null, \"b\": true, \"c\": false, \"d\": 0, \"e\": \"\", \"f\": [], \"g\": {}}",
    "{ \"a\" : 1 , \"b\" : 2 }",
    "{\"a\":1,\"a\":2}",
    "{\"a\":  1,  \"b\":2}",
    "{\"a\":\t1,\n\"b\":2}",
    "[0,-0,1,-1,10,-10,123456789012345678901234567890,18446744073709551616]",
    "[1234567,12345678,123456789,-1234567]",
    "[0.5,-0.5,0.0,1e3,1E+3,1e-3,0e0,1.5e007,-1.5E-300]",
    "[00,01,-01,-,--1,+1,.5,1.,1e,1e+,0x1,1_0]",
    "[nul,tru,falsey,nulll,True,nan,inf,undefined,'a',a]",
    "{\"a\" 1}",
    "{\"a\"}",
    "{\"a\",1}",
    "{1:2}",
    "{a:1}",
    "{[]:1}",
    "{,}",
    "[,]",
    "[1,]",
    "{\"a\":1,}",
    "[\"a\":1]",
    "[1:2]",
    "[1 2]",
    "[\"a\" \"b\"]",
    "[\"a\"1]",
    "[1\"a\"]",
    "{\"a\":1]",
    "[1}",
    "{]",
    "[}",
    "{\"a\":[}]",
    "[{]}",
    "[[1}]",
    "{\"a\":1:2}",
    "{\"a\"::1}",
    "{\"a\":,}",
    "{\"a\":}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,\"b\"}",
    "{\"a\":1,2}",
    "{\"a\":1,{}}",
    "{\"a\":1,[]}",
    "{{}}",
    "{\"a\":\"b\":\"c\"}",
    "[\"a\\\"b\",\"\\\\\",\"\\u00e9\",\"\xc3\xa9\"]",
    "[\"\x7f\",\"[{,:}]\",\" \",\"'/\"]",
    "[\"a\nb\"]",
    "[\"\t\"]",
    "\"a\"",
    "1",
    "true",
    "-",
    "",
    " ",
    "\"",
    "{\"",
    "{\"a",
    "\xef\xbb\xbf{}",
    "{}{}",
    "{}}",
    "[]]",
    "[\"" PADDING "a string that fills a block and more" PADDING "\"]",
};

static void test_documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(documents); i++)
        check_everything(documents[i], strlen(documents[i]));
}

/* More members than are located. */
static void test_members(void **state)
{
    char buffer[1024] = "{";

    (void)state;
    for (unsigned n = 0; n < 2 * JSON_MEMBERS_MAX; n++) {
        size_t size = strlen(buffer);

        sprintf(buffer + size, "%s\"%u\": %u}" PADDING, n > 0 ? ", " : "", n, n);
        check(buffer, strlen(buffer));
        *strchr(buffer, '}') = '\0';
    }
}

static void test_space_before(void **state)
{
    char buffer[512];

    (void)state;
    for (size_t n = 0; n < 130; n++) {
        memset(buffer, " \t\r\n"[n % 4], n);
        strcpy(buffer + n, "{\"return\": {}, \"id\": \"one\"}\r\n" PADDING);
        check(buffer, strlen(buffer));
    }
}

static void test_depth(void **state)
{
    static const unsigned limits[] = {0, 1, 2, 3, 62, 63, 64, 65, 1023, 1024, 1025};
    char buffer[4096];

    (void)state;
    for (size_t depth = 1; depth < 1100; depth += depth < 70 ? 1 : 7) {
        memset(buffer, '[', depth);
        memset(buffer + depth, ']', depth);
        strcpy(buffer + 2 * depth, PADDING);
        for (size_t i = 0; i < ELEMENTS(limits); i++)
            check_depth(buffer, strlen(buffer), limits[i]);
    }
}

/* What begins as QEMU's events do, or nearly so, with everything that may stand in the two numbers' places. */
static void test_event_starts(void **state)
{
    static const char *const numbers[] = {"0", "-1", "1784073600", "123456", "007", "", "-", "1.5", "true", "null",
        "\"1\"", "{}", "1}", "12345678901234567890123"};
    static const char *const names[] = {"\"STOP\"}", "\"STOP\", \"data\": {\"a\": [1]}}", "\"\"}", "\"\\u0041\"}",
        "\"\x7f\"}", "\"\xc3\xa9\"}", "1}", "{}}", "\"STOP\", \"event\": \"STOP\"}", "\"STOP\"", "\"STOP\"]", "\"\n\"}",
        "\"STOP"};
    char buffer[512];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(numbers) * ELEMENTS(numbers) * ELEMENTS(names); i++) {
        const char *name = names[i % ELEMENTS(names)];
        size_t pair = i / ELEMENTS(names), size;

        sprintf(buffer, "{\"timestamp\": {\"seconds\": %s, \"microseconds\": %s}, \"event\": %s",
            numbers[pair / ELEMENTS(numbers)], numbers[pair % ELEMENTS(numbers)], name);
        size = strlen(buffer);
        check_padded(buffer, size);
        if (pair % 15 != 3) /* cutting all of them would take too long */
            continue;
        check_truncated(buffer, size);
        for (unsigned depth = 0; depth < 5; depth++) {
            strcpy(buffer + size, PADDING);
            check_depth(buffer, strlen(buffer), depth);
        }
    }
}

/* ---- at random ---- */

static uint64_t random_state = 1;

static unsigned random_below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % n;
}

/* Tokens in any order, now and then a document. */
static void test_soup(void **state)
{
    static const char *const tokens[] = {"{", "}", "[", "]", ":", ",", ": ", ", ", " ", "\"\"", "\"a\"", "\"key\"", "0",
        "1", "12345678", "true", "null", "{\"a\": ", "{\"a\": 1", "\"", "[]", "{}", "[1", "\\", "-", "a"};
    char buffer[1024];

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        size_t size = 0;

        buffer[size++] = "{["[random_below(2)];
        for (unsigned n = random_below(12); n > 0; n--) {
            const char *token = tokens[random_below(ELEMENTS(tokens) - random_below(10))];

            memcpy(buffer + size, token, strlen(token));
            size += strlen(token);
        }
        memset(buffer + size, "}]"[random_below(2)], 2);
        check_padded(buffer, size + 2);
    }
}

static char *write_value(char *p, unsigned depth);

/* A separator in one of QEMU's ways, rarely another. */
static char *write_separator(char *p, const char *separator)
{
    static const char *const spaces[] = {"", " ", " ", " ", " ", " ", " ", "  ", "\n"};

    p = stpcpy(p, random_below(200) == 0 ? " " : "");
    p = stpcpy(p, separator);
    return stpcpy(p, spaces[random_below(100) == 0 ? random_below(ELEMENTS(spaces)) : 1]);
}

static char *write_string(char *p)
{
    *p++ = '"';
    for (unsigned n = random_below(random_below(8) == 0 ? 100 : 14); n > 0; n--)
        *p++ = " !#$%&'()*+,-./0123:;<=>?@ABCXYZ[]^_`abcxyz{|}~"[random_below(46)];
    if (random_below(300) == 0)
        p = stpcpy(p, "\\n");
    *p++ = '"';
    return p;
}

static char *write_container(char *p, unsigned depth)
{
    bool object = random_below(3) > 0;

    *p++ = object ? '{' : '[';
    for (unsigned n = random_below(6); n > 0; n--) {
        if (object)
            p = write_separator(write_string(p), ":");
        p = write_value(p, depth + 1);
        if (n > 1)
            p = write_separator(p, ",");
    }
    *p++ = object ? '}' : ']';
    return p;
}

static char *write_value(char *p, unsigned depth)
{
    static const char *const literals[] = {"true", "false", "null"};

    switch (depth == 0 ? 9 : random_below(depth < 5 ? 12 : 8)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return write_string(p);
    case 4:
        return stpcpy(p, literals[random_below(3)]);
    case 5:
    case 6:
    case 7:
        return p + sprintf(p, "%s%u", random_below(10) == 0 ? "-" : "", random_below(1u << random_below(31)));
    default:
        return write_container(p, depth);
    }
}

static void test_written(void **state)
{
    static char buffer[TEXT_MAX];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        size_t size = (size_t)(write_value(buffer, 0) - buffer);

        check_padded(buffer, size);
        for (unsigned n = random_below(10); n > 0; n--)
            buffer[random_below((unsigned)size)] = "\"\\{}[],: 0a\n"[random_below(12)];
        check_padded(buffer, size);
    }
}

/* That the tests above meant something. */
static void test_said_yes(void **state)
{
    (void)state;
#ifdef __SSE2__
    assert_true(n_yes > 50000);
#else
    assert_int_equal(n_yes, 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),
        cmocka_unit_test(test_transcripts),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_space_before),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_event_starts),
        cmocka_unit_test(test_soup),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_said_yes),
    };

    return cmocka_run_group_tests_name("json/fast", tests, load_transcripts, free_messages);
}
