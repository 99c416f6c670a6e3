# SPDX-License-Identifier: MIT
"""The Python package qemu.qmp among the peers of qmp-bench: SOCKET trips|events|replies|once COUNT; see client.c"""

import asyncio
import sys
import time

from qemu.qmp import QMPClient

WARM_UP = 10


async def main(socket, work, count):
    client = QMPClient('bench')
    await client.connect(socket)
    command = 'query-qmp-schema' if work == 'replies' else 'query-status'
    if work == 'once':
        await client.execute(command)
        await client.disconnect()
        return
    for _ in range(WARM_UP):
        await client.execute(command)
    start = time.perf_counter_ns()
    if work == 'events':
        with client.listener() as events:
            await client.execute('stop')
            for _ in range(count):
                await events.get()
    else:
        for _ in range(count):
            await client.execute(command)
    print('%.1f' % ((time.perf_counter_ns() - start) / count))
    await client.disconnect()


try:
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
except Exception as error:
    sys.exit(str(error) or repr(error))
