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
    assert_int_equal(a.unix_.un.sun_family, AF_UNIX);
    assert_string_equal(a.unix_.un.sun_path, path);
    assert_int_equal(a.unix_.size, offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
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

static void test_commas(void **state)
{
    (void)state;
    assert_path("/tmp/a,b", "/tmp/a,b");
    assert_path("unix:/tmp/a,servers=on", "/tmp/a,servers=on");
    assert_path("/tmp/waiter,waiting", "/tmp/waiter,waiting");
    assert_path("a,", "a,");
}

static void test_tcp(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port;
        bool numeric;
    } cases[] = {
        {"tcp:localhost:4444", "localhost", 4444, false},
        {"tcp:vm7.example.org:1", "vm7.example.org", 1, false},
        {"tcp:VM_7-a:65535", "VM_7-a", 65535, false},
        {"tcp:127.0.0.1:0", "127.0.0.1", 0, true},
        {"tcp:0.0.0.0:4444", "0.0.0.0", 4444, true},
        {"tcp:[::1]:4444", "::1", 4444, true},
        {"tcp:[::]:04444", "::", 4444, true},
        {"tcp:[fe80::1%lo]:4444", "fe80::1%lo", 4444, true},
        {"tcp:[::ffff:1.2.3.4]:4444", "::ffff:1.2.3.4", 4444, true},
        {"tcp:7up:4444", "7up", 4444, false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct address a;
        const char *flaw = NULL;

        assert_int_equal(address_parse(&a, cases[i].text, &flaw), 0);
        assert_null(flaw);
        assert_int_equal(a.kind, ADDRESS_TCP);
        assert_int_equal(a.tcp.host_size, strlen(cases[i].host));
        assert_memory_equal(a.tcp.host, cases[i].host, a.tcp.host_size);
        assert_true(a.tcp.host > cases[i].text && a.tcp.host < cases[i].text + strlen(cases[i].text));
        assert_int_equal(a.tcp.port, cases[i].port);
        assert_int_equal(a.tcp.numeric, cases[i].numeric);
    }
}

static void test_longest_host(void **state)
{
    char text[ADDRESS_HOST_MAX + 16] = "tcp:";
    struct address a;
    const char *flaw;

    (void)state;
    memset(text + 4, 'x', ADDRESS_HOST_MAX);
    strcpy(text + 4 + ADDRESS_HOST_MAX, ":1");
    assert_int_equal(address_parse(&a, text, &flaw), 0);
    assert_int_equal(a.tcp.host_size, ADDRESS_HOST_MAX);
    strcpy(text + 4 + ADDRESS_HOST_MAX, "x:1");
    assert_int_equal(address_parse(&a, text, &flaw), -EINVAL);
    assert_non_null(strstr(flaw, "too long"));
}

static void test_others(void **state)
{
    static const struct {
        const char *text;
        unsigned cid, port;
    } vsocks[] = {
        {"vsock:3:4444", 3, 4444},
        {"vsock:host:1", 2, 1},
        {"vsock:local:70000", 1, 70000},
        {"vsock:hypervisor:0", 0, 0},
        {"vsock:any:4294967294", ADDRESS_CID_ANY, 4294967294},
        {"vsock:4294967294:5", 4294967294, 5},
    };
    static const char command[] = "exec:ssh host,server=on socat - /x";
    struct address a;
    const char *flaw;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(vsocks); i++) {
        assert_int_equal(address_parse(&a, vsocks[i].text, &flaw), 0);
        assert_int_equal(a.kind, ADDRESS_VSOCK);
        assert_int_equal(a.vsock.cid, vsocks[i].cid);
        assert_int_equal(a.vsock.port, vsocks[i].port);
    }
    assert_int_equal(address_parse(&a, "fd:0", &flaw), 0);
    assert_int_equal(a.kind, ADDRESS_FD);
    assert_int_equal(a.fd, 0);
    assert_int_equal(address_parse(&a, "fd:2147483647", &flaw), 0);
    assert_int_equal(a.fd, 2147483647);
    assert_int_equal(address_parse(&a, command, &flaw), 0);
    assert_int_equal(a.kind, ADDRESS_EXEC);
    assert_ptr_equal(a.command, command + 5);
    assert_int_equal(address_parse(&a, "exec://bin/true", &flaw), 0);
    assert_string_equal(a.command, "//bin/true");
}

static void test_flaws(void **state)
{
    static const struct {
        const char *text, *flaw;
    } cases[] = {
        {"", "empty path"},
        {"unix:", "empty path"},
        {"unix-listen:/a", "unknown kind of address (a path with a colon is written ./PATH)"},
        {"a+b:/a", "unknown kind"},
        {"vsock2:/a", "unknown kind"},
        {"unixx:/a", "unknown kind"},
        {"a:", "unknown kind"},
        {"http://host/", "unknown kind"},
        {"localhost:4444", "tcp: in front"},
        {"10.0.0.7:4444", "tcp: in front"},
        {"unix://run/a", "leave out the //"},
        {"unix:/a,server=on,wait=off", "QEMU's options"},
        {"unix:/a,server", "QEMU's options"},
        {"unix:/a,b,nowait", "QEMU's options"},
        {"/a,server=off,reconnect=1", "QEMU's options"},
        {"/a,reconnect-ms=1", "QEMU's options"},
        {"unix:@a,server=on", "QEMU's options"},
        {"tcp:", "without a host and a port"},
        {"tcp::", "without a host (to listen everywhere write 0.0.0.0 or [::])"},
        {"tcp::4444", "without a host ("},
        {"tcp:4444", "without a port"},
        {"tcp:localhost", "without a port"},
        {"tcp:localhost:", "without a port"},
        {"tcp:[::1]", "without a port"},
        {"tcp:[::1]:", "without a port"},
        {"tcp:[::1]4444", "without a port"},
        {"tcp:localhost:http", "not a number"},
        {"tcp:localhost:-1", "not a number"},
        {"tcp:localhost:+1", "not a number"},
        {"tcp:localhost: 1", "not a number"},
        {"tcp:localhost:0x10", "not a number"},
        {"tcp:[::1]:x", "not a number"},
        {"tcp:localhost:65536", "above 65535"},
        {"tcp:localhost:18446744073709551617", "above 65535"},
        {"tcp:localhost:99999999999999999999999999999999", "above 65535"},
        {"tcp:::1:4444", "brackets"},
        {"tcp:fe80::1:4444", "brackets"},
        {"tcp:::4444", "brackets"},
        {"tcp:a:1:2", "too many colons"},
        {"tcp:[::1:4444", "closing bracket"},
        {"tcp:[", "closing bracket"},
        {"tcp:a]:4444", "opening bracket"},
        {"tcp:[localhost]:4444", "no IPv6 address"},
        {"tcp:[127.0.0.1]:4444", "no IPv6 address"},
        {"tcp:[]:4444", "no IPv6 address"},
        {"tcp:[::1%]:4444", "no IPv6 address"},
        {"tcp:300.0.0.1:4444", "no IPv4 address"},
        {"tcp:127.1:4444", "no IPv4 address"},
        {"tcp://localhost:4444", "leave out the //"},
        {"tcp:localhost:4444,server=off", "QEMU's options"},
        {"tcp:localhost:4444,nodelay", "QEMU's options"},
        {"tcp:user@host:4444", "no host name has"},
        {"tcp:my host:4444", "no host name has"},
        {"tcp: localhost:4444", "no host name has"},
        {"vsock:", "without a port"},
        {"vsock:3", "without a port"},
        {"vsock:3:", "without a port"},
        {"vsock:x:1", "whose CID"},
        {"vsock::1", "whose CID"},
        {"vsock:-1:1", "whose CID"},
        {"vsock:4294967296:1", "whose CID"},
        {"vsock:hosthosthosthosthost:1", "whose CID"},
        {"vsock:3:x", "not a number"},
        {"vsock:3:4294967295", "above 4294967294"},
        {"vsock://3:1", "leave out the //"},
        {"vsock:3:1,server=on", "QEMU's options"},
        {"fd:", "without the number"},
        {"fd:-1", "negative"},
        {"fd:-x", "not a number"},
        {"fd:three", "not a number"},
        {"fd:3 ", "not a number"},
        {"fd:3,server=on", "QEMU's options"},
        {"fd:2147483648", "too large"},
        {"exec:", "empty command"},
        {"exec: \t\n", "empty command"},
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
        int r = parse(&a, cases[i].text, &flaw);

        if (r != -EINVAL || !flaw || !strstr(flaw, cases[i].flaw))
            fail_msg("%s: %d: %s", cases[i].text, r, flaw ? flaw : "no flaw");
        assert_memory_equal(&a, &before, sizeof(a));
    }
}

/* ---- socket addresses ---- */

static void test_round(void **state)
{
    static const struct {
        const char *text, *formatted, *host; /* NULL: as it was */
    } cases[] = {
        {"tcp:127.0.0.1:4444", NULL, "127.0.0.1"},
        {"tcp:[::1]:1", NULL, "[::1]"},
        {"tcp:[0:0::1]:65535", "tcp:[::1]:65535", "[::1]"},
        {"tcp:[fe80::1%1]:4", NULL, "[fe80::1%1]"},
        {"unix:/run/vm7.qmp", NULL, NULL},
        {"/run/vm7.qmp", "unix:/run/vm7.qmp", NULL},
#ifdef __linux__
        {"unix:@vm7", NULL, NULL},
        {"tcp:[fe80::1%lo]:4", "tcp:[fe80::1%1]:4", NULL},
        {"vsock:3:70000", NULL, NULL},
        {"vsock:host:1", "vsock:2:1", NULL},
        {"vsock:any:1", NULL, NULL},
#endif
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct sockaddr_storage s;
        socklen_t size = 0;
        struct address a;
        const char *flaw;
        char out[200];

        assert_int_equal(address_parse(&a, cases[i].text, &flaw), 0);
        assert_int_equal(address_resolve(&a, &s, &size), 0);
        address_format(out, sizeof(out), &s, size);
        assert_string_equal(out, cases[i].formatted ? cases[i].formatted : cases[i].text);
        address_format_host(out, sizeof(out), &s, size);
        if (cases[i].host)
            assert_string_equal(out, cases[i].host);
        address_format(out, 5, &s, size);
        assert_int_equal(strlen(out), 4);
    }
}

static void test_resolve_refuses(void **state)
{
    struct sockaddr_storage s;
    struct address a;
    const char *flaw;
    socklen_t size;

    (void)state;
    assert_int_equal(address_parse(&a, "tcp:[fe80::1%no-such-card]:1", &flaw), 0);
    assert_int_equal(address_resolve(&a, &s, &size), -EADDRNOTAVAIL);
}

static void test_format_unnamed(void **state)
{
    struct sockaddr_storage s = {.ss_family = AF_UNIX};
    char out[64];

    (void)state;
    address_format(out, sizeof(out), &s, sizeof(sa_family_t));
    assert_string_equal(out, "unix: (without a name)");
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
    assert_int_equal(a.unix_.size, offsetof(struct sockaddr_un, sun_path) + 4);
    assert_memory_equal(a.unix_.un.sun_path, "\0vm7", 4);
    assert_int_equal(parse(&a, "unix:@@", &flaw), 0);
    assert_int_equal(a.unix_.size, offsetof(struct sockaddr_un, sun_path) + 2);
    assert_memory_equal(a.unix_.un.sun_path, "\0@", 2);
    /* No NUL follows an abstract name: it may fill the address. */
    memset(text + 6, 'x', PATH_MAX_SIZE);
    assert_int_equal(parse(&a, text, &flaw), 0);
    assert_int_equal(a.unix_.size, sizeof(a.unix_.un));
    assert_memory_equal(a.unix_.un.sun_path + 1, text + 6, PATH_MAX_SIZE);
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
        cmocka_unit_test(test_commas),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_longest_host),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_flaws),
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_resolve_refuses),
        cmocka_unit_test(test_format_unnamed),
        cmocka_unit_test(test_longest_path),
        cmocka_unit_test(test_abstract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
