/* SPDX-License-Identifier: MIT */
#ifndef SRC_JSON_TEST_JSON_H
#define SRC_JSON_TEST_JSON_H

/* What the JSON tests share: texts that lie where a read past their end faults, and a locale with a decimal comma. */

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <qmp/value.h>

#define GUARDED_MAX ((size_t)1 << 20)

/* A copy of the bytes that ends at the end of a page, followed by one that cannot be read; good until the next call
 * with the same slot. */
static inline const char *guarded(unsigned slot, const char *bytes, size_t size)
{
    static char *ends[2];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    assert_true(slot < 2 && size <= GUARDED_MAX);
    if (!ends[slot]) {
        char *map = mmap(NULL, GUARDED_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_int_equal(mprotect(map + GUARDED_MAX, page, PROT_NONE), 0);
        ends[slot] = map + GUARDED_MAX;
    }
    return memcpy(ends[slot] - size, bytes, size);
}

/* The text as a value; good until the next V(), resp. W(). */
static inline qmp_value V(const char *text)
{
    size_t size = strlen(text);

    return (qmp_value){guarded(0, text, size), size};
}

static inline qmp_value W(const char *text)
{
    size_t size = strlen(text);

    return (qmp_value){guarded(1, text, size), size};
}

static inline void assert_value(qmp_value v, const char *text)
{
    if (!text) {
        assert_null(v.text);
        return;
    }
    assert_non_null(v.text);
    assert_int_equal(v.size, strlen(text));
    assert_memory_equal(v.text, text, v.size);
}

/* Goes over to a locale with a decimal comma: an installed one, or one that localedef makes. False when there is none.
 * leave_comma_locale() goes back. */
static inline bool enter_comma_locale(void)
{
    static const char *const installed[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8"};
    char folder[] = "/tmp/qmp-test-XXXXXX", command[128];
    bool entered = false;

    for (size_t i = 0; i < sizeof(installed) / sizeof(installed[0]); i++)
        if (setlocale(LC_ALL, installed[i]))
            return true;

    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/qmp_test >/dev/null 2>&1", folder);
    if (system(command) == 0 && setenv("LOCPATH", folder, /* overwrite= */ 1) == 0)
        entered = setlocale(LC_ALL, "qmp_test");
    unsetenv("LOCPATH");
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    return entered;
}

static inline void leave_comma_locale(void)
{
    setlocale(LC_ALL, "C");
}

#endif
