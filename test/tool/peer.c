/* SPDX-License-Identifier: MIT */

/* A QMP server that does what its command line says, for the tests of the command: once, for one client.
 *
 *     tool-peer SOCKET STEP...
 *
 * It listens, goes to the background, prints its pid there and then takes one step after the other; at the end it
 * sends no more, and waits until the client has gone too. Whoever started it may connect as soon as the pid is there.
 * Steps:
 *
 *     send=TEXT   sends TEXT, with every @ID@ and @ARGUMENTS@ replaced by that member of the last object received
 *     recv        receives one object
 *     greeting    sends a greeting
 *     greet       greeting, one command, its empty return
 *     flood=N     sends N events, numbered from 1
 *     tell=FIFO   opens and closes it, which ends a reader that waits there
 *     hold        waits until the client has gone
 *     drop        ends at once; what was not received resets the connection
 *
 * It frames by braces and strings, as QEMU does, and knows nothing else of JSON. An alarm ends it in any case. */

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The longest object received, and the seconds it may live. */
#define OBJECT_MAX 65536
#define LIFETIME 60
/* One write of a flood, and the longest event in it. */
#define FLOOD_WRITE_MAX 65536
#define FLOOD_EVENT_MAX 128

static char object[OBJECT_MAX];

/* What a TEXT may ask for: members of the last object received, "null" when it has none such. */
static struct {
    const char *mark, *key;
    char text[OBJECT_MAX];
} members[] = {{"@ID@", "\"id\"", "null"}, {"@ARGUMENTS@", "\"arguments\"", "null"}};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void send_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
        if (n <= 0)
            exit(0); /* the client has gone, as it may */
        text += n;
        size -= (size_t)n;
    }
}

static void send_text(int fd, const char *text)
{
    while (*text != '\0') {
        size_t size = 1 + strcspn(text + 1, "@"), i = 0;
        while (i < MEMBERS && strncmp(text, members[i].mark, strlen(members[i].mark)) != 0)
            i++;
        if (i < MEMBERS) {
            size = strlen(members[i].mark);
            send_all(fd, members[i].text, strlen(members[i].text));
        } else {
            send_all(fd, text, size);
        }
        text += size;
    }
}

/* The size of the JSON value at `text`, up to what follows it. */
static size_t value_size(const char *text)
{
    unsigned depth = 0;
    size_t size = 0;
    bool string = false;

    for (; text[size] != '\0'; size++) {
        char c = text[size];
        if (!string && depth == 0 && strchr(",:} ]", c) != NULL)
            break;
        if (string && c == '\\')
            size++;
        else if (c == '"')
            string = !string;
        else if (!string && (c == '{' || c == '['))
            depth++;
        else if (!string && (c == '}' || c == ']'))
            depth--;
    }
    return size;
}

static void members_remember(void)
{
    const char *at = object + 1;

    for (size_t i = 0; i < MEMBERS; i++)
        strcpy(members[i].text, "null");
    while (*(at += strspn(at, ", ")) == '"') {
        const char *key = at, *value = key + value_size(key);
        value += strspn(value, ": ");
        at = value + value_size(value);
        for (size_t i = 0; i < MEMBERS; i++) {
            if (strncmp(key, members[i].key, strlen(members[i].key)) != 0)
                continue;
            memcpy(members[i].text, value, (size_t)(at - value));
            members[i].text[at - value] = '\0';
        }
    }
}

/* Receives one object. */
static void object_receive(int fd)
{
    size_t size = 0;
    unsigned depth = 0;
    bool string = false;

    do {
        char c;
        if (size == sizeof(object) - 1 || recv(fd, &c, 1, 0) != 1)
            exit(0);
        if (size == 0 && c != '{')
            continue;
        object[size++] = c;
        object[size] = '\0';
        if (string && c == '\\' && recv(fd, &object[size++], 1, 0) != 1)
            exit(0);
        else if (c == '"')
            string = !string;
        else if (!string && (c == '{' || c == '['))
            depth++;
        else if (!string && (c == '}' || c == ']'))
            depth--;
    } while (size == 0 || depth > 0);
    members_remember();
}

static void greeting(int fd)
{
    send_text(fd, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, "
                  "\"capabilities\": []}}\r\n");
}

static void greet(int fd)
{
    greeting(fd);
    object_receive(fd);
    send_text(fd, "{\"return\": {}, \"id\": @ID@}\r\n");
}

/* In few writes, so that a reader that is fast finds much to read. */
static void flood(int fd, unsigned long n)
{
    static char text[FLOOD_WRITE_MAX];
    size_t size = 0;

    for (unsigned long i = 1; i <= n; i++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size,
            "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"FLOOD\", \"data\": {\"n\": %lu}}\r\n",
            i);
        if (size < sizeof(text) - FLOOD_EVENT_MAX && i < n)
            continue;
        send_all(fd, text, size);
        size = 0;
    }
}

static void hold(int fd)
{
    while (recv(fd, object, sizeof(object), 0) > 0)
        continue;
}

static void step_take(int fd, const char *step)
{
    if (strncmp(step, "send=", 5) == 0)
        send_text(fd, step + 5);
    else if (strcmp(step, "recv") == 0)
        object_receive(fd);
    else if (strcmp(step, "greeting") == 0)
        greeting(fd);
    else if (strcmp(step, "greet") == 0)
        greet(fd);
    else if (strncmp(step, "flood=", 6) == 0)
        flood(fd, strtoul(step + 6, NULL, 10));
    else if (strncmp(step, "tell=", 5) == 0)
        close(open(step + 5, O_WRONLY));
    else if (strcmp(step, "hold") == 0)
        hold(fd);
    else if (strcmp(step, "drop") == 0)
        exit(0);
    else
        exit(2);
}

/* Goes on in the background; the pid of what goes on is printed by what was started. */
static void background(void)
{
    pid_t pid = fork();

    if (pid < 0)
        fail("fork");
    if (pid > 0) {
        printf("%ld\n", (long)pid);
        fflush(stdout);
        _exit(0);
    }
    close(STDOUT_FILENO);
    alarm(LIFETIME);
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener, fd;

    if (argc < 2 || strlen(argv[1]) >= sizeof(address.sun_path))
        return 2;
    strcpy(address.sun_path, argv[1]);
    unlink(argv[1]);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0)
        fail(argv[1]);
    background();
    fd = accept(listener, NULL, NULL);
    if (fd < 0)
        fail("accept");
    for (int i = 2; i < argc; i++)
        step_take(fd, argv[i]);
    shutdown(fd, SHUT_WR);
    hold(fd);
    return 0;
}
