/* SPDX-License-Identifier: MIT */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outcome.h"

/* The options that a verb may take. --help and --version go with every verb, and without one. */
#define OPTION_SOCKET (UINT64_C(1) << 0)
#define OPTION_CONNECT_TIMEOUT (UINT64_C(1) << 1)
#define OPTION_TIMEOUT (UINT64_C(1) << 2)
#define OPTION_WHERE (UINT64_C(1) << 3)
#define OPTION_COUNT (UINT64_C(1) << 4)
#define OPTION_HELP (UINT64_C(1) << 5)
#define OPTION_VERSION (UINT64_C(1) << 6)
#define OPTION_TLS_X509 (UINT64_C(1) << 7)
#define OPTION_TLS_PSK (UINT64_C(1) << 8)
#define OPTION_TLS_NAME (UINT64_C(1) << 9)
#define OPTION_ALL (UINT64_C(1) << 10)
#define OPTION_WAIT_FOR_SOCKET (UINT64_C(1) << 11)
#define OPTION_VERBOSE (UINT64_C(1) << 12)
#define OPTION_OUTPUT (UINT64_C(1) << 13)
#define OPTION_GET (UINT64_C(1) << 14)
#define OPTION_COLOR (UINT64_C(1) << 15)
#define OPTION_EXCLUDE (UINT64_C(1) << 16)
#define OPTION_SINCE_START (UINT64_C(1) << 17)
#define OPTION_UNTIL (UINT64_C(1) << 18)
#define OPTION_FAIL_ON (UINT64_C(1) << 19)
#define OPTION_CHECK (UINT64_C(1) << 20)
#define OPTION_DRY_RUN (UINT64_C(1) << 21)
#define OPTION_OOB (UINT64_C(1) << 22)
#define OPTION_FD (UINT64_C(1) << 23)
#define OPTION_GRACEFUL (UINT64_C(1) << 24)
#define OPTION_WAIT (UINT64_C(1) << 25)
#define OPTION_CANCEL_ON_TIMEOUT (UINT64_C(1) << 26)
#define OPTION_PROGRESS (UINT64_C(1) << 27)
#define OPTION_WRITE (UINT64_C(1) << 28)
#define OPTION_RUN (UINT64_C(1) << 29)
#define OPTION_QUEUE (UINT64_C(1) << 30)
#define OPTION_KILL_AFTER (UINT64_C(1) << 31)
#define OPTION_STDIN (UINT64_C(1) << 32)
#define OPTION_LISTEN (UINT64_C(1) << 33)

#define OPTIONS_TLS (OPTION_TLS_X509 | OPTION_TLS_PSK | OPTION_TLS_NAME)
/* What every verb takes that connects. --timeout is the time in all. */
#define OPTIONS_CONNECT                                                                                                \
    (OPTION_SOCKET | OPTION_TIMEOUT | OPTION_CONNECT_TIMEOUT | OPTION_WAIT_FOR_SOCKET | OPTION_VERBOSE | OPTIONS_TLS)
/* What every verb takes that prints JSON. */
#define OPTIONS_OUTPUT (OPTION_OUTPUT | OPTION_GET)
#define OPTIONS_EVERYWHERE (OPTION_HELP | OPTION_VERSION | OPTION_COLOR)

enum format { FORMAT_AUTO, FORMAT_SHORT, FORMAT_PRETTY, FORMAT_SEQ };
enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum progress { PROGRESS_AUTO, PROGRESS_BAR, PROGRESS_JSON, PROGRESS_NONE };

/* What an option that may be given several times was given. */
struct option_list {
    const char **items;
    size_t n;
};

/* The command line, sorted. All strings are those of argv. */
struct options {
    uint64_t given;               /* OPTION_ bits */
    const char *address;          /* the server to talk to; NULL: $QMP_SOCKET */
    struct option_list addresses; /* --socket */
    uint64_t connect_timeout;     /* µs */
    uint64_t wait_for_socket;     /* µs; 0: not given */
    uint64_t timeout;             /* µs; QMP_FOREVER: not given */
    uint64_t deadline;            /* that it makes, from the start of the process */
    const char *tls_folder;       /* --tls-x509 or --tls-psk */
    const char *tls_name;         /* --tls-name; NULL: not given */
    struct option_list where;     /* each "PATH=VALUE" with a path */
    struct option_list exclude, until, fail_on;
    struct option_list graceful;
    struct option_list fds; /* each "NAME=PATH" */
    size_t count;           /* 0: not given */
    size_t queue;           /* 0: not given */
    uint64_t kill_after;    /* µs; 0: not given */
    enum progress progress;
    enum format format;
    enum color color;
    const char *get;    /* --get; NULL: not given */
    const char *write;  /* --write; NULL: not given */
    const char *run;    /* --run; NULL: not given */
    const char *listen; /* --listen; NULL: not given */
    const char **words;
    size_t n_words;
    size_t words_after; /* how many words there were before "--"; SIZE_MAX: there was none */
    const char **memory;
};

/* Sorts a command line into options, which may stand anywhere before "--", and words. Then options_done(), whatever the
 * outcome. */
enum outcome options_parse(struct options *o, int argc, char **argv);
void options_done(struct options *o);

/* Refuses the first given option that is not in `taken`, on behalf of a verb. */
enum outcome options_check(const struct options *o, uint64_t taken, const char *verb);

/* Iterates over the options in `taken`, for the help: start at 0, until it returns false. */
struct option_help {
    char short_name;       /* 0: none */
    const char *long_name; /* without the dashes */
    const char *value;     /* "DUR"; NULL: takes none */
    const char *meaning;   /* lines */
};
bool options_next(uint64_t taken, size_t *position, struct option_help *ret);

/* The values that an option takes, up to NULL; NULL when it takes any. */
const char *const *options_choices(const char *long_name);

#endif
