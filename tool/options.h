/* SPDX-License-Identifier: MIT */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outcome.h"

/* The options that a verb may take. --help and --version go with every verb, and without one. */
enum {
    OPTION_SOCKET = 1u << 0,
    OPTION_CONNECT_TIMEOUT = 1u << 1,
    OPTION_TIMEOUT = 1u << 2,
    OPTION_WHERE = 1u << 3,
    OPTION_COUNT = 1u << 4,
    OPTION_HELP = 1u << 5,
    OPTION_VERSION = 1u << 6,
    OPTION_TLS_X509 = 1u << 7,
    OPTION_TLS_PSK = 1u << 8,
    OPTION_TLS_NAME = 1u << 9
};
#define OPTIONS_TLS (OPTION_TLS_X509 | OPTION_TLS_PSK | OPTION_TLS_NAME)
#define OPTIONS_CONNECT (OPTION_SOCKET | OPTION_CONNECT_TIMEOUT | OPTIONS_TLS)
#define OPTIONS_EVERYWHERE (OPTION_HELP | OPTION_VERSION)

/* The command line, sorted. All strings are those of argv. */
struct options {
    unsigned given;           /* OPTION_ bits */
    const char *address;      /* --socket; NULL: not given */
    uint64_t connect_timeout; /* µs */
    uint64_t timeout;         /* µs; QMP_FOREVER: not given */
    const char *timeout_text; /* as it was written */
    const char *tls_folder;   /* --tls-x509 or --tls-psk */
    const char *tls_name;     /* --tls-name; NULL: not given */
    const char **where;       /* each "PATH=VALUE" with a path */
    size_t n_where;
    size_t count; /* 0: not given */
    const char **words;
    size_t n_words;
};

/* Sorts a command line into options, which may stand anywhere before "--", and words. Then options_done(), whatever the
 * outcome. */
enum outcome options_parse(struct options *o, int argc, char **argv);
void options_done(struct options *o);

/* Refuses the first given option that is not in `taken`, on behalf of a verb. */
enum outcome options_check(const struct options *o, unsigned taken, const char *verb);

/* Iterates over the options in `taken`, for the help: start at 0, until it returns false. */
struct option_help {
    char short_name;       /* 0: none */
    const char *long_name; /* without the dashes */
    const char *value;     /* "DUR"; NULL: takes none */
    const char *meaning;   /* lines */
};
bool options_next(unsigned taken, size_t *position, struct option_help *ret);

#endif
