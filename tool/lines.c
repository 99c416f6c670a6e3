/* SPDX-License-Identifier: MIT */

/* A capture as JSON lines.
 *
 *     {"time": "2026-11-24T09:30:00.123456Z", "connection": 1, "from": "client", "message": {"execute": "stop"}}
 *
 * "from" is "client" or "server". A message that is JSON stands there byte for byte, but for line breaks between its
 * tokens, which are spaces here. Instead of "message" there is "bytes", a string with a character up to U+00FF for each
 * byte, for what is no JSON; or "end", true, when that side ended the connection. A reader needs "from" and one of the
 * three, and takes no notice of other members, so that captures can be written by hand.
 *
 * It knows nothing of files. */

#include <qmp/value.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lines.h"

/* Enough for all but the text. */
#define HEAD_MAX 160
/* Enough for one byte as a character of JSON. */
#define CHARACTER_MAX 8

#define MICRO INT64_C(1000000)

static bool head_append(struct buffer *b, const struct record *record)
{
    time_t seconds = (time_t)(record->time / MICRO);
    char date[HEAD_MAX / 2], head[HEAD_MAX];
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return false;
    snprintf(head, sizeof(head), "{\"time\": \"%s.%06dZ\", \"connection\": %lu, \"from\": \"%s\", ", date,
        (int)(record->time % MICRO), (unsigned long)record->connection, record->from_server ? "server" : "client");
    return buffer_append_text(b, head);
}

/* Outside of strings, JSON has line breaks for people only; inside, it has none. */
static bool message_append(struct buffer *b, const char *text, size_t size)
{
    size_t before = b->size;

    if (!buffer_append_text(b, "\"message\": ") || !buffer_append(b, text, size))
        return false;
    for (char *p = buffer_data(b) + before, *end = buffer_data(b) + b->size; p < end; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    return true;
}

static bool bytes_append(struct buffer *b, const char *text, size_t size)
{
    bool done = buffer_append_text(b, "\"bytes\": \"");

    for (size_t i = 0; done && i < size; i++) {
        bool plain = text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\';
        char escaped[CHARACTER_MAX];
        snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)(unsigned char)text[i]);
        done = plain ? buffer_append(b, &text[i], 1) : buffer_append_text(b, escaped);
    }
    return done && buffer_append_text(b, "\"");
}

bool lines_compose(struct buffer *b, const struct record *record)
{
    bool done = head_append(b, record);

    if (!done)
        return false;
    if (record->kind == RECORD_END)
        done = buffer_append_text(b, "\"end\": true");
    else if (record->kind == RECORD_MESSAGE &&
             qmp_json_check(record->text, record->size, /* ret= */ NULL, /* reterr_description= */ NULL) >= 0)
        done = message_append(b, record->text, record->size);
    else
        done = bytes_append(b, record->text, record->size);
    return done && buffer_append_text(b, "}\n");
}

/* Decodes a string of characters up to U+00FF into the bytes that they stand for, which take the place of the string's
 * own text. In UTF-8, these characters are one byte, or two of which the first is C2 or C3. */
static const char *bytes_decode(char *line, qmp_value v, struct record *ret)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    char *to = line + (v.text - line);
    size_t size = 0;

    if (qmp_value_string(v, &text, &size) < 0)
        return "\"bytes\" is no string";
    ret->text = to;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > 0xc3)
            return "\"bytes\" has a character above U+00FF";
        if (c >= 0x80)
            c = (unsigned char)((c & 0x03) << 6 | ((unsigned char)text[++i] & 0x3f));
        *to++ = (char)c;
    }
    ret->size = (size_t)(to - ret->text);
    return NULL;
}

static const char *sender_parse(qmp_value v, struct record *ret)
{
    ret->from_server = qmp_value_equals(v, "server");
    if (ret->from_server || qmp_value_equals(v, "client"))
        return NULL;
    return "\"from\" is neither \"client\" nor \"server\"";
}

static const char *connection_parse(qmp_value v, struct record *ret)
{
    uint64_t number = 1;

    if (qmp_value_type(v) != QMP_ABSENT && (qmp_value_uint64(v, &number) < 0 || number > UINT32_MAX))
        return "\"connection\" is no number of a connection";
    ret->connection = (uint32_t)number;
    return NULL;
}

static const char *content_parse(char *line, qmp_value v, struct record *ret)
{
    qmp_value message = qmp_value_member(v, "message"), bytes = qmp_value_member(v, "bytes");
    bool end = false;

    if (qmp_value_type(message) != QMP_ABSENT) {
        ret->kind = RECORD_MESSAGE;
        ret->text = message.text;
        ret->size = message.size;
        return NULL;
    }
    if (qmp_value_type(bytes) != QMP_ABSENT) {
        ret->kind = RECORD_BYTES;
        return bytes_decode(line, bytes, ret);
    }
    ret->kind = RECORD_END;
    return qmp_value_bool(qmp_value_member(v, "end"), &end) >= 0 && end ? NULL
                                                                        : "it has no \"message\", \"bytes\" or \"end\"";
}

const char *lines_parse(char *line, size_t size, struct record *ret)
{
    const char *wrong;
    qmp_value v;

    *ret = (struct record){0};
    if (qmp_json_check(line, size, &v, /* reterr_description= */ NULL) < 0)
        return "it is no JSON, or JSON that QEMU refuses";
    if (qmp_value_type(v) != QMP_OBJECT)
        return "it is no JSON object";
    wrong = sender_parse(qmp_value_member(v, "from"), ret);
    if (wrong == NULL)
        wrong = connection_parse(qmp_value_member(v, "connection"), ret);
    return wrong != NULL ? wrong : content_parse(line, v, ret);
}
