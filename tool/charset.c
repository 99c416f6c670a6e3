/* SPDX-License-Identifier: MIT */

/* The character set, from the environment: no locale is loaded for it. */

#include "charset.h"

#include <stdlib.h>
#include <strings.h>

bool charset_is_utf8(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *value = getenv(variables[i]), *dot;
        if (value == NULL || *value == '\0')
            continue;
        for (dot = value; *dot != '\0' && *dot != '.'; dot++)
            continue;
        return strncasecmp(dot, ".UTF-8", 6) == 0 || strncasecmp(dot, ".utf8", 5) == 0;
    }
    return false;
}
