/* SPDX-License-Identifier: MIT */

/* What a build without the headers of libedit has in place of editline.c: no editor, and the reason why. */

#include <stdio.h>

#include "editline.h"

struct editor *editor_new(const struct editor_hooks *hooks, void *userdata, char why[EDITOR_WHY_MAX])
{
    (void)hooks;
    (void)userdata;
    snprintf(why, EDITOR_WHY_MAX, "this qmp was built without libedit");
    return NULL;
}

struct editor *editor_free(struct editor *e)
{
    return e;
}

enum editor_end editor_read(struct editor *e, char **ret)
{
    (void)e;
    (void)ret;
    return EDITOR_CLOSED;
}

void editor_remember(struct editor *e, const char *line)
{
    (void)e;
    (void)line;
}

void editor_hide(struct editor *e)
{
    (void)e;
}

void editor_show(struct editor *e)
{
    (void)e;
}

void editor_leave(struct editor *e)
{
    (void)e;
}

void editor_resized(struct editor *e)
{
    (void)e;
}

void editor_release(struct editor *e)
{
    (void)e;
}

void editor_retake(struct editor *e)
{
    (void)e;
}

char *editor_before(struct editor *e)
{
    (void)e;
    return NULL;
}

void editor_insert(struct editor *e, const char *text)
{
    (void)e;
    (void)text;
}

char editor_key(struct editor *e)
{
    (void)e;
    return '\0';
}

void editor_beep(struct editor *e)
{
    (void)e;
}
