/* SPDX-License-Identifier: MIT */
/* Between the text of an address and the socket address that it means.
 *
 * An address is a scheme, a colon and the rest, and each scheme has a function here that reads its rest; what has no
 * scheme is a path. People write addresses from memory, with QEMU's command line and web browsers in mind, so a mistake
 * is not only refused but named, and each has its own words: they complete the sentence "TEXT is …". What depends on
 * the use, such as port 0, is decided where it is used. It refuses to know whether anybody is there, and looks no name
 * up. */

#include "transport/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/util.h"

#ifdef __linux__
#include <linux/vm_sockets.h>
#endif

#define DIGITS "0123456789"
#define PORT_MAX 65535u
/* Both halves of a vsock address; what is above means any. */
#define VSOCK_MAX (ADDRESS_CID_ANY - 1)
/* An IPv6 address with the name of an interface: "fe80::1%eth0". */
#define IPV6_TEXT_MAX (INET6_ADDRSTRLEN + IF_NAMESIZE)

#define OPTIONS_FLAW                                                                                                   \
    "an address with QEMU's options behind it, which are no part of it (leave out everything from the comma on)"
#define URL_FLAW "written like a URL, which it is not (leave out the //)"

static int flawed(const char **reterr_flaw, const char *flaw)
{
    *reterr_flaw = flaw;
    return -EINVAL;
}

/* All of a text. Returns 0, -EINVAL for no number, -ERANGE. */
static int parse_number(const char *text, unsigned max, unsigned *ret)
{
    uint64_t n = 0;

    if (text[0] == '\0' || text[strspn(text, DIGITS)] != '\0')
        return -EINVAL;
    for (; *text; text++) {
        n = n * 10 + (uint64_t)(*text - '0');
        if (n > max)
            return -ERANGE;
    }
    *ret = (unsigned)n;
    return 0;
}

/* What follows a path on QEMU's command line. A path may have commas of its own. */
static bool has_options(const char *text)
{
    static const char *const options[] = {"server", "wait", "nowait", "reconnect", "reconnect-ms"};

    while ((text = strchr(text, ','))) {
        text++;
        for (size_t i = 0; i < ELEMENTS(options); i++) {
            size_t n = strlen(options[i]);

            if (strncmp(text, options[i], n) == 0 && (text[n] == '\0' || text[n] == ',' || text[n] == '='))
                return true;
        }
    }
    return false;
}

/* ---- UNIX sockets ---- */

static int parse_name(struct address *a, const char *path, bool abstract, const char **reterr_flaw)
{
    size_t n = strlen(path);

    if (n == 0)
        return flawed(reterr_flaw, "an empty path");
    if (has_options(path))
        return flawed(reterr_flaw, OPTIONS_FLAW);
#ifndef __linux__
    if (abstract)
        return flawed(reterr_flaw, "an abstract name, which only Linux has");
#endif
    if (abstract && n == 1)
        return flawed(reterr_flaw, "an empty abstract name");
    /* The NUL of a path counts; an abstract name has none. */
    if (n > sizeof(a->unix_.un.sun_path) - (abstract ? 0 : 1)) {
        *reterr_flaw = "a path too long for a socket (107 bytes on Linux)";
        return -ENAMETOOLONG;
    }
    a->kind = ADDRESS_UNIX;
    a->unix_.un.sun_family = AF_UNIX;
    memcpy(a->unix_.un.sun_path, path, n);
    a->unix_.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (abstract)
        a->unix_.un.sun_path[0] = '\0';
    else
        a->unix_.size++;
    return 0;
}

static int parse_unix(struct address *a, const char *rest, const char **reterr_flaw)
{
    if (strncmp(rest, "//", 2) == 0)
        return flawed(reterr_flaw, URL_FLAW);
    return parse_name(a, rest, rest[0] == '@', reterr_flaw);
}

/* ---- TCP ---- */

static bool is_ipv4(const char *host, size_t size)
{
    char text[INET_ADDRSTRLEN] = "";
    struct in_addr address;

    if (size >= sizeof(text))
        return false;
    memcpy(text, host, size);
    return inet_pton(AF_INET, text, &address) == 1;
}

/* Takes "ADDRESS" or "ADDRESS%INTERFACE" apart. */
static bool parse_ipv6(const char *host, size_t size, struct in6_addr *ret, char interface[IPV6_TEXT_MAX])
{
    char text[IPV6_TEXT_MAX] = "", *percent;

    if (size >= sizeof(text))
        return false;
    memcpy(text, host, size);
    percent = strchr(text, '%');
    snprintf(interface, IPV6_TEXT_MAX, "%s", percent ? percent + 1 : "");
    if (percent)
        *percent = '\0';
    return inet_pton(AF_INET6, text, ret) == 1 && (!percent || interface[0] != '\0');
}

static int parse_port(struct address *a, const char *text, const char **reterr_flaw)
{
    int r = parse_number(text, PORT_MAX, &a->tcp.port);

    if (text[0] == '\0')
        return flawed(reterr_flaw, "an address without a port");
    if (r == -ERANGE)
        return flawed(reterr_flaw, "an address with a port above 65535");
    if (r < 0)
        return flawed(reterr_flaw, "an address with a port that is not a number");
    return 0;
}

static int parse_bracketed(struct address *a, const char *rest, const char **reterr_flaw)
{
    const char *end = strchr(rest, ']');
    char interface[IPV6_TEXT_MAX];
    struct in6_addr address;

    if (!end)
        return flawed(reterr_flaw, "an IPv6 address without its closing bracket");
    a->tcp.host = rest + 1;
    a->tcp.host_size = (size_t)(end - a->tcp.host);
    a->tcp.numeric = true;
    if (!parse_ipv6(a->tcp.host, a->tcp.host_size, &address, interface))
        return flawed(reterr_flaw, "an address with something in brackets that is no IPv6 address");
    if (end[1] != ':')
        return flawed(reterr_flaw, "an address without a port (it follows a colon behind the bracket)");
    return parse_port(a, end + 2, reterr_flaw);
}

static int check_host(struct address *a, const char **reterr_flaw)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_." DIGITS;
    const char *host = a->tcp.host;
    size_t size = a->tcp.host_size;

    if (size == 0)
        return flawed(reterr_flaw, "an address without a host (to listen everywhere write 0.0.0.0 or [::])");
    if (host[size - 1] == ']')
        return flawed(reterr_flaw, "an address without its opening bracket");
    if (size > ADDRESS_HOST_MAX)
        return flawed(reterr_flaw, "an address with a host name that is too long (255 bytes)");
    if (strspn(host, letters) < size)
        return flawed(reterr_flaw, "an address with a character that no host name has");
    a->tcp.numeric = is_ipv4(host, size);
    if (!a->tcp.numeric && strspn(host, DIGITS ".") >= size)
        return flawed(reterr_flaw, "an address with a host in digits that is no IPv4 address");
    return 0;
}

static int parse_tcp(struct address *a, const char *rest, const char **reterr_flaw)
{
    const char *colon = strchr(rest, ':');
    int r;

    a->kind = ADDRESS_TCP;
    if (strchr(rest, ','))
        return flawed(reterr_flaw, OPTIONS_FLAW);
    if (strncmp(rest, "//", 2) == 0)
        return flawed(reterr_flaw, URL_FLAW);
    if (rest[0] == '\0')
        return flawed(reterr_flaw, "an address without a host and a port");
    if (rest[0] == '[')
        return parse_bracketed(a, rest, reterr_flaw);
    if (!colon)
        return flawed(reterr_flaw, "an address without a port");
    if (strchr(colon + 1, ':'))
        return flawed(
            reterr_flaw, "an address with too many colons (an IPv6 address goes in brackets: tcp:[::1]:4444)");
    a->tcp.host = rest;
    a->tcp.host_size = (size_t)(colon - rest);
    r = check_host(a, reterr_flaw);
    return r < 0 ? r : parse_port(a, colon + 1, reterr_flaw);
}

/* ---- the others ---- */

static int parse_cid(const char *text, size_t size, unsigned *ret)
{
    static const struct {
        const char *word;
        unsigned cid;
    } words[] = {{"hypervisor", 0}, {"local", 1}, {"host", 2}, {"any", ADDRESS_CID_ANY}};
    char copy[16] = "";

    if (size >= sizeof(copy))
        return -EINVAL;
    memcpy(copy, text, size);
    for (size_t i = 0; i < ELEMENTS(words); i++) {
        if (strcmp(copy, words[i].word) == 0) {
            *ret = words[i].cid;
            return 0;
        }
    }
    return parse_number(copy, VSOCK_MAX, ret);
}

static int parse_vsock(struct address *a, const char *rest, const char **reterr_flaw)
{
    const char *colon = strchr(rest, ':');
    int r;

    a->kind = ADDRESS_VSOCK;
    if (strchr(rest, ','))
        return flawed(reterr_flaw, OPTIONS_FLAW);
    if (strncmp(rest, "//", 2) == 0)
        return flawed(reterr_flaw, URL_FLAW);
    if (!colon || colon[1] == '\0')
        return flawed(reterr_flaw, "an address without a port");
    if (parse_cid(rest, (size_t)(colon - rest), &a->vsock.cid) < 0)
        return flawed(reterr_flaw, "an address whose CID is neither a number nor host, local or any");
    r = parse_number(colon + 1, VSOCK_MAX, &a->vsock.port);
    if (r == -ERANGE)
        return flawed(reterr_flaw, "an address with a port above 4294967294");
    if (r < 0)
        return flawed(reterr_flaw, "an address with a port that is not a number");
    return 0;
}

static int parse_fd(struct address *a, const char *rest, const char **reterr_flaw)
{
    unsigned fd = 0;
    int r = parse_number(rest, INT_MAX, &fd);

    if (rest[0] == '\0')
        return flawed(reterr_flaw, "an address without the number of a descriptor");
    if (rest[0] == '-' && parse_number(rest + 1, INT_MAX, &fd) == 0)
        return flawed(reterr_flaw, "a negative descriptor");
    if (r == -ERANGE)
        return flawed(reterr_flaw, "a descriptor too large for one");
    if (r < 0)
        return flawed(reterr_flaw, has_options(rest) ? OPTIONS_FLAW : "a descriptor that is not a number");
    a->kind = ADDRESS_FD;
    a->fd = (int)fd;
    return 0;
}

static int parse_exec(struct address *a, const char *rest, const char **reterr_flaw)
{
    if (rest[strspn(rest, " \t\n")] == '\0')
        return flawed(reterr_flaw, "an empty command");
    a->kind = ADDRESS_EXEC;
    a->command = rest;
    return 0;
}

/* ---- all of them ---- */

static const struct {
    const char *prefix;
    int (*parse)(struct address *a, const char *rest, const char **reterr_flaw);
} schemes[] = {
    {"unix:", parse_unix},
    {"tcp:", parse_tcp},
    {"vsock:", parse_vsock},
    {"fd:", parse_fd},
    {"exec:", parse_exec},
};

/* "word:" in front of what could be a path. */
static bool has_scheme(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz+-" DIGITS);

    return n > 0 && text[n] == ':';
}

/* "localhost:4444", "10.0.0.7:4444". */
static bool is_bare_tcp(const char *text)
{
    const char *colon = strchr(text, ':');
    unsigned port;

    return colon && parse_number(colon + 1, PORT_MAX, &port) == 0 &&
           (has_scheme(text) || is_ipv4(text, (size_t)(colon - text)));
}

static int parse(struct address *a, const char *text, const char **reterr_flaw)
{
    for (size_t i = 0; i < ELEMENTS(schemes); i++) {
        size_t n = strlen(schemes[i].prefix);

        if (strncmp(text, schemes[i].prefix, n) == 0)
            return schemes[i].parse(a, text + n, reterr_flaw);
    }
    if (is_bare_tcp(text))
        return flawed(reterr_flaw, "an unknown kind of address (a host and a port have tcp: in front, a path ./)");
    if (has_scheme(text))
        return flawed(reterr_flaw, "an unknown kind of address (a path with a colon is written ./PATH)");
    return parse_name(a, text, /* abstract= */ false, reterr_flaw);
}

int address_parse(struct address *ret, const char *text, const char **reterr_flaw)
{
    struct address a;
    int r;

    memset(&a, 0, sizeof(a));
    r = parse(&a, text, reterr_flaw);
    if (r >= 0)
        *ret = a;
    return r;
}

/* ---- socket addresses ---- */

static int resolve_tcp(const struct address *a, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((in_port_t)a->tcp.port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)a->tcp.port)};
    char text[INET_ADDRSTRLEN] = "", interface[IPV6_TEXT_MAX];

    if (is_ipv4(a->tcp.host, a->tcp.host_size)) {
        memcpy(text, a->tcp.host, a->tcp.host_size);
        inet_pton(AF_INET, text, &in.sin_addr);
        memcpy(ret, &in, sizeof(in));
        *ret_size = sizeof(in);
        return 0;
    }
    parse_ipv6(a->tcp.host, a->tcp.host_size, &in6.sin6_addr, interface);
    /* An interface is a name, or the number that it has. */
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): it was parsed before */
    if (interface[0] != '\0' && parse_number(interface, INT_MAX, &in6.sin6_scope_id) < 0) {
        in6.sin6_scope_id = if_nametoindex(interface);
        if (in6.sin6_scope_id == 0)
            return -EADDRNOTAVAIL;
    }
    memcpy(ret, &in6, sizeof(in6));
    *ret_size = sizeof(in6);
    return 0;
}

static int resolve_vsock(const struct address *a, struct sockaddr_storage *ret, socklen_t *ret_size)
{
#ifdef AF_VSOCK
    struct sockaddr_vm vm;

    memset(&vm, 0, sizeof(vm));
    vm.svm_family = AF_VSOCK;
    vm.svm_cid = a->vsock.cid;
    vm.svm_port = a->vsock.port;
    memcpy(ret, &vm, sizeof(vm));
    *ret_size = sizeof(vm);
    return 0;
#else
    (void)a;
    (void)ret;
    (void)ret_size;
    return -EAFNOSUPPORT;
#endif
}

int address_resolve(const struct address *a, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    memset(ret, 0, sizeof(*ret));
    if (a->kind == ADDRESS_TCP)
        return resolve_tcp(a, ret, ret_size);
    if (a->kind == ADDRESS_VSOCK)
        return resolve_vsock(a, ret, ret_size);
    memcpy(ret, &a->unix_.un, a->unix_.size);
    *ret_size = a->unix_.size;
    return 0;
}

static void format_unix(char *out, size_t size, const struct sockaddr_storage *s, socklen_t s_size)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)s;
    size_t n = s_size > offsetof(struct sockaddr_un, sun_path) ? s_size - offsetof(struct sockaddr_un, sun_path) : 0;

    n = MIN(n, sizeof(un->sun_path));
    if (n == 0)
        snprintf(out, size, "unix: (without a name)");
    else if (un->sun_path[0] == '\0')
        snprintf(out, size, "unix:@%.*s", (int)(n - 1), un->sun_path + 1);
    else
        snprintf(out, size, "unix:%.*s", (int)n, un->sun_path);
}

static void format_ipv6(char *out, size_t size, const struct sockaddr_in6 *in6)
{
    char text[INET6_ADDRSTRLEN] = "?";

    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    if (in6->sin6_scope_id != 0)
        snprintf(out, size, "[%s%%%u]", text, (unsigned)in6->sin6_scope_id);
    else
        snprintf(out, size, "[%s]", text);
}

static void format_vsock(char *out, size_t size, const struct sockaddr_storage *s)
{
#ifdef AF_VSOCK
    struct sockaddr_vm vm;

    memcpy(&vm, s, sizeof(vm));
    if (vm.svm_cid == ADDRESS_CID_ANY)
        snprintf(out, size, "vsock:any:%u", vm.svm_port);
    else
        snprintf(out, size, "vsock:%u:%u", vm.svm_cid, vm.svm_port);
#else
    (void)s;
    snprintf(out, size, "?");
#endif
}

void address_format_host(char *out, size_t size, const struct sockaddr_storage *s, socklen_t s_size)
{
    char text[INET_ADDRSTRLEN] = "?";

    if (s->ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)s)->sin_addr, text, sizeof(text));
        snprintf(out, size, "%s", text);
    } else if (s->ss_family == AF_INET6) {
        format_ipv6(out, size, (const struct sockaddr_in6 *)(const void *)s);
    } else if (s->ss_family == AF_UNIX) {
        format_unix(out, size, s, s_size);
    } else {
        format_vsock(out, size, s);
    }
}

void address_format(char *out, size_t size, const struct sockaddr_storage *s, socklen_t s_size)
{
    char host[IPV6_TEXT_MAX + 8];

    if (s->ss_family != AF_INET && s->ss_family != AF_INET6) {
        address_format_host(out, size, s, s_size);
        return;
    }
    address_format_host(host, sizeof(host), s, s_size);
    /* The port stands at the same place in both. */
    snprintf(out, size, "tcp:%s:%u", host, ntohs(((const struct sockaddr_in *)(const void *)s)->sin_port));
}
