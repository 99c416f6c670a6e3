/* SPDX-License-Identifier: MIT */
/* A test rig's script: adds a disk to a QEMU, stops it and lets it go on, and takes the events that came of it.
 *
 * The monitor is for programs that do one thing after the other. It keeps all events until somebody asks for them, in
 * whatever order, keeps what it hands out, and has the words for every failure: one check at the end of a chain is
 * enough.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off &
 *     cc rig.c -o rig $(pkg-config --cflags --libs libqmpclient)
 *     ./rig /tmp/vm.qmp disk0
 *     ./rig /tmp/vm.qmp disk0      fails, and says why */

#include <err.h>
#include <stdio.h>

#include <qmp/qmp.h>

#define SOON (5 * QMP_SECOND)

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(2, "usage: rig SOCKET NODE-NAME");

    /* [rig] */
    qmp_monitor *vm = qmp_monitor_new(argv[1]);
    if (qmp_monitor_connect(vm, SOON) < 0 ||
        qmp_monitor_command(vm, "blockdev-add", "{'driver': 'null-co', 'node-name': %s}", argv[2]) < 0 ||
        qmp_monitor_command(vm, "stop", NULL) < 0 || qmp_monitor_command(vm, "cont", NULL) < 0 ||
        qmp_monitor_pull_event(vm, "RESUME", SOON) < 0 || qmp_monitor_command(vm, "query-status", NULL) < 0)
        errx(1, "%s", qmp_monitor_error(vm));
    /* [rig] end */

    qmp_value status = qmp_value_member(qmp_monitor_value(vm), "status");
    printf("after %s: %.*s\n", qmp_event_name(qmp_monitor_event(vm)), (int)status.size, status.text);
    while (qmp_monitor_pull_event(vm, NULL, 0) == 0)
        printf("before it: %s\n", qmp_event_name(qmp_monitor_event(vm)));
    qmp_monitor_free(vm);
}
