/* SPDX-License-Identifier: MIT */

/* Colours: what means what, and whether there are any.
 *
 * Only the eight old colours, in the weights that every terminal has, so that the user's own scheme decides how they
 * look. It knows nothing of what is written. */

#include <stdlib.h>
#include <unistd.h>

#include "style.h"
#include "terminal.h"

static const char *const codes[] = {
    [STYLE_PLAIN] = "",
    [STYLE_KEY] = "\033[34m",
    [STYLE_STRING] = "\033[32m",
    [STYLE_NUMBER] = "\033[36m",
    [STYLE_LITERAL] = "\033[35m",
    [STYLE_GOOD] = "\033[32m",
    [STYLE_BAD] = "\033[31m",
    [STYLE_WARNING] = "\033[33m",
    [STYLE_FAINT] = "\033[2m",
    [STYLE_BOLD] = "\033[1m",
};

static bool colored[STDERR_FILENO + 1];

void style_setup(enum color color)
{
    const char *no_color = getenv("NO_COLOR");
    bool wanted = (no_color == NULL || *no_color == '\0') && terminal_draws();

    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        colored[fd] = color == COLOR_ALWAYS || (color == COLOR_AUTO && wanted && isatty(fd));
}

const char *style_start(int fd, enum style style)
{
    return colored[fd] ? codes[style] : "";
}

const char *style_end(int fd)
{
    return colored[fd] ? "\033[0m" : "";
}
