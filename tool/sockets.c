/* SPDX-License-Identifier: MIT */

/* Who listens on UNIX sockets, and whom they talk to: what sock_diag(7) lists, in one go.
 *
 * It answers without touching any of the sockets, which connecting would: a monitor serves one client at a time. It
 * covers the network namespace of this process. Where the kernel does not tell, there is nothing, which is no error.
 *
 * It knows nothing of processes. */

#include "sockets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *sockets_path(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0)
        return address[5] == '@' ? NULL : address + 5;
    /* What is in front of a colon is the kind of an address, unless a slash is in front of it. */
    return address[strcspn(address, "/:")] == ':' ? NULL : address;
}

#ifdef __linux__

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What the kernel packs into one answer, and room for it. */
#define ANSWER_MAX 32768
/* TCP_ESTABLISHED and TCP_LISTEN, which UNIX sockets use, too. */
#define STATE_CONNECTED 1u
#define STATE_LISTENS 10u
/* What is in front of an attribute's data. */
#define ATTRIBUTE_HEAD sizeof(struct nlattr)
/* A device number as the kernel has it inside. */
#define MINOR_BITS 20u

struct sockets {
    struct socket *items;
    size_t n, room;
};

static bool dump_ask(int netlink)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } ask = {
        .header = {sizeof(ask), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0},
        .request = {.sdiag_family = AF_UNIX,
            .udiag_states = 1u << STATE_CONNECTED | 1u << STATE_LISTENS,
            .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN},
    };

    return send(netlink, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask);
}

/* A name as a string: the kernel gives a path with or without its NUL, and an abstract name after a NUL. */
static char *name_copy(const char *name, size_t size)
{
    char *copy = malloc(size + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, name, size);
    copy[size] = '\0';
    if (size > 0 && name[0] == '\0')
        copy[0] = '@';
    return copy;
}

static void attribute_take(struct socket *s, struct nlattr *a)
{
    const void *data = (const char *)a + ATTRIBUTE_HEAD;
    size_t size = a->nla_len - ATTRIBUTE_HEAD;
    struct unix_diag_vfs vfs;
    struct unix_diag_rqlen lengths;

    if (a->nla_type == UNIX_DIAG_NAME && s->name == NULL) {
        s->name = name_copy(data, size);
    } else if (a->nla_type == UNIX_DIAG_VFS && size >= sizeof(vfs)) {
        memcpy(&vfs, data, sizeof(vfs));
        s->file = vfs.udiag_vfs_ino;
        s->device = makedev(vfs.udiag_vfs_dev >> MINOR_BITS, vfs.udiag_vfs_dev & ((1u << MINOR_BITS) - 1));
    } else if (a->nla_type == UNIX_DIAG_PEER && size >= sizeof(s->peer)) {
        memcpy(&s->peer, data, sizeof(s->peer));
    } else if (a->nla_type == UNIX_DIAG_RQLEN && size >= sizeof(lengths)) {
        memcpy(&lengths, data, sizeof(lengths));
        s->waiting = lengths.udiag_rqueue;
    }
}

/* Keeps a socket that has a name. Returns false without memory. */
static bool socket_add(struct sockets *all, struct nlmsghdr *header)
{
    struct unix_diag_msg *message = NLMSG_DATA(header);
    struct socket s = {.inode = message->udiag_ino, .listens = message->udiag_state == STATE_LISTENS};
    size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof(*message));
    char *attribute = (char *)(message + 1);

    while (left >= ATTRIBUTE_HEAD) {
        struct nlattr *a = (struct nlattr *)(void *)attribute;
        size_t step = (size_t)NLA_ALIGN(a->nla_len);
        if (a->nla_len < ATTRIBUTE_HEAD || a->nla_len > left)
            break;
        attribute_take(&s, a);
        attribute += step;
        left -= step < left ? step : left;
    }
    if (s.name == NULL)
        return true;
    if (all->n == all->room) {
        size_t room = all->room == 0 ? 64 : all->room * 2;
        struct socket *larger = realloc(all->items, room * sizeof(*larger));
        if (larger == NULL) {
            free(s.name);
            return false;
        }
        all->items = larger;
        all->room = room;
    }
    all->items[all->n++] = s;
    return true;
}

/* Takes one answer. Returns 1 when more will follow, 0 at the end, -1 when there is none. */
static int answer_take(struct sockets *all, int netlink)
{
    char answer[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    ssize_t received = recv(netlink, answer, sizeof(answer), MSG_DONTWAIT);
    unsigned left = received > 0 ? (unsigned)received : 0;

    if (left == 0)
        return -1;
    for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type == NLMSG_DONE)
            return 0;
        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || !socket_add(all, h))
            return -1;
    }
    return 1;
}

struct sockets *sockets_read(void)
{
    struct sockets *all = calloc(1, sizeof(*all));
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    int more = all != NULL && netlink >= 0 && dump_ask(netlink) ? 1 : -1;

    while (more > 0)
        more = answer_take(all, netlink);
    if (netlink >= 0)
        close(netlink);
    return more < 0 ? sockets_free(all) : all;
}

struct sockets *sockets_free(struct sockets *all)
{
    for (size_t i = 0; all != NULL && i < all->n; i++)
        free(all->items[i].name);
    if (all != NULL)
        free(all->items);
    free(all);
    return NULL;
}

const struct socket *sockets_numbered(const struct sockets *all, uint32_t inode)
{
    for (size_t i = 0; all != NULL && i < all->n; i++)
        if (all->items[i].listens && all->items[i].inode == inode)
            return &all->items[i];
    return NULL;
}

const struct socket *sockets_at(const struct sockets *all, const char *address)
{
    const char *path = sockets_path(address);
    struct stat file;

    if (path != NULL && stat(path, &file) < 0)
        return NULL;
    for (size_t i = 0; all != NULL && i < all->n; i++) {
        const struct socket *s = &all->items[i];
        if (!s->listens)
            continue;
        if (path == NULL && strncmp(address, "unix:@", 6) == 0 && strcmp(s->name, address + 5) == 0)
            return s;
        /* Some file systems do not tell on which device a socket is: then it is the name that has to fit. */
        if (path != NULL && s->file == (uint32_t)file.st_ino &&
            (s->device == file.st_dev || strcmp(s->name, path) == 0))
            return s;
    }
    return NULL;
}

uint32_t sockets_client(const struct sockets *all, const struct socket *listener)
{
    for (size_t i = 0; all != NULL && listener != NULL && i < all->n; i++) {
        const struct socket *s = &all->items[i];
        if (!s->listens && s->peer != 0 && s->file == listener->file && s->device == listener->device &&
            strcmp(s->name, listener->name) == 0)
            return s->peer;
    }
    return 0;
}

#else

struct sockets *sockets_read(void)
{
    return NULL;
}

struct sockets *sockets_free(struct sockets *s)
{
    (void)s;
    return NULL;
}

const struct socket *sockets_numbered(const struct sockets *s, uint32_t inode)
{
    (void)s;
    (void)inode;
    return NULL;
}

const struct socket *sockets_at(const struct sockets *s, const char *address)
{
    (void)s;
    (void)address;
    return NULL;
}

uint32_t sockets_client(const struct sockets *s, const struct socket *listener)
{
    (void)s;
    (void)listener;
    return 0;
}

#endif
