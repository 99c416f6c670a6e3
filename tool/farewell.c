/* SPDX-License-Identifier: MIT */

/* Last words.
 *
 * The invariant: the handler does nothing but write a text that was ready before and let the signal take its course, so
 * it may run at any moment, whatever the process is doing. It knows nothing of what is said. */

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "escape.h"
#include "farewell.h"

/* The longest text. */
#define TEXT_MAX 512

static char words[(size_t)TEXT_MAX * ESCAPE_MAX + sizeof("\nqmp: \n")];
static size_t words_size;

static void last_words(int signal_number)
{
    ssize_t n = write(STDERR_FILENO, words, words_size);

    (void)n; /* when it fails, there is nobody to tell */
    raise(signal_number);
}

static void signal_take(int signal_number)
{
    struct sigaction action = {.sa_handler = last_words, .sa_flags = (int)SA_RESETHAND}, old;

    if (sigaction(signal_number, /* act= */ NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(signal_number, &action, /* oldact= */ NULL);
}

void farewell_say(const char *format, ...)
{
    char text[TEXT_MAX], *end = words;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    /* a terminal has shown "^C", or a bar, on the line */
    end += sprintf(end, "%sqmp: ", isatty(STDERR_FILENO) ? "\n" : "");
    end = escape_text(end, text, strlen(text));
    *end++ = '\n';
    words_size = (size_t)(end - words);
    signal_take(SIGINT);
    signal_take(SIGTERM);
    signal_take(SIGHUP);
}
