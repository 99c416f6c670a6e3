/* SPDX-License-Identifier: MIT */
/* The check of what is about to be sent, in words a person can act on.
 *
 * QEMU answers text that its parser refuses with errors that name no command, up to a thousand of them, and such an
 * error ends a session. So nothing leaves the library that the validator, at QEMU's own limits, does not accept. The
 * description points at the flaw: its offset counts bytes from 0, and hostile bytes in it are escaped.
 *
 * It refuses to know JSON: the verdict is the validator's. */

#include "json/value.h"

#include <errno.h>
#include <stdio.h>

#include "util/util.h"
#include "json/validate.h"

/* Bytes of the text that a description shows on either side of a flaw. */
#define SHOWN_MAX ((size_t)24)
/* Escaped, up to four characters each. */
#define EXCERPT_MAX (SHOWN_MAX * 4 + 1)

/* `half a surrogate pair at byte 7: "\\ud800\"}" after "{\"id\":\""` */
static char *describe(const char *text, size_t size, const struct json_scan *scan)
{
    size_t at = scan->at, n_before = MIN(at, SHOWN_MAX), n_after = MIN(size - at, SHOWN_MAX);
    char before[EXCERPT_MAX], after[EXCERPT_MAX], *description;
    const char *what = json_flaw_string(scan->flaw), *cut_before = n_before < at ? "…" : "",
               *cut_after = n_after < size - at ? "…" : "";
    int r;

    json_excerpt(before, sizeof(before), text + at - n_before, n_before);
    json_excerpt(after, sizeof(after), text + at, n_after);
    if (size == 0)
        r = asprintf(&description, "%s at byte 0", what);
    else if (n_before == 0)
        r = asprintf(&description, "%s at byte %zu: \"%s%s\"", what, at, after, cut_after);
    else if (n_after == 0)
        r = asprintf(&description, "%s at byte %zu, after \"%s%s\"", what, at, cut_before, before);
    else
        r = asprintf(
            &description, "%s at byte %zu: \"%s%s\" after \"%s%s\"", what, at, after, cut_after, cut_before, before);
    return r < 0 ? NULL : description;
}

int qmp_json_check(const char *text, size_t size, qmp_value *ret, char **reterr_description)
{
    struct json_scan scan;
    int r;

    if (size == 0)
        text = "";
    r = json_validate_for_qemu(text, size, JSON_DEPTH_MAX, &scan);
    if (r < 0) {
        if (reterr_description)
            *reterr_description = r == -ENOMEM ? NULL : describe(text, size, &scan);
        return r;
    }
    if (ret)
        *ret = (qmp_value){text + scan.value, scan.value_size};
    return 0;
}
