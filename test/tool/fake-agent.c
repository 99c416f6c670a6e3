/* SPDX-License-Identifier: MIT */

/* A guest agent for the tests of the command, for what must not be done with a real one: it freezes nothing, shuts
 * nothing down, and fails on request.
 *
 *     fake-agent SOCKET LOG [COMMAND:ACTION]...
 *
 * It listens, prints "ready", and serves one client after the other until it is killed. Each command that it executes
 * is a line of LOG, with its arguments. Whether it is frozen follows from LOG, so another agent with the same LOG goes
 * on where one has ended. An ACTION is for one execution of its COMMAND, in the order of the command line, or for all
 * of them when it starts with '+':
 *
 *     return=TEXT  executes it and returns this value, whatever the command is
 *     error=TEXT   refuses it
 *     drop         ends the connection instead
 *     vanish       ends instead
 *     mute         executes it and does not answer
 *     mute-drop    executes it and ends the connection without an answer
 *     mute-vanish  executes it and ends without an answer
 *     wait=FIFO    waits until somebody has opened FIFO to write, and closed it again, then executes it
 *
 * It takes a line for a command, looks for the members that it wants in the text, and knows nothing else of JSON. An
 * alarm ends it in any case. */

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The longest command and the longest name of one, and the seconds it may live. */
#define COMMAND_MAX 262144
#define NAME_MAX_BYTES 64
#define LIFETIME 60

static char command[COMMAND_MAX], name[NAME_MAX_BYTES];
static char **rules;
static const char *log_path;
static bool frozen;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void executed_note(const char *line)
{
    if (strncmp(line, "guest-fsfreeze-freeze", strlen("guest-fsfreeze-freeze")) == 0)
        frozen = true;
    else if (strncmp(line, "guest-fsfreeze-thaw", strlen("guest-fsfreeze-thaw")) == 0)
        frozen = false;
}

static void log_read(void)
{
    FILE *log = fopen(log_path, "a+");

    if (log == NULL)
        fail(log_path);
    while (fgets(command, sizeof(command), log) != NULL)
        executed_note(command);
    fclose(log);
}

static void log_write(void)
{
    char *arguments = strstr(command, "\"arguments\":");
    FILE *log = fopen(log_path, "a");

    if (log == NULL)
        fail(log_path);
    if (arguments != NULL) {
        char *end = strstr(arguments, ",\"id\":\"");
        arguments += strlen("\"arguments\":");
        fprintf(log, "%s %.*s\n", name, end != NULL ? (int)(end - arguments) : 0, arguments);
    } else {
        fprintf(log, "%s\n", name);
    }
    fclose(log);
}

/* Executes the command. Returns what it returns, NULL when it returns nothing. */
static const char *execute(void)
{
    bool was_frozen = frozen;

    log_write();
    executed_note(name);
    if (strcmp(name, "guest-fsfreeze-status") == 0)
        return frozen ? "\"frozen\"" : "\"thawed\"";
    if (strcmp(name, "guest-fsfreeze-freeze") == 0)
        return "3";
    if (strcmp(name, "guest-fsfreeze-thaw") == 0)
        return was_frozen ? "3" : "0";
    return strcmp(name, "guest-shutdown") == 0 ? NULL : "{}";
}

/* Takes the next action for the command off the rules; NULL when there is none. */
static char *action_take(void)
{
    size_t size = strlen(name);

    for (char **rule = rules; *rule != NULL; rule++) {
        char *action = *rule + size + 1;
        if (strncmp(*rule, name, size) != 0 || (*rule)[size] != ':')
            continue;
        if (*action == '+')
            return action + 1;
        **rule = '\0';
        return action;
    }
    return NULL;
}

static void fifo_await(const char *path)
{
    int fd = open(path, O_RDONLY);
    char c;

    while (read(fd, &c, 1) > 0)
        continue;
    close(fd);
}

/* Does what an action says. Returns whether the connection goes on. */
static bool act(int fd, const char *action)
{
    if (strncmp(action, "error=", 6) == 0) {
        dprintf(fd, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}\n", action + 6);
        return true;
    }
    if (strcmp(action, "vanish") == 0)
        exit(0);
    if (strcmp(action, "drop") == 0)
        return false;
    if (strncmp(action, "wait=", 5) == 0)
        fifo_await(action + 5);
    const char *value = execute();
    if (strcmp(action, "mute-vanish") == 0)
        exit(0);
    if (strncmp(action, "return=", 7) == 0)
        value = action + 7;
    if (value != NULL && strncmp(action, "mute", 4) != 0)
        dprintf(fd, "{\"return\": %s}\n", value);
    return strcmp(action, "mute-drop") != 0;
}

/* One command. Returns whether the connection goes on. */
static bool serve(int fd)
{
    const char *member = strstr(command, "\"execute\":\""), *number = strstr(command, "\"id\":");

    if (member == NULL)
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(member + 11, "\""), member + 11);
    if (strcmp(name, "guest-sync-delimited") == 0) {
        dprintf(fd, "\xff{\"return\": %.*s}\n", (int)strspn(number + 5, "0123456789"), number + 5);
        return true;
    }
    char *action = action_take();
    if (action != NULL)
        return act(fd, action);
    const char *value = execute();
    if (value != NULL)
        dprintf(fd, "{\"return\": %s}\n", value);
    return true;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
        fail(path);
    strcpy(address.sun_path, path);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
        fail(path);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int listener = listen_at(argv[1]);
    log_path = argv[2];
    rules = argv + 3;
    alarm(LIFETIME);
    signal(SIGPIPE, SIG_IGN);
    log_read();
    puts("ready");
    fclose(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        FILE *client = fd >= 0 ? fdopen(fd, "r") : NULL;
        if (client == NULL)
            fail("accept");
        while (fgets(command, sizeof(command), client) != NULL && serve(fd))
            continue;
        fclose(client);
    }
}
