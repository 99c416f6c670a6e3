/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <sys/types.h>

#include <qmp/client.h>

#define GREETING                                                                                                       \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, "             \
    "\"capabilities\": [\"oob\"]}}\r\n"

/* BLOCK_JOB_COMPLETED as QEMU prints it: 213 bytes with its line end. */
#define EVENT                                                                                                          \
    "{\"timestamp\": {\"seconds\": 1795334434, \"microseconds\": 345821}, \"event\": \"BLOCK_JOB_COMPLETED\", "        \
    "\"data\": {\"device\": \"blockdev-backup-000001\", \"len\": 1073741824, \"offset\": 1073741824, \"speed\": 0, "   \
    "\"type\": \"backup\"}}\r\n"
#define EVENT_SIZE (sizeof(EVENT) - 1)

/* A connected pair of stream sockets. */
void wire_pair(int fds[2]);
void wire_write(int fd, const char *data, size_t size);

/* The size of the first complete object in a text, 0 when there is none yet. */
size_t wire_object(const char *text, size_t size);

/* The answer to one request, written to `out`: `value` as its return, with the request's id. Returns its size. */
size_t wire_answer(const char *request, size_t request_size, const char *value, size_t value_size, char *out);
/* How much larger than `value` an answer can be. */
#define WIRE_ANSWER_EXTRA ((size_t)512)

/* Reads what the client has sent so far without waiting for more; dies unless it is whole objects. */
size_t wire_requests(int peer, char *buffer, size_t size);

/* Connects a client to one end of a pair and plays server on the other until it is RUNNING. */
void wire_connect(qmp_client *c, int fds[2]);

/* A process that greets on several connections and then answers commands at once with `value`: so many of them, on the
 * connection whose turn it is. One process for all contestants, so that the scheduler cannot favour one of them. */
#define SERVER_CONNECTIONS 2u
struct server {
    pid_t pid;
    int control;
    int fds[SERVER_CONNECTIONS]; /* whoever takes one, closes it */
};
void server_start(struct server *s, const char *value, size_t value_size);
void server_turn(const struct server *s, unsigned connection, unsigned commands);
void server_stop(struct server *s);

/* A real QEMU with a monitor on a UNIX socket. Returns false when there is none to be had. */
struct qemu {
    pid_t pid;
    int console;
    char folder[256];
    char socket[280];
};
bool qemu_start(struct qemu *q);
void qemu_stop(struct qemu *q);

#endif
