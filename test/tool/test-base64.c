/* SPDX-License-Identifier: MIT */

/* Base64 against the vectors of RFC 4648, section 10, every length around a chunk's, every byte, and everything that is
 * not base64 but looks like it. */

#include <stdlib.h>
#include <string.h>

#include "../../tool/base64.h"
#include "check.h"

static const struct {
    const char *bytes, *text;
} vectors[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "+/+/"}, {"~~?", "fn4/"}};

static void encodes(void)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t size = strlen(vectors[i].bytes);
        char out[16];
        assert_int_equal(base64_encode(out, vectors[i].bytes, size), strlen(vectors[i].text));
        assert_int_equal(BASE64_SIZE(size), strlen(vectors[i].text));
        assert_memory_equal(out, vectors[i].text, strlen(vectors[i].text));
    }
}

static void decodes(void)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char out[16];
        size_t size = 99;
        assert_true(base64_decode(out, vectors[i].text, strlen(vectors[i].text), &size));
        assert_int_equal(size, strlen(vectors[i].bytes));
        assert_memory_equal(out, vectors[i].bytes, size);
    }
}

/* There and back, in memory that is exactly as large as it is said to have to be, in place. */
static void returns(void)
{
    for (size_t size = 0; size < 600; size++) {
        unsigned char *bytes = malloc(size + 1);
        char *text = malloc(BASE64_SIZE(size) + 1);
        size_t back = 0;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)(i * 7 + size);
        assert_int_equal(base64_encode(text, bytes, size), BASE64_SIZE(size));
        char *exact = malloc(BASE64_SIZE(size) + (size == 0));
        memcpy(exact, text, BASE64_SIZE(size));
        assert_true(base64_decode(exact, exact, BASE64_SIZE(size), &back));
        assert_int_equal(back, size);
        assert_memory_equal(exact, bytes, size);
        free(exact);
        free(text);
        free(bytes);
    }
}

static void refuses(void)
{
    static const char *const texts[] = {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "==", "Zm9v=", "Zm=v", "Z=9v",
        "=m9v", "Zg==Zg==", "Zm8=Zm9v", "Zh==", "Zm9=", "Zm9v\n", "Zm9v\nZg=", " Zm9", "Zm9_", "Zm9-", "Zm9\x80",
        "Zm9\xff", "Zm9.", "Zm9@", "Zm9[", "Zm9`", "Zm9{", "Zm9:"};
    char out[16];
    size_t size;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(base64_decode(out, texts[i], strlen(texts[i]), &size));
    assert_false(base64_decode(out, "Zm\0v", 4, &size));
}

/* Of all bytes, exactly 64 are in the alphabet. */
static void alphabet(void)
{
    unsigned n = 0;

    for (unsigned c = 0; c < 256; c++) {
        const char text[] = {'A', 'A', 'A', (char)c};
        char out[3], back[4];
        size_t size;
        if (c == '=' || !base64_decode(out, text, sizeof(text), &size))
            continue;
        n++;
        base64_encode(back, out, size);
        assert_memory_equal(back, text, sizeof(text));
    }
    assert_int_equal(n, 64);
}

static const struct check_test tests[] = {
    CHECK_TEST(encodes), CHECK_TEST(decodes), CHECK_TEST(returns), CHECK_TEST(refuses), CHECK_TEST(alphabet)};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
