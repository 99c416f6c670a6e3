/* SPDX-License-Identifier: MIT */

/* Command lines of QEMU, row by row: the name, and each socket with what it is for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commandline.h"

/* The longest command line here, and what is told of one. */
#define TEXT_MAX 1024

static const char *const roles[] = {[ROLE_UNKNOWN] = "unknown",
    [ROLE_MONITOR] = "qmp",
    [ROLE_HUMAN] = "hmp",
    [ROLE_AGENT] = "agent",
    [ROLE_OTHER] = "other"};

static void told(char *out, const struct commandline *c)
{
    out += sprintf(out, "%s", c->name != NULL ? c->name : "-");
    for (size_t i = 0; i < c->n; i++) {
        const struct endpoint *e = &c->endpoints[i];
        out += sprintf(out, "; %s ", roles[e->role]);
        if (e->use != NULL)
            out += sprintf(out, "(%s) ", e->use);
        if (e->fd >= 0)
            out += sprintf(out, "fd %d", e->fd);
        else if (e->path != NULL)
            out += sprintf(out, "%s", e->path);
        else
            out += sprintf(out, "%s:%s", e->host != NULL ? e->host : "", e->port != NULL ? e->port : "");
        out += sprintf(out, "%s%s%s%s%s", e->server ? " server" : "", e->wait ? " wait" : "", e->tls ? " tls" : "",
            e->abstract ? " abstract" : "", e->strange ? " strange" : "");
    }
}

/* `line` has '|' between arguments. It is parsed where its memory ends. */
static void assert_told(bool daemon, const char *line, const char *expected)
{
    size_t size = strlen(line) + 1;
    char *text = malloc(size), actual[TEXT_MAX];
    struct commandline c;

    assert_non_null(text);
    memcpy(text, line, size);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '|')
            text[i] = '\0';
    assert_true(commandline_parse(&c, text, size, daemon));
    told(actual, &c);
    assert_string_equal(actual, expected);
    commandline_done(&c);
    free(text);
}

static void names(void **state)
{
    (void)state;
    assert_told(false, "qemu", "-");
    assert_told(false, "qemu|-name|vm7", "vm7");
    assert_told(false, "qemu|--name|vm7,process=x", "vm7");
    assert_told(false, "qemu|-name|guest=vm7,debug-threads=on", "vm7");
    assert_told(false, "qemu|-name|debug-threads=on,guest=vm7", "vm7");
    assert_told(false, "qemu|-name|a,,b", "a,b");
    assert_told(false, "qemu|-name|one|-name|two", "two");
    assert_told(false, "qemu|-name|", "-");
    assert_told(false, "qemu|-name", "-");
    assert_told(false, "-name|vm7", "-");
}

static void qmp_options(void **state)
{
    (void)state;
    assert_told(false, "q|-qmp|unix:/a,server=on,wait=off", "-; qmp /a server");
    assert_told(false, "q|-qmp|unix:/a,server=on", "-; qmp /a server wait");
    assert_told(false, "q|-qmp|unix:/a,server,nowait", "-; qmp /a server");
    assert_told(false, "q|-qmp-pretty|unix:/a,server,nowait", "-; qmp /a server");
    assert_told(false, "q|--qmp|unix:a b,,c,server=on,wait=off", "-; qmp a b,c server");
    assert_told(false, "q|-qmp|unix:/a", "-; qmp /a");
    assert_told(false, "q|-qmp|unix:/a,server=off", "-; qmp /a");
    assert_told(false, "q|-qmp|unix:path=/a,server=on,wait=no", "-; qmp /a server");
    assert_told(false, "q|-qmp|unix:n,abstract=on,server=on,wait=off", "-; qmp n server abstract");
    assert_told(false, "q|-qmp|unix:n,abstract=on,tight=off,server=on,wait=off", "-; qmp n server abstract strange");
    assert_told(false, "q|-qmp|tcp:localhost:4444,server=on,wait=off", "-; qmp localhost:4444 server");
    assert_told(false, "q|-qmp|tcp::4444,server=on,wait=off", "-; qmp :4444 server");
    assert_told(false, "q|-qmp|tcp:[::1]:4444,server=on,wait=off", "-; qmp [::1]:4444 server");
    assert_told(false, "q|-qmp|telnet:h:1,server=on,wait=off", "-; qmp h:1 server strange");
    assert_told(false, "q|-qmp|stdio", "-");
    assert_told(false, "q|-qmp|tcp:h,server=on", "-");
    assert_told(
        false, "q|-qmp|unix:/a,server=on|-qmp|unix:/b,server=on,wait=off", "-; qmp /a server wait; qmp /b server");
    assert_told(false, "q|-monitor|unix:/a,server,nowait", "-; hmp /a server");
    assert_told(false, "q|-serial|unix:/a,server,nowait", "-; other (serial) /a server");
}

/* The last ones are 0 and 3 in an int. */
static const char *const no_descriptors[] = {
    "name", "3x", "-1", "+3", " 3", "0x3", "99999999999999999999", "4294967296", "4294967299"};

static void character_devices(void **state)
{
    (void)state;
    assert_told(
        false, "q|-chardev|socket,id=a,path=/a,server=on,wait=off|-mon|chardev=a,mode=control", "-; qmp /a server");
    assert_told(false, "q|-mon|a,mode=control|-chardev|socket,path=/a,id=a,server=on,wait=off", "-; qmp /a server");
    assert_told(false, "q|-chardev|socket,id=a,path=/a,server=on,wait=off|-mon|a", "-; hmp /a server");
    assert_told(false, "q|-chardev|socket,id=a,path=/a,server=on,wait=off|-mon|b,mode=control", "-; unknown /a server");
    assert_told(false, "q|-chardev|socket,id=a,fd=30,server=on,wait=off|-mon|chardev=a,id=monitor,mode=control",
        "-; qmp fd 30 server");
    for (size_t i = 0; i < sizeof(no_descriptors) / sizeof(no_descriptors[0]); i++) {
        char line[TEXT_MAX];
        snprintf(line, sizeof(line), "q|-chardev|socket,id=a,fd=%s,server=on|-mon|a,mode=control", no_descriptors[i]);
        assert_told(false, line, "-; qmp : server wait");
    }
    assert_told(false, "q|-chardev|socket,id=a,host=::1,port=4,server=on,wait=off,tls-creds=t|-mon|a,mode=control",
        "-; qmp ::1:4 server tls");
    assert_told(false, "q|-chardev|socket,id=a,host=h,port=4,server=on,wait=off,telnet=on|-mon|a,mode=control",
        "-; qmp h:4 server strange");
    assert_told(false, "q|-chardev|pty,id=a|-mon|a,mode=control", "-");
    assert_told(false, "q|-chardev|backend=socket,id=a,path=/a|-qmp|chardev:a", "-; qmp /a");
    assert_told(false, "q|-chardev|socket,id=a,path=/a|-serial|chardev:a", "-; other (serial) /a");
    assert_told(false, "q|-chardev|socket,id=a,path=/a|-device|isa-serial,chardev=a", "-; other (isa-serial) /a");
    assert_told(false, "q|-chardev|socket,id=a,path=/a|-device|virtserialport,chardev=a,name=org.qemu.guest_agent.0",
        "-; agent /a");
    assert_told(false,
        "q|-chardev|socket,id=a,path=/a|-device|{\"driver\":\"virtserialport\",\"chardev\":\"a\",\"name\":"
        "\"org.qemu.guest_agent.0\"}",
        "-; agent /a");
    assert_told(false, "q|-chardev|socket,id=a,path=/a|-device|{\"driver\":", "-; unknown /a");
    assert_told(false, "q|-chardev|socket,id=a,path=/a|-mon|a,mode=control|-mon|a", "-; qmp /a");
}

static void storage_daemons(void **state)
{
    (void)state;
    assert_told(true, "qsd|--chardev|socket,id=c,path=/a,server=on,wait=off|--monitor|chardev=c", "-; qmp /a server");
    assert_told(true, "qsd|--monitor|c|--chardev|socket,id=c,path=/a,server=on", "-; qmp /a server wait");
    assert_told(true, "qsd|--chardev=socket,id=c,path=/a,server=on,wait=off|--monitor=chardev=c", "-; qmp /a server");
    assert_told(
        true, "qsd|--chardev|socket,id=c,path=/a|--monitor|{\"chardev\": \"c\", \"pretty\": true}", "-; qmp /a");
}

/* Every beginning of a command line is taken without harm: a process may be looked at while it is made. */
static void beginnings(void **state)
{
    static const char line[] =
        "q\0-name\0guest=a,,b\0-chardev\0socket,id=a,path=/a,,b,server=on\0-mon\0a,mode=control\0"
        "-device\0{\"driver\": \"x\", \"chardev\": \"a\"}\0-qmp\0tcp:[::1]:4,server,nowait";
    struct commandline c;

    (void)state;
    for (size_t size = 0; size <= sizeof(line); size++) {
        char *text = malloc(size + 1);
        assert_non_null(text);
        memcpy(text, line, size);
        assert_true(commandline_parse(&c, text, size, false));
        commandline_done(&c);
        free(text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(qmp_options),
        cmocka_unit_test(character_devices), cmocka_unit_test(storage_daemons), cmocka_unit_test(beginnings)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
