/* SPDX-License-Identifier: MIT */
/* What the library costs, as ratios to the system calls that nobody can save.
 *
 * Usage: qmp-bench [--quick] [--qmp PATH] [--data FILE] [round-trip] [events] [reply] [memory] [command] [flood]
 * [adapters] [tls] [fleet] [threads]
 *
 * It refuses to decide anything: it exits with 0 when it ran, whatever it measured. */

#include "bench.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

static const struct section {
    const char *name;
    void (*run)(const struct options *o);
} sections[] = {
    {"round-trip", bench_round_trips}, {"events", bench_events}, {"reply", bench_replies}, {"memory", bench_memory},
    {"command", bench_command}, {"flood", bench_flood}, {"adapters", bench_adapters}, {"tls", bench_tls},
    {"fleet", bench_fleet}, {"connections", bench_many}, {"sizes", bench_sizes}, {"peers", bench_peers},
    {"stages", bench_stages},
    {"threads", bench_threads}, /* the last one: a process that once had two threads pays for locks ever after */
};

void die(const char *what, int error)
{
    fflush(stdout);
    fprintf(stderr, "qmp-bench: %s: %s\n", what, strerror(-error));
    exit(1);
}

static int usage(void)
{
    fprintf(stderr, "usage: qmp-bench [--quick] [--qmp PATH] [--data FILE] [SECTION ...]\nsections:");
    for (size_t i = 0; i < ELEMENTS(sections); i++)
        fprintf(stderr, " %s", sections[i].name);
    fprintf(stderr, "\n");
    return 2;
}

/* The programs that the same build made: beside this one and in ../tool. */
static void find_programs(struct options *o)
{
    static char self[4096], qmp[4200], reader[4200];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    const char *folder;

    self[n > 0 ? n : 0] = '\0';
    folder = dirname(self);
    snprintf(qmp, sizeof(qmp), "%s/../tool/qmp", folder);
    snprintf(reader, sizeof(reader), "%s/qmp-bench-reader", folder);
    o->qmp = qmp;
    o->reader = reader;
    o->folder = folder;
}

static const struct section *find_section(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(sections); i++)
        if (strcmp(sections[i].name, name) == 0)
            return &sections[i];
    return NULL;
}

/* An empty file, and where and when. */
static void data_begin(const char *path)
{
    char model[256] = "unknown", text[512], date[32];
    FILE *cpuinfo = fopen("/proc/cpuinfo", "re");
    struct utsname system;
    time_t now = time(NULL);
    int r;

    while (cpuinfo && fgets(text, sizeof(text), cpuinfo))
        if (sscanf(text, "model name : %255[^\n]", model) == 1)
            break;
    if (cpuinfo)
        fclose(cpuinfo);
    uname(&system);
    strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
    r = unlink(path) < 0 && errno != ENOENT ? -errno : table_data(path);
    if (r < 0)
        die(path, r);
    table_host(model, sysconf(_SC_NPROCESSORS_ONLN), system.release, date);
}

int main(int argc, char **argv)
{
    bool wanted[ELEMENTS(sections)] = {false}, any = false;
    struct options o = {0};

    find_programs(&o);
    for (int i = 1; i < argc; i++) {
        const struct section *s = find_section(argv[i]);

        if (s) {
            wanted[s - sections] = any = true;
        } else if (strcmp(argv[i], "--quick") == 0) {
            o.quick = true;
        } else if (strcmp(argv[i], "--qmp") == 0 && i + 1 < argc) {
            o.qmp = argv[++i];
        } else if (strcmp(argv[i], "--data") == 0 && i + 1 < argc) {
            o.data = argv[++i];
        } else {
            return usage();
        }
    }
    signal(SIGPIPE, SIG_IGN);
    if (o.data)
        data_begin(o.data);
    table_begin();
    for (size_t i = 0; i < ELEMENTS(sections); i++)
        if (wanted[i] || !any)
            sections[i].run(&o);
    return 0;
}
