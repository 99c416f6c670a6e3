# SPDX-License-Identifier: MIT
"""Prints events with the Python package qemu.qmp, for a comparison: flood-qemu-qmp.py SOCKET COUNT"""

import asyncio
import json
import sys

from qemu.qmp import QMPClient


async def main(address, count):
    client = QMPClient('bench')
    with client.listener() as events:
        await client.connect(address)
        async for event in events:
            print(json.dumps(dict(event)))
            count -= 1
            if count == 0:
                break
    await client.disconnect()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
