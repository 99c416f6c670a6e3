/* SPDX-License-Identifier: MIT */

/* What is left of a value that could not be written for want of memory: nothing, and nobody waits for its end. And a
 * complaint that does not fit into a pipe at once.
 *
 * It knows nothing of what the command writes when there is memory: the other parts do. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "check.h"
#include "complain.h"
#include "label.h"
#include "output.h"

/* A sanitizer lets an allocation fail that is too large, instead of ending the process. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Stands in for the one that knows all that can go wrong with a connection. */
enum outcome outcome_of_error(const char *what, int error)
{
    (void)what;
    assert_int_equal(error, -ENOMEM);
    return OUTCOME_LOCAL;
}

static char text[OUTPUT_MAX];

/* Writes what fills the buffer but for a byte, then a value that wants more memory than there is. */
static void *value_fail(void *userdata)
{
    qmp_value endless = {text, PTRDIFF_MAX - OUTPUT_MAX};

    label_set("vm1");
    assert_int_equal(output_text(text, OUTPUT_MAX - 1), OUTCOME_DONE);
    assert_int_equal(output_json(endless), OUTCOME_LOCAL);
    assert_int_equal(output_flush(), OUTCOME_DONE);
    return userdata;
}

static void test_no_memory(void)
{
    struct options options = {.format = FORMAT_SEQ};
    int ends[2], own = dup(STDOUT_FILENO);
    pthread_t thread;
    char *read_text = malloc(2 * OUTPUT_MAX);
    ssize_t n, size = 0;

    memset(text, 'x', sizeof(text));
    assert_non_null(read_text);
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 2 * OUTPUT_MAX) >= 2 * OUTPUT_MAX);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    output_setup(&options);
    assert_int_equal(pthread_create(&thread, NULL, value_fail, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(output_text("y", 1), OUTCOME_DONE);
    assert_int_equal(output_flush(), OUTCOME_DONE);
    dup2(own, STDOUT_FILENO);
    close(own);
    while ((n = read(ends[0], read_text + size, (size_t)(2 * OUTPUT_MAX - size))) > 0)
        size += n;
    close(ends[0]);
    assert_int_equal(size, OUTPUT_MAX);
    assert_memory_equal(read_text, text, OUTPUT_MAX - 1);
    assert_int_equal(read_text[OUTPUT_MAX - 1], 'y');
    free(read_text);
}

/* Reads a line from a pipe, and then its end. */
static void *line_read(void *userdata)
{
    int fd = *(const int *)userdata;
    size_t size = 0;
    char c = 0;

    while (read(fd, &c, 1) == 1)
        size++;
    assert_int_equal(c, '\n');
    return (void *)size;
}

/* A pipe takes a part of a long line, and then nothing for a while. */
static void test_long_complaint(void)
{
    int ends[2], own = dup(STDERR_FILENO);
    pthread_t thread;
    void *size;

    label_set(NULL);
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    assert_int_equal(pthread_create(&thread, NULL, line_read, &ends[0]), 0);
    complain("%s", text);
    dup2(own, STDERR_FILENO);
    close(own);
    pthread_join(thread, &size);
    close(ends[0]);
    assert_int_equal((size_t)size, strlen("qmp: ") + strlen(text) + 1);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_no_memory),
    CHECK_TEST(test_long_complaint),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
