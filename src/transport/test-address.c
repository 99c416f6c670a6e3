/* SPDX-License-Identifier: MIT */
/* The grammar of addresses, row by row: what comes out, down to the length that the kernel gets, and which flaw is
 * named. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transport/address.h"
#include "util/util.h"

#define PATH_MAX_SIZE (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/* Parses a copy that ends where its memory ends. */
static int parse(struct address *ret, const char *text, const char **flaw)
{
    char *copy = strdup(text);
    int r;

    assert_non_null(copy);
    *flaw = NULL;
    r = address_parse(ret, copy, flaw);
    free(copy);
    return r;
}

static void assert_path(const char *text, const char *path)
{
    struct address a;
    const char *flaw;

    memset(&a, 0xff, sizeof(a));
    assert_int_equal(parse(&a, text, &flaw), 0);
    assert_null(flaw);
    assert_int_equal(a.un.sun_family, AF_UNIX);
    assert_string_equal(a.un.sun_path, path);
    assert_int_equal(a.size, offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static void test_paths(void **state)
{
    (void)state;
    assert_path("/run/vm7.qmp", "/run/vm7.qmp");
    assert_path("unix:/run/vm7.qmp", "/run/vm7.qmp");
    assert_path("vm7.qmp", "vm7.qmp");
    assert_path("unix:vm7.qmp", "vm7.qmp");
    assert_path("unix", "unix");
    assert_path("a", "a");
    assert_path("./a:b", "./a:b");
    assert_path("/tmp/a:b", "/tmp/a:b");
    assert_path("vm.qmp:0", "vm.qmp:0");
    assert_path("unix:a:b", "a:b");
    assert_path("unix:unix:a", "unix:a");
    assert_path("unix:tcp:a", "tcp:a");
    assert_path("@name", "@name"); /* an abstract name has the scheme in front */
    assert_path("./@name", "./@name");
    assert_path("unix:./@name", "./@name");
    assert_path(":a", ":a");
    assert_path("with space", "with space");
    assert_path("\xC3\xA9", "\xC3\xA9");
}

static void test_flaws(void **state)
{
    static const struct {
        const char *text, *flaw;
    } cases[] = {
        {"", "empty path"},
        {"unix:", "empty path"},
        {"tcp:localhost:4444", "unknown kind"},
        {"fd:7", "unknown kind"},
        {"unix-listen:/a", "unknown kind"},
        {"a+b:/a", "unknown kind"},
        {"vsock2:/a", "unknown kind"},
        {"unixx:/a", "unknown kind"},
        {"a:", "unknown kind"},
#ifdef __linux__
        {"unix:@", "empty abstract"},
#endif
    };
    struct address a, before;
    const char *flaw;

    (void)state;
    memset(&a, 0x5a, sizeof(a));
    before = a;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        assert_int_equal(parse(&a, cases[i].text, &flaw), -EINVAL);
        assert_non_null(flaw);
        assert_non_null(strstr(flaw, cases[i].flaw));
        assert_memory_equal(&a, &before, sizeof(a));
    }
}

static void test_longest_path(void **state)
{
    char text[300] = "unix:";
    struct address a;
    const char *flaw;

    (void)state;
    memset(text + 5, 'x', PATH_MAX_SIZE);
    text[5 + PATH_MAX_SIZE] = '\0';
    assert_path(text, text + 5);
    assert_path(text + 5, text + 5);
    text[5 + PATH_MAX_SIZE] = 'x';
    text[5 + PATH_MAX_SIZE + 1] = '\0';
    assert_int_equal(parse(&a, text, &flaw), -ENAMETOOLONG);
    assert_non_null(strstr(flaw, "too long"));
    assert_int_equal(parse(&a, text + 5, &flaw), -ENAMETOOLONG);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(parse(&a, text, &flaw), -ENAMETOOLONG);
}

static void test_abstract(void **state)
{
#ifdef __linux__
    char text[300] = "unix:@";
    struct address a;
    const char *flaw;

    (void)state;
    assert_int_equal(parse(&a, "unix:@vm7", &flaw), 0);
    assert_int_equal(a.size, offsetof(struct sockaddr_un, sun_path) + 4);
    assert_memory_equal(a.un.sun_path, "\0vm7", 4);
    assert_int_equal(parse(&a, "unix:@@", &flaw), 0);
    assert_int_equal(a.size, offsetof(struct sockaddr_un, sun_path) + 2);
    assert_memory_equal(a.un.sun_path, "\0@", 2);
    /* No NUL follows an abstract name: it may fill the address. */
    memset(text + 6, 'x', PATH_MAX_SIZE);
    assert_int_equal(parse(&a, text, &flaw), 0);
    assert_int_equal(a.size, sizeof(a.un));
    assert_memory_equal(a.un.sun_path + 1, text + 6, PATH_MAX_SIZE);
    text[6 + PATH_MAX_SIZE] = 'x';
    assert_int_equal(parse(&a, text, &flaw), -ENAMETOOLONG);
#else
    struct address a;
    const char *flaw;

    (void)state;
    assert_int_equal(parse(&a, "unix:@vm7", &flaw), -EINVAL);
    assert_non_null(strstr(flaw, "Linux"));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_flaws),
        cmocka_unit_test(test_longest_path),
        cmocka_unit_test(test_abstract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
