/* SPDX-License-Identifier: MIT */

/* A capture as a pcap that Wireshark decodes as it is.
 *
 * Its link type is 252, LINKTYPE_WIRESHARK_UPPER_PDU: each packet begins with tags (16 bits of tag, 16 of size, big
 * endian, the value padded to a multiple of 4), up to one of size 0, and then is a PDU of the protocol whose dissector
 * the tags name. A message is a packet for "json". The ends of a connection are addresses and ports made up for the
 * purpose: the client's port is the number of the connection. A P2P tag has the direction.
 *
 * Wireshark takes packets up to 256 KiB of this kind. So a longer message is a packet that says how long it really is,
 * and packets for "data" behind it, with the rest. Other packets for "data" are bytes that are no message, and one
 * without any is the end of the connection. To read, the parts are moved together where they lie.
 *
 * It knows nothing of files, nor of JSON. */

#include <string.h>

#include "pcap.h"

#define MAGIC 0xa1b2c3d4u /* times in microseconds */
#define MAGIC_NANO 0xa1b23c4du
#define VERSION 0x00040002u /* 2.4: the major one is the lower half */
#define LINKTYPE 252u
#define PACKET_MAX 262144u

/* The upper bits of the field say something else. */
#define LINKTYPE_MASK 0xffffu

/* Dissectors. */
#define MESSAGE "json"
#define OTHER "data"

#define TAG_END 0u
#define TAG_DISSECTOR 12u
#define TAG_IPV4_SRC 20u
#define TAG_IPV4_DST 21u
#define TAG_PORT_TYPE 24u
#define TAG_SRC_PORT 25u
#define TAG_DST_PORT 26u
#define TAG_COLUMN 33u /* what stands in the column for the protocol */
#define TAG_DIRECTION 35u

#define PORT_TYPE_TCP 2u
#define CLIENT 0x7f000001u /* 127.0.0.1 */
#define SERVER 0x7f000002u
#define SERVER_PORT 0u
#define SENT 0u /* by the client */
#define RECEIVED 1u

#define FILE_HEAD 24u
#define PACKET_HEAD 16u
#define TAG_HEAD 4u

#define MICRO INT64_C(1000000)

const char pcap_cut[] = "the file ends in the middle of it";

/* ---- writing ---- */

static bool number_append(struct buffer *b, uint32_t value)
{
    return buffer_append(b, &value, sizeof(value));
}

static bool tag_append(struct buffer *b, unsigned tag, const void *value, size_t size)
{
    size_t padded = (size + 3) / 4 * 4;
    const unsigned char head[TAG_HEAD] = {
        (unsigned char)(tag >> 8), (unsigned char)tag, (unsigned char)(padded >> 8), (unsigned char)padded};

    return buffer_append(b, head, sizeof(head)) && buffer_append(b, value, size) &&
           buffer_append(b, "\0\0\0", padded - size);
}

static bool tag_append_number(struct buffer *b, unsigned tag, uint32_t value)
{
    const unsigned char bytes[] = {
        (unsigned char)(value >> 24), (unsigned char)(value >> 16), (unsigned char)(value >> 8), (unsigned char)value};

    return tag_append(b, tag, bytes, sizeof(bytes));
}

static bool tags_append(struct buffer *b, const struct record *record, const char *dissector, const char *column)
{
    bool server = record->from_server;

    return tag_append(b, TAG_DISSECTOR, dissector, strlen(dissector)) &&
           tag_append(b, TAG_COLUMN, column, strlen(column)) &&
           tag_append_number(b, TAG_IPV4_SRC, server ? SERVER : CLIENT) &&
           tag_append_number(b, TAG_IPV4_DST, server ? CLIENT : SERVER) &&
           tag_append_number(b, TAG_PORT_TYPE, PORT_TYPE_TCP) &&
           tag_append_number(b, TAG_SRC_PORT, server ? SERVER_PORT : record->connection) &&
           tag_append_number(b, TAG_DST_PORT, server ? record->connection : SERVER_PORT) &&
           tag_append_number(b, TAG_DIRECTION, server ? RECEIVED : SENT) && tag_append(b, TAG_END, "", 0);
}

bool pcap_begin(struct buffer *b)
{
    return number_append(b, MAGIC) && number_append(b, VERSION) && number_append(b, /* time zone: */ 0) &&
           number_append(b, /* accuracy: */ 0) && number_append(b, PACKET_MAX) && number_append(b, LINKTYPE);
}

/* A packet with as much of the text as it takes; *text and *size are then what is left. */
static bool packet_append(struct buffer *b, const struct record *record, const char *dissector, const char *column,
    const char **text, size_t *size)
{
    size_t start = b->size, tags, n;
    uint32_t lengths[2]; /* of what is here, and of what there is */

    if (!number_append(b, (uint32_t)(record->time / MICRO)) || !number_append(b, (uint32_t)(record->time % MICRO)) ||
        !buffer_append(b, lengths, sizeof(lengths)) || !tags_append(b, record, dissector, column))
        return false;
    tags = b->size - start - PACKET_HEAD;
    n = *size < PACKET_MAX - tags ? *size : PACKET_MAX - tags;
    if (!buffer_append(b, *text, n))
        return false;
    lengths[0] = (uint32_t)(tags + n);
    lengths[1] = (uint32_t)(tags + (strcmp(dissector, MESSAGE) == 0 ? *size : n));
    memcpy(buffer_data(b) + start + PACKET_HEAD - sizeof(lengths), lengths, sizeof(lengths));
    *text += n;
    *size -= n;
    return true;
}

bool pcap_compose(struct buffer *b, const struct record *record)
{
    const char *column = record->kind == RECORD_MESSAGE ? "QMP"
                         : record->kind == RECORD_BYTES ? "QMP bytes"
                                                        : "QMP end";
    const char *text = record->text;
    size_t size = record->size;
    bool done;

    done = packet_append(b, record, record->kind == RECORD_MESSAGE ? MESSAGE : OTHER, column, &text, &size);
    while (done && size > 0)
        done = packet_append(b, record, OTHER, "QMP more", &text, &size);
    return done;
}

/* ---- reading ---- */

/* One packet of a file. */
struct packet {
    const char *dissector; /* padded with zeros */
    size_t dissector_size;
    bool from_server;
    uint32_t connection;
    char *payload;
    size_t size, missing; /* of the payload: what is here, and what is not */
};

static uint32_t number_at(const struct pcap *p, size_t position)
{
    uint32_t value;

    memcpy(&value, p->data + position, sizeof(value));
    return p->swapped ? __builtin_bswap32(value) : value;
}

static unsigned big_at(const char *data, size_t size)
{
    unsigned value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | (unsigned char)data[i];
    return value;
}

static bool magic_is(uint32_t magic)
{
    return magic == MAGIC || magic == MAGIC_NANO;
}

bool pcap_is(const char *data, size_t size)
{
    uint32_t magic;

    if (size < sizeof(magic))
        return false;
    memcpy(&magic, data, sizeof(magic));
    return magic_is(magic) || magic_is(__builtin_bswap32(magic));
}

const char *pcap_open(struct pcap *p, char *data, size_t size)
{
    uint32_t magic;

    *p = (struct pcap){.data = data, .size = size, .position = FILE_HEAD};
    if (size < FILE_HEAD)
        return "it is the beginning of a pcap only";
    memcpy(&magic, data, sizeof(magic));
    p->swapped = !magic_is(magic);
    if ((number_at(p, FILE_HEAD - sizeof(uint32_t)) & LINKTYPE_MASK) != LINKTYPE)
        return "it is a pcap of something else (its link type is not 252): capture with 'qmp capture'";
    return NULL;
}

/* Reads the tags at the beginning of a packet. Returns their size, 0 when they are broken. */
static size_t tags_parse(struct packet *packet, const char *data, size_t size)
{
    uint32_t source = 0, destination = 0, direction = SENT;
    size_t position = 0;

    while (size - position >= TAG_HEAD) {
        unsigned tag = big_at(data + position, 2), length = big_at(data + position + 2, 2);
        const char *value = data + position + TAG_HEAD;
        if (length > size - position - TAG_HEAD)
            return 0;
        position += TAG_HEAD + length;
        if (tag == TAG_DISSECTOR) {
            packet->dissector = value;
            packet->dissector_size = length;
        } else if (length == sizeof(uint32_t) && tag == TAG_SRC_PORT) {
            source = big_at(value, length);
        } else if (length == sizeof(uint32_t) && tag == TAG_DST_PORT) {
            destination = big_at(value, length);
        } else if (length == sizeof(uint32_t) && tag == TAG_DIRECTION) {
            direction = big_at(value, length);
        } else if (tag == TAG_END) {
            packet->from_server = direction == RECEIVED;
            packet->connection = packet->from_server ? destination : source;
            return position;
        }
    }
    return 0;
}

static bool dissector_is(const struct packet *packet, const char *name)
{
    size_t size = strlen(name);

    return packet->dissector_size >= size && memcmp(packet->dissector, name, size) == 0 &&
           (packet->dissector_size == size || packet->dissector[size] == '\0');
}

/* Returns 1, 0 at the end, -1. */
static int packet_next(struct pcap *p, struct packet *ret, const char **reterr)
{
    size_t here, all, tags;

    *ret = (struct packet){.dissector = ""};
    if (p->position == p->size)
        return 0;
    p->packet++;
    *reterr = pcap_cut;
    if (p->size - p->position < PACKET_HEAD)
        return -1;
    here = number_at(p, p->position + 8);
    all = number_at(p, p->position + 12);
    if (here > p->size - p->position - PACKET_HEAD)
        return -1;
    p->position += PACKET_HEAD;
    tags = tags_parse(ret, p->data + p->position, here);
    *reterr = tags == 0 ? "its tags are broken" : "it is longer than it says";
    if (tags == 0 || all < here)
        return -1;
    ret->payload = p->data + p->position + tags;
    ret->size = here - tags;
    ret->missing = all - here;
    p->position += here;
    return 1;
}

static bool continues(const struct packet *more, const struct packet *first, size_t missing)
{
    return dissector_is(more, OTHER) && more->from_server == first->from_server &&
           more->connection == first->connection && more->size > 0 && more->size <= missing && more->missing == 0;
}

/* Moves what is missing of a message from the packets behind it to its end. */
static int message_join(struct pcap *p, const struct packet *first, struct record *ret, const char **reterr)
{
    for (size_t missing = first->missing; missing > 0;) {
        struct packet more;
        int r = packet_next(p, &more, reterr);
        if (r > 0 && continues(&more, first, missing)) {
            memmove(first->payload + ret->size, more.payload, more.size);
            ret->size += more.size;
            missing -= more.size;
            continue;
        }
        if (r >= 0)
            *reterr = r == 0 ? pcap_cut : "the packet before it is cut off (by a snapshot length?)";
        return -1;
    }
    return 1;
}

int pcap_next(struct pcap *p, struct record *ret, const char **reterr)
{
    struct packet packet;
    int r = packet_next(p, &packet, reterr);

    if (r <= 0)
        return r;
    *ret = (struct record){.connection = packet.connection,
        .from_server = packet.from_server,
        .kind = packet.size > 0 ? RECORD_BYTES : RECORD_END,
        .text = packet.payload,
        .size = packet.size};
    if (!dissector_is(&packet, MESSAGE))
        return 1;
    ret->kind = RECORD_MESSAGE;
    return message_join(p, &packet, ret, reterr);
}
