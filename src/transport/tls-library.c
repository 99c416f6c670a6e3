/* SPDX-License-Identifier: MIT */
/* GnuTLS, loaded when credentials are first made.
 *
 * GnuTLS brings nine libraries along, and a program that talks to a UNIX socket would load and initialise them all
 * before its first line, for nothing. So this library is built with the headers of GnuTLS and without the library,
 * which comes in by dlopen(3) where it is needed: no session without credentials, and no credentials without
 * tls_library_load(). Hence nobody else asks whether the pointers are there, and they need no lock: they are set before
 * the first object that leads to them exists, and never again.
 *
 * It is all or nothing. A library that lacks a single symbol is none, so that a session never finds out half-way.
 *
 * GnuTLS is never unloaded: it registers functions for the end of the process, and other libraries may use it. A
 * program that is linked with GnuTLS itself shares its copy. Symbols do not become visible to others (RTLD_LOCAL). */

#include "transport/tls-library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/util.h"

#define DEFINE(name) __typeof__(name) *sym_##name;
TLS_LIBRARY_SYMBOLS(DEFINE)

static const struct {
    const char *name;
    void *pointer; /* to the pointer, of whatever type that is */
} symbols[] = {
#define LIST(name) {#name, &sym_##name},
    TLS_LIBRARY_SYMBOLS(LIST)};

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;

static int fail(const char *name, char *why, size_t why_size)
{
    const char *more = dlerror();

    snprintf(why, why_size, "TLS needs the library %s: %s", name, more ? more : "it cannot be loaded");
    return -EOPNOTSUPP;
}

static int load(const char *name, char *why, size_t why_size)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL), *found[ELEMENTS(symbols)];

    if (!library)
        return fail(name, why, why_size);
    for (size_t i = 0; i < ELEMENTS(symbols); i++) {
        found[i] = dlsym(library, symbols[i].name);
        if (!found[i])
            return fail(name, why, why_size);
    }
    /* To C a pointer to a function is not one to an object; to dlsym(3) it is. */
    for (size_t i = 0; i < ELEMENTS(symbols); i++)
        memcpy(symbols[i].pointer, &found[i], sizeof(found[i]));
    return 0;
}

int tls_library_load(const char *name, char *why, size_t why_size)
{
    int r = 0;

    pthread_mutex_lock(&loading);
    if (!loaded)
        r = load(name, why, why_size);
    loaded = r == 0;
    pthread_mutex_unlock(&loading);
    return r;
}
