/* SPDX-License-Identifier: MIT */
/* Looking names up on a thread: the answer, every error, and going away before, while and after it comes. */

#include <poll.h>
#include <stdio.h>

#include "check.h"

#include "transport/resolve.h"
#include "transport/test-names.h"

static int wait_for(struct resolve *r, const struct addrinfo **ret, const char **why)
{
    assert_true(check_poll(resolve_get_fd(r), POLLIN, CHECK_WAIT) & POLLIN);
    return resolve_result(r, ret, why);
}

static void test_answer(void)
{
    const struct addrinfo *found = NULL;
    const char *why = NULL;
    struct resolve *r;

    names_reset();
    assert_ok(resolve_start(&r, "both.test", 4444));
    assert_ok(wait_for(r, &found, &why));
    assert_null(why);
    assert_int_equal(found->ai_family, AF_INET6);
    assert_int_equal(ntohs(((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_port), 4444);
    assert_int_equal(found->ai_next->ai_family, AF_INET);
    assert_null(found->ai_next->ai_next);
    assert_ok(resolve_result(r, &found, &why)); /* again */
    assert_true(names.signals_blocked);
    resolve_free(r);
}

static void test_errors(void)
{
    static const struct {
        const char *host;
        int error;
        const char *why;
    } cases[] = {
        {"none.test", -EHOSTUNREACH, "no such name"},
        {"again.test", -EHOSTUNREACH, "do not answer"},
        {"fail.test", -EHOSTUNREACH, "failed"},
        {"memory.test", -ENOMEM, "memory"},
        {"system.test", -EMFILE, "failed"},
        {"strange.test", -EHOSTUNREACH, "failed"},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const struct addrinfo *found = NULL;
        const char *why = NULL;
        struct resolve *r;

        names_reset();
        assert_ok(resolve_start(&r, cases[i].host, 1));
        assert_error(wait_for(r, &found, &why), cases[i].error);
        assert_null(found);
        assert_contains(why, cases[i].why);
        resolve_free(r);
    }
}

static void test_waiting(void)
{
    const struct addrinfo *found;
    const char *why;
    struct resolve *r;

    names_reset();
    assert_ok(resolve_start(&r, "slow.test", 1));
    names_wait_begun();
    assert_error(resolve_result(r, &found, &why), -EAGAIN);
    assert_int_equal(check_poll(resolve_get_fd(r), POLLIN, 0), 0);
    names_release();
    assert_ok(wait_for(r, &found, &why));
    resolve_free(r);
}

/* Nothing of it remains open, although the look-up goes on. */
static void test_abandoned(void)
{
    size_t fds = check_count_fds();
    struct resolve *r;

    names_reset();
    assert_ok(resolve_start(&r, "slow.test", 1));
    names_wait_begun();
    resolve_free(r);
    assert_int_equal(check_count_fds(), fds);
    names_release();
}

/* At whatever moment the answer comes. */
static void test_races(void)
{
    for (unsigned i = 0; i < 300; i++) {
        const struct addrinfo *found;
        const char *why;
        struct resolve *r;

        assert_ok(resolve_start(&r, i % 2 ? "many.test" : "none.test", 1));
        if (i % 3 == 0)
            resolve_result(r, &found, &why);
        if (i % 5 == 0)
            wait_for(r, &found, &why);
        resolve_free(r);
    }
}

static void test_nothing(void)
{
    resolve_free(NULL);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_answer),
        CHECK_TEST(test_errors),
        CHECK_TEST(test_waiting),
        CHECK_TEST(test_abandoned),
        CHECK_TEST(test_races),
        CHECK_TEST(test_nothing),
    };

    return check_main(argc, argv, tests, ELEMENTS(tests));
}
