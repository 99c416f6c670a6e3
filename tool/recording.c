/* SPDX-License-Identifier: MIT */

/* A capture, from a file into memory.
 *
 * The file is somebody's who wants something explained, and may hold anything: every length in it is checked, memory is
 * bounded by the limit on its size, and what is wrong is named with its line or packet. One that was still being
 * written when it was copied is fine.
 *
 * It knows nothing of what the records mean. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "input.h"
#include "lines.h"
#include "pcap.h"
#include "recording.h"

/* The largest capture. */
#define CAPTURE_MAX ((size_t)256 << 20)
#define RECORDS_FIRST ((size_t)64)

static enum outcome bad(const char *name, const char *what)
{
    complain("%s: %s", name, what);
    return OUTCOME_USAGE;
}

static bool record_add(struct recording *r, const struct record *record)
{
    if (r->n == r->allocated) {
        size_t allocated = r->allocated == 0 ? RECORDS_FIRST : r->allocated * 2;
        struct record *records = reallocarray(r->records, allocated, sizeof(*records));
        if (records == NULL)
            return false;
        r->records = records;
        r->allocated = allocated;
    }
    r->records[r->n++] = *record;
    return true;
}

static enum outcome pcap_read(struct recording *r, const char *name)
{
    const char *wrong;
    struct record record;
    struct pcap p;
    int more;

    wrong = pcap_open(&p, r->data, r->size);
    if (wrong != NULL)
        return bad(name, wrong);
    while ((more = pcap_next(&p, &record, &wrong)) > 0)
        if (!record_add(r, &record))
            return outcome_of_error("the capture", -ENOMEM);
    if (more == 0)
        return OUTCOME_DONE;
    complain("%s: packet %zu: %s%s", name, p.packet, wrong, wrong == pcap_cut ? "; going on without it" : "");
    return wrong == pcap_cut ? OUTCOME_DONE : OUTCOME_USAGE;
}

static enum outcome lines_read(struct recording *r, const char *name)
{
    size_t number = 1, size;

    for (char *line = r->data, *end = r->data + r->size; line < end; line += size + 1, number++) {
        char *line_end = memchr(line, '\n', (size_t)(end - line));
        struct record record;
        const char *wrong;
        size = (size_t)((line_end != NULL ? line_end : end) - line);
        if (size == 0)
            continue;
        wrong = lines_parse(line, size, &record);
        if (wrong == NULL && !record_add(r, &record))
            return outcome_of_error("the capture", -ENOMEM);
        if (wrong != NULL && line_end == NULL && number > 1) {
            complain("%s: line %zu: the file ends in the middle of it; going on without it", name, number);
            return OUTCOME_DONE;
        }
        if (wrong != NULL) {
            complain("%s: line %zu: %s", name, number, wrong);
            return OUTCOME_USAGE;
        }
    }
    return OUTCOME_DONE;
}

/* What people may take for a capture. */
static const struct {
    const char *magic, *what;
} others[] = {
    {"\x0a\x0d\x0d\x0a", "it is a pcapng: make a pcap of it, with 'editcap -F pcap'"},
    {"\x1f\x8b", "it is compressed: 'zcat FILE | qmp replay -'"},
    {"\x28\xb5\x2f\xfd", "it is compressed: 'zstdcat FILE | qmp replay -'"},
    {"\xfd"
     "7zXZ",
        "it is compressed: 'xzcat FILE | qmp replay -'"},
};

enum outcome recording_read(struct recording *ret, const char *name)
{
    enum outcome outcome;

    *ret = (struct recording){0};
    outcome = input_read(name, CAPTURE_MAX, &ret->data, &ret->size);
    name = input_name(name);
    if (outcome != OUTCOME_DONE)
        return outcome;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        size_t size = strlen(others[i].magic);
        if (ret->size >= size && memcmp(ret->data, others[i].magic, size) == 0)
            return bad(name, others[i].what);
    }
    outcome = pcap_is(ret->data, ret->size) ? pcap_read(ret, name) : lines_read(ret, name);
    if (outcome == OUTCOME_DONE && ret->n == 0)
        return bad(name, "there is nothing in it");
    return outcome;
}

void recording_done(struct recording *r)
{
    free(r->records);
    free(r->data);
}
