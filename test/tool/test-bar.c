/* SPDX-License-Identifier: MIT */

/* What a progress bar looks like at each width, and amounts for people. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <qmp/types.h>

#include "amount.h"
#include "bar.h"
#include "escape.h"

static const struct bar job = {.label = "job1 running",
    .current = 1,
    .total = 2,
    .amount = "1.0 GiB of 2.0 GiB",
    .rate = "110 MiB/s",
    .left = "12 s left"};

static void test_widths(void **state)
{
    static const struct {
        unsigned columns;
        const char *line;
    } rows[] = {
        {0, ""},
        {3, ""},
        {4, " 50%"},
        {14, " 50%"},
        {17, " 50%"},
        {18, "[#####-----]   50%"},
        {28, "[##########----------]   50%"},
        {29, "[#####-----]   50%  12 s left"},
        {30, "[#####------]   50%  12 s left"},
        {42, "[###########------------]   50%  12 s left"},
        {43, "job1 running  [#####-----]   50%  12 s left"},
        {54, "job1 running  [#####-----]   50%  110 MiB/s  12 s left"},
        {73, "job1 running  [##############---------------]   50%  110 MiB/s  12 s left"},
        {74, "job1 running  [#####-----]   50%  1.0 GiB of 2.0 GiB  110 MiB/s  12 s left"},
        {500,
            "job1 running  [####################--------------------]   50%  1.0 GiB of 2.0 GiB  110 MiB/s  12 s left"},
    };
    char out[BAR_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bar_draw(&job, rows[i].columns, /* utf8= */ false, out);
        assert_string_equal(out, rows[i].line);
    }
}

/* No width is exceeded, and all show how much is done. */
static void test_never_too_wide(void **state)
{
    (void)state;
    for (unsigned utf8 = 0; utf8 < 2; utf8++)
        for (unsigned columns = 0; columns < 2 * BAR_COLUMNS_MAX; columns++) {
            char out[BAR_MAX];
            bar_draw(&job, columns, utf8, out);
            assert_true(escape_width(out, strlen(out)) <= columns);
            assert_true(columns < 4 || strstr(out, " 50%") != NULL);
        }
}

static void test_texts(void **state)
{
    struct bar bar = {.label = "a\033[31m\n\377b", .current = 1, .total = 1};
    char out[BAR_MAX], label[BAR_COLUMNS_MAX + 2];

    (void)state;
    bar_draw(&bar, 40, /* utf8= */ false, out);
    assert_string_equal(out, "a\\x1b[31m\\n\\xffb  [##############]  100%");
    bar.label = "日本";
    bar_draw(&bar, 24, /* utf8= */ true, out);
    assert_string_equal(out, "日本  [██████████]  100%");
    bar_draw(&bar, 23, /* utf8= */ true, out);
    assert_string_equal(out, "[███████████████]  100%");
    /* of a label that no line holds, nothing is shown */
    memset(label, '\n', sizeof(label) - 1);
    label[sizeof(label) - 1] = '\0';
    bar.label = label;
    bar_draw(&bar, BAR_COLUMNS_MAX, /* utf8= */ false, out);
    assert_string_equal(out, "[########################################]  100%");
    label[BAR_COLUMNS_MAX] = '\0';
    bar_draw(&bar, BAR_COLUMNS_MAX, /* utf8= */ false, out);
    assert_string_equal(out, "[########################################]  100%");
}

static void test_permille(void **state)
{
    (void)state;
    assert_int_equal(bar_permille(0, 0), 0);
    assert_int_equal(bar_permille(5, 0), 0);
    assert_int_equal(bar_permille(1, 3), 333);
    assert_int_equal(bar_permille(3, 3), 1000);
    assert_int_equal(bar_permille(4, 3), 1000);
    assert_int_equal(bar_permille(UINT64_MAX, UINT64_MAX), 1000);
    assert_true(bar_permille(UINT64_MAX - 1, UINT64_MAX) < 1000);
    assert_int_equal(bar_permille(UINT64_MAX / 2, UINT64_MAX), 500);
}

static void test_bytes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {{0, "0 B"}, {999, "999 B"}, {1000, "0.9 KiB"}, {1024, "1.0 KiB"}, {1536, "1.5 KiB"}, {10240, "10 KiB"},
        {1023999, "999 KiB"}, {1024000, "0.9 MiB"}, {1048576, "1.0 MiB"}, {UINT64_C(123) << 30, "123 GiB"},
        {UINT64_MAX, "15 EiB"}};
    char text[AMOUNT_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(amount_bytes(rows[i].bytes, text), rows[i].text);
}

static void test_time(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } rows[] = {{0, "0 s"}, {1, "1 s"}, {99, "99 s"}, {100, "2 min"}, {7199, "120 min"}, {7200, "2 h"}, {7201, "3 h"},
        {48 * 3600 - 1, "48 h"}, {48 * 3600, "2 days"}};
    char text[AMOUNT_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(amount_time(rows[i].seconds * QMP_SECOND, text), rows[i].text);
    assert_string_equal(amount_time(1, text), "1 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_never_too_wide),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_permille),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
