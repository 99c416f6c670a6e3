/* SPDX-License-Identifier: MIT */

/* The doctor's look at a path: what shows before anybody is connected to.
 *
 * It knows nothing of who listens. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "guess.h"

/* Room for "drwxr-x---, of a user, group a group", and for the names in it. */
#define OWNER_MAX 128
/* The longest path that is walked along. */
#define PATH_MAX_BYTES 4096

/* ---- the file ---- */

/* Advises a socket in the same folder that has nearly the name. */
static bool neighbour_advise(struct doctor *d, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    int folder_size = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    char folder[PATH_MAX_BYTES];
    struct guess guess = guess_start(name);
    struct dirent *e;
    DIR *dir;

    snprintf(folder, sizeof(folder), "%.*s", folder_size, slash != NULL ? path : ".");
    dir = opendir(folder);
    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (e->d_type == DT_SOCK)
            guess_add(&guess, e->d_name);
    if (dir != NULL)
        closedir(dir);
    if (guess.best[0] == '\0')
        return false;
    doctor_advise(d, "did you mean %.*s%s?", (int)(slash != NULL ? slash + 1 - path : 0), path, guess.best);
    return true;
}

/* Of a path, the first part that is not there; in *ret its size. False when all of it is. */
static bool missing_find(const char *path, size_t *ret)
{
    char part[PATH_MAX_BYTES];
    struct stat file;

    for (size_t end = strspn(path, "/"); path[end] != '\0';) {
        end += strcspn(path + end, "/");
        snprintf(part, sizeof(part), "%.*s", (int)end, path);
        *ret = end;
        if (stat(part, &file) < 0)
            return true;
        end += strspn(path + end, "/");
    }
    return false;
}

/* A path that leads nowhere: a folder of it, a link, or the file. */
static bool missing_say(struct doctor *d, const char *path)
{
    struct stat file;
    size_t size = strlen(path);

    if (lstat(path, &file) == 0)
        doctor_fail(d, OUTCOME_CONNECT, "file", "it is a symbolic link to something that is not there");
    else if (missing_find(path, &size) && size < strlen(path))
        doctor_fail(d, OUTCOME_CONNECT, "file", "there is no folder %.*s", (int)size, path);
    else if (doctor_fail(d, OUTCOME_CONNECT, "file", "there is no such file") || neighbour_advise(d, path))
        return false;
    return doctor_advise(d,
        "start QEMU with -qmp unix:PATH,server=on,wait=off and this PATH; 'qmp ls' shows the monitors "
        "that there are");
}

static const char *type_name(mode_t mode)
{
    return S_ISDIR(mode) ? "a folder" : S_ISREG(mode) ? "a file" : S_ISFIFO(mode) ? "a pipe" : "a device";
}

bool doctor_check_file(struct doctor *d)
{
    const char *path = sockets_path(d->address);
    struct stat file;

    if (path == NULL)
        return true;
    if (stat(path, &file) < 0 && errno == EACCES)
        return true; /* the next check tells which folder it is */
    if (stat(path, &file) < 0 && errno == ENOENT)
        /* Nothing can be disturbed, and the library knows whether that is an address at all. */
        return doctor_is_address(d) && missing_say(d, path);
    if (stat(path, &file) < 0) {
        doctor_fail(d, OUTCOME_CONNECT, "file", "%s", strerror(errno));
        return false;
    }
    if (!S_ISSOCK(file.st_mode)) {
        doctor_fail(d, OUTCOME_CONNECT, "file", "it is %s, no socket", type_name(file.st_mode));
        return doctor_advise(d, "look what made it; QEMU makes a socket when it is started with -qmp "
                                "unix:PATH,server=on,wait=off");
    }
    doctor_say(d, FINDING_FINE, "file", "a socket");
    return true;
}

/* ---- permissions ---- */

/* "rwxr-x---, of root, group kvm" */
static const char *owner_text(const struct stat *file, char text[OWNER_MAX])
{
    static const char letters[] = "rwxrwxrwx";
    const struct passwd *user = getpwuid(file->st_uid);
    const struct group *group = getgrgid(file->st_gid);
    char mode[sizeof(letters)], user_number[16], group_number[16];

    for (size_t i = 0; i < sizeof(letters) - 1; i++)
        mode[i] = (file->st_mode & (0400u >> i)) != 0 ? letters[i] : '-';
    mode[sizeof(letters) - 1] = '\0';
    snprintf(user_number, sizeof(user_number), "%u", file->st_uid);
    snprintf(group_number, sizeof(group_number), "%u", file->st_gid);
    snprintf(text, OWNER_MAX, "%s, of %.32s, group %.32s", mode, user != NULL ? user->pw_name : user_number,
        group != NULL ? group->gr_name : group_number);
    return text;
}

static const char *user_text(char text[OWNER_MAX])
{
    const struct passwd *user = getpwuid(geteuid());

    if (user != NULL)
        snprintf(text, OWNER_MAX, "user %.32s", user->pw_name);
    else
        snprintf(text, OWNER_MAX, "user %u", geteuid());
    return text;
}

static bool may(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

static bool forbidden_say(struct doctor *d, const char *what, const char *path, const char *verb)
{
    char owner[OWNER_MAX], user[OWNER_MAX];
    struct stat file;

    if (stat(path, &file) < 0)
        snprintf(owner, sizeof(owner), "?");
    else
        owner_text(&file, owner);
    doctor_fail(d, OUTCOME_CONNECT, "permission", "%s may not %s %s %s (%s)", user_text(user), verb, what, path, owner);
    return doctor_advise(d,
        "run qmp as a user who may, or give this one permission; QEMU makes the socket anew at each "
        "start, so a group of the folder lasts longer");
}

bool doctor_check_permission(struct doctor *d)
{
    const char *path = sockets_path(d->address);
    char part[PATH_MAX_BYTES];

    if (path == NULL)
        return true;
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", slash == path ? 1 : (int)(slash - path), path);
        if (!may(part, X_OK))
            return forbidden_say(d, "the folder", part, "pass through");
    }
    if (!may(path, W_OK))
        return forbidden_say(d, "the socket", path, "write to");
    doctor_say(d, FINDING_FINE, "permission", "this user may connect");
    return true;
}
