/* SPDX-License-Identifier: MIT */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

/* What the harnesses share. A harness is one file with LLVMFuzzerTestOneInput(): it reads its input, does with the
 * library what the input says, and asserts what must hold with REQUIRE(). libFuzzer makes inputs (scripts/fuzz), and
 * replay.c runs those of corpus/ in every build. What a harness does depends on its input only: no clock, no chance, no
 * state from one input to the next.
 *
 * An input is read from its front: first the few bytes that decide how, then the rest, which is what. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property of the code under test, in every kind of build. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct input {
    const uint8_t *data;
    size_t size;
};

/* The next byte; 0 behind the end. */
static inline uint8_t input_byte(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

/* Up to n of the next bytes. */
static inline struct input input_take(struct input *in, size_t n)
{
    struct input taken = {in->data, n < in->size ? n : in->size};

    in->data += taken.size;
    in->size -= taken.size;
    return taken;
}

/* A copy in memory of exactly that size, so that reading beyond it is found; the caller's. */
static inline char *input_copy(const void *bytes, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    REQUIRE(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

/* Where bytes are cut into pieces: the input says the sizes, over and over again. */
struct cuts {
    struct input sizes;
    size_t next;
};

/* Takes up to 15 sizes from the front of the input. */
static inline struct cuts cuts_take(struct input *in)
{
    struct cuts c = {input_take(in, input_byte(in) & 15), 0};

    return c;
}

/* The size of the next piece of what is left: at least 1, unless nothing is; 255 is all of it, as without sizes. */
static inline size_t cuts_next(struct cuts *c, size_t left)
{
    size_t piece = c->sizes.size > 0 ? c->sizes.data[c->next++ % c->sizes.size] : 255;

    if (piece == 255 || piece > left)
        return left;
    return piece > 0 || left == 0 ? piece : 1;
}

#endif
