/* SPDX-License-Identifier: MIT */
#ifndef TOOL_DESCRIPTORS_H
#define TOOL_DESCRIPTORS_H

#include "options.h"

/* The files that --fd names, open. */
struct descriptors {
    int *fds; /* as many as o->fds has; -1: not open */
    size_t n;
};

/* Opens them all, for reading and writing where that is allowed. Then descriptors_done(), whatever the outcome. */
enum outcome descriptors_open(const struct options *o, struct descriptors *ret);
void descriptors_done(struct descriptors *d);

/* Hands them to the server, each with a getfd under its name. */
enum outcome descriptors_send(const struct options *o, qmp_client *c, const struct descriptors *d);

/* The arguments of getfd for one "NAME=PATH", the caller's to free(); NULL when the name cannot be sent. */
char *descriptors_arguments(const char *item);

#endif
