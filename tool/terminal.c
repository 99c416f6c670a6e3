/* SPDX-License-Identifier: MIT */

/* What a terminal tells of itself. It knows nothing of what is written to it. */

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "terminal.h"

size_t terminal_columns(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool terminal_draws(void)
{
    const char *term = getenv("TERM");

    return term != NULL && strcmp(term, "dumb") != 0;
}
