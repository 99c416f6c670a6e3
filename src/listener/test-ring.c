/* SPDX-License-Identifier: MIT */
/* The ring against a plain array, through growth at every position of its head. References are counted by the
 * sanitizers: what is lost leaks, what is given back twice is used after its end. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "listener/ring.h"
#include "util/util.h"

#define ROUNDS 300u
#define STEPS 400u

static qmp_message *new_message(void)
{
    static const char text[] = "{\"event\": \"STOP\"}";
    qmp_message *m = NULL;

    assert_int_equal(qmp_message_parse(&m, text, strlen(text)), 0);
    return m;
}

static void test_empty(void **state)
{
    struct ring r = {0};

    (void)state;
    ring_done(&r);
    ring_done(&r);
    assert_int_equal(r.n, 0);
}

static void test_order(void **state)
{
    struct ring r = {0};
    qmp_message *messages[100];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(messages); i++) {
        messages[i] = i % 10 == 9 ? NULL : new_message();
        assert_int_equal(ring_push(&r, messages[i]), 0);
        assert_int_equal(r.n, i + 1);
    }
    for (size_t i = 0; i < ELEMENTS(messages); i++)
        assert_ptr_equal(ring_peek(&r, i), messages[i]);
    for (size_t i = 0; i < ELEMENTS(messages); i++) {
        assert_ptr_equal(ring_peek(&r, 0), messages[i]);
        assert_ptr_equal(ring_pop(&r), messages[i]);
        qmp_message_unref(messages[i]);
    }
    assert_int_equal(r.n, 0);
    ring_done(&r);
}

static void test_done_gives_everything_back(void **state)
{
    struct ring r = {0};

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(ring_push(&r, i % 3 == 0 ? NULL : new_message()), 0);
    ring_done(&r);
    assert_int_equal(r.n, 0);
    assert_null(r.slots);
    assert_int_equal(ring_push(&r, new_message()), 0);
    assert_non_null(ring_peek(&r, 0));
    ring_done(&r);
}

static void test_replace(void **state)
{
    struct ring r = {0};
    qmp_message *a = new_message(), *b = new_message();

    (void)state;
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(ring_push(&r, NULL), 0);
    for (unsigned i = 0; i < 12; i++)
        assert_null(ring_pop(&r));
    for (unsigned i = 0; i < 16; i++) /* around the end of the slots */
        assert_int_equal(ring_push(&r, i == 8 ? a : NULL), 0);
    ring_replace(&r, 8, b);
    for (unsigned i = 0; i < 16; i++)
        assert_ptr_equal(ring_peek(&r, i), i == 8 ? b : NULL);
    qmp_message_unref(a);
    ring_done(&r);
}

/* The memory grows with what is queued at once, not with what ever was. */
static void test_stays_small(void **state)
{
    struct ring r = {0};
    size_t n_slots;

    (void)state;
    assert_int_equal(ring_push(&r, NULL), 0);
    n_slots = r.n_slots;
    for (unsigned i = 0; i < 10000; i++) {
        assert_int_equal(ring_push(&r, NULL), 0);
        assert_null(ring_pop(&r));
    }
    assert_int_equal(r.n_slots, n_slots);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(ring_push(&r, NULL), 0);
    assert_true(r.n_slots <= 2048);
    ring_done(&r);
}

static void test_model(void **state)
{
    uint64_t seed = 88172645463325252u;
    qmp_message *message = new_message();

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        const qmp_message *model[STEPS];
        size_t head = 0, tail = 0;
        struct ring r = {0};

        for (unsigned step = 0; step < STEPS; step++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            if (head == tail || seed % 100 < 40 + round % 40) {
                model[tail] = seed & 256 ? qmp_message_ref(message) : NULL;
                assert_int_equal(ring_push(&r, (qmp_message *)(uintptr_t)model[tail++]), 0);
            } else {
                qmp_message *m = ring_pop(&r);

                assert_ptr_equal(m, model[head++]);
                qmp_message_unref(m);
            }
            assert_int_equal(r.n, tail - head);
            for (size_t i = head; i < tail; i++)
                assert_ptr_equal(ring_peek(&r, i - head), model[i]);
        }
        ring_done(&r);
    }
    qmp_message_unref(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_done_gives_everything_back),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_stays_small),
        cmocka_unit_test(test_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
