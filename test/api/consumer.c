/* SPDX-License-Identifier: MIT */
#include <qmp/qmp.h>

#include <errno.h>
#include <stdio.h>

int main(void)
{
    qmp_client *client = NULL;

    printf("%s\n", qmp_version());
    return qmp_connect(&client, "/nonexistent/monitor", QMP_SECOND) == -ENOENT ? 0 : 1;
}
