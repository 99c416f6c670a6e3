/* SPDX-License-Identifier: MIT */
/* Runs a harness over files, without libFuzzer: what the corpora are for in every build, and how a finding is looked at
 * under a debugger.
 *
 *     fuzz-NAME FILE|FOLDER ...
 *
 * Each file is named before it runs, so the last name is the one at fault. It refuses to know what a harness does, and
 * to call nothing a success: at least one file must have run. */

#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

/* The largest input: far above any that the corpora keep. */
#define INPUT_MAX ((size_t)1 << 20)

static unsigned n_run;

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(EXIT_FAILURE);
}

static void file_run(const char *path)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *file = fopen(path, "re");
    size_t size;
    char *copy;

    if (!file)
        fail(path, "cannot be opened");
    size = fread(bytes, 1, sizeof(bytes), file);
    if (ferror(file) || size == sizeof(bytes))
        fail(path, "cannot be read, or is too large");
    fclose(file);
    puts(path);
    fflush(stdout);
    copy = input_copy(bytes, size);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)copy, size);
    free(copy);
    n_run++;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void path_run(const char *path)
{
    struct dirent **entries;
    struct stat status;
    int n;

    if (stat(path, &status) < 0)
        fail(path, "is not there");
    if (!S_ISDIR(status.st_mode)) {
        file_run(path);
        return;
    }
    n = scandir(path, &entries, is_visible, alphasort);
    if (n < 0)
        fail(path, "cannot be read");
    for (int i = 0; i < n; i++) {
        char *inside;

        if (asprintf(&inside, "%s/%s", path, entries[i]->d_name) < 0)
            fail(path, "no memory");
        file_run(inside);
        free(inside);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        path_run(argv[i]);
    printf("%u inputs\n", n_run);
    return n_run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
