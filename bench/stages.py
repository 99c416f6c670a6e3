#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where an event, a reply, a round trip and a connection spend their instructions, and an idle connection its bytes.

stages.py WORK-PROGRAM

The program runs under valgrind, twice with different counts; the difference is one unit's. Instructions are grouped by
the folder of the source line they come from, inlined or not, so no function has to keep its name. Calls count where
the library makes them. The bytes of an idle connection are what DHAT finds in use at the end, by the function of the
library that asked for them. Nothing here depends on the machine's speed.

Prints lines with tabs: `title` and its text, or `row`, what it is, and how much.
"""

import collections
import json
import os
import re
import subprocess
import sys
import tempfile

LIBRARY = 'libqmpclient'
WORKS = [
    # What, the work's name, how many at first, how many more.
    ('an event', 'event', 640, 6400),
    ('a blocking round trip', 'trip', 100, 500),
    ('a thread-driven round trip, both threads', 'thread', 100, 500),
    ('a reply of 100 kB', 'reply', 5, 20),
    ('a connection, from connecting to freeing', 'connection', 10, 50),
]
IDLE = 50
LAYERS = ['transport', 'frame', 'json', 'message', 'session', 'listener', 'client', 'util']
ALLOCATOR = re.compile(r'malloc|calloc|realloc|free|tcache|unlink_chunk|sysmalloc|systrim|arena|checked_request2size')
BYTES = re.compile(r'mem(p?cpy|move|set|chr|cmp|rchr|mem)|str(len|cmp|chr|n?cmp|nlen)|bcmp')
LOCKS = re.compile(r'pthread|lll_|futex')
ALLOCATIONS = {'malloc', 'calloc', 'realloc', 'free'}
SYSTEM_CALLS = {'recv', 'recvmsg', 'recvfrom', 'read', 'send', 'sendmsg', 'sendto', 'write', 'writev', 'poll', 'ppoll',
                'eventfd', 'epoll_wait', 'fcntl', 'ioctl', 'getsockopt', 'setsockopt', 'socket', 'connect', 'close',
                'shutdown', 'getsockname', 'getpeername', 'dup', 'fstat'}
WAITS = {'pthread_cond_wait', 'pthread_cond_timedwait', 'pthread_cond_clockwait', 'pthread_cond_signal',
         'pthread_cond_broadcast', 'pthread_mutex_lock'}


def layer(object_name, file_name, function_file, function):
    """The part of the program that a line belongs to; what is inlined from a header counts where it is inlined."""
    if LIBRARY in object_name:
        for name in (file_name, function_file):
            match = re.search(r'src/(\w+)/', name)
            if match and match.group(1) in LAYERS:
                return match.group(1)
        return 'the library: other'
    if '/libc' in object_name or '/ld-linux' in object_name or '/libpthread' in object_name:
        if ALLOCATOR.search(function):
            return "the C library's allocator"
        if BYTES.search(function):
            return "the C library's memcpy() and the like"
        if LOCKS.search(function):
            return "the C library's locks"
        return 'the C library: system calls and the rest'
    return 'the program itself'


def valgrind(folder, tool, program, work, count):
    out = os.path.join(folder, '%s.%s.%d' % (tool, work, count))
    option = '--callgrind-out-file=' if tool == 'callgrind' else '--dhat-out-file='
    # What the server's process counts goes to a file of its own.
    subprocess.run(['valgrind', '-q', '--tool=' + tool, option + out + '.%p', program, work, str(count)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = [os.path.join(folder, f) for f in os.listdir(folder) if f.startswith(os.path.basename(out) + '.')]
    return max(files, key=os.path.getsize)


def callgrind(path):
    """Instructions by layer, and the library's calls by function, of one run."""
    names = {'ob': {}, 'fl': {}, 'fn': {}}
    instructions, calls = collections.Counter(), collections.Counter()
    current = {'ob': '', 'fl': '', 'fn': ''}
    function_file, callee, skip = '', '', False
    kinds = {'ob': 'ob', 'fl': 'fl', 'fi': 'fl', 'fe': 'fl', 'fn': 'fn', 'cob': 'ob', 'cfi': 'fl', 'cfl': 'fl',
             'cfn': 'fn'}
    with open(path, encoding='utf-8', errors='replace') as lines:
        for line in lines:
            match = re.match(r'(c?ob|c?fl|c?fi|fe|c?fn)=\((\d+)\)(?: (.*))?$', line)
            if match:
                key, number, name = match.groups()
                kind = kinds[key]
                if name is not None:
                    names[kind][number] = name
                if key == 'cfn':
                    callee = names[kind][number]
                elif not key.startswith('c'):
                    current[kind] = names[kind][number]
                    if key == 'fl':
                        function_file = current['fl']
            elif line.startswith('calls='):
                if LIBRARY in current['ob']:
                    calls[re.sub(r"@.*|'\d+$", '', callee)] += int(line[6:].split()[0])
                skip = True
            elif re.match(r'[+\-*\d]', line):
                if not skip:
                    fields = line.split()
                    where = layer(current['ob'], current['fl'], function_file, current['fn'])
                    instructions[where] += int(fields[1])
                skip = False
    return instructions, calls


def difference(more, fewer, units):
    return {key: (more[key] - fewer[key]) / units for key in more if more[key] != fewer[key]}


def row(*cells):
    print('row', *cells, sep='\t', flush=True)


def number(value):
    return '%.0f' % value if value >= 100 else ('%.1f' % value if value >= 10 else '%.2f' % value)


def stages(folder, program):
    for what, work, first, more in WORKS:
        a = callgrind(valgrind(folder, 'callgrind', program, work, first))
        b = callgrind(valgrind(folder, 'callgrind', program, work, first + more))
        instructions, calls = difference(b[0], a[0], more), difference(b[1], a[1], more)
        total = sum(instructions.values())
        print('title', what + ': instructions, and what the library calls', sep='\t', flush=True)
        for name, value in sorted(instructions.items(), key=lambda item: -item[1]):
            if value >= total / 200:
                row(name, number(value), '%.0f %%' % (100 * value / total))
        row('together', number(total), '')
        for title, wanted in (('allocations: ', ALLOCATIONS), ('system calls: ', SYSTEM_CALLS), ('waiting: ', WAITS)):
            found = ', '.join('%s %s' % (name, number(calls[name])) for name in sorted(wanted)
                              if calls.get(name, 0) >= 0.01)
            row(title + (found or 'none'), '', '')


def place(frames):
    """The library's function nearest to the allocation, without the address and the line."""
    for frame in frames:
        match = re.match(r'0x[0-9A-F]+: (\S+) \((?:in )?(.*?)(?::\d+)?\)$', frame)
        if match and match.group(1) not in ALLOCATIONS and not match.group(2).startswith('vg_'):
            return '%s(), %s' % (match.group(1), os.path.basename(match.group(2)))
    return 'elsewhere'


def idle(folder, program):
    with open(valgrind(folder, 'dhat', program, 'idle', IDLE), encoding='utf-8') as file:
        data = json.load(file)
    places, blocks = collections.Counter(), collections.Counter()
    for point in data['pps']:
        if point['ebk'] >= IDLE:
            where = place(data['ftbl'][f] for f in point['fs'])
            places[where] += point['eb'] / IDLE
            blocks[where] += point['ebk'] / IDLE
    total = sum(places.values())
    print('title', "an idle connection: bytes it asked for (the allocator's headers come on top), and blocks", sep='\t')
    for name, value in sorted(places.items(), key=lambda item: -item[1]):
        row(name, number(value) + ' B', '%.0f' % blocks[name])
    row('together', number(total) + ' B', '%.0f' % sum(blocks.values()))


if __name__ == '__main__':
    with tempfile.TemporaryDirectory(prefix='qmp-bench.') as scratch:
        stages(scratch, sys.argv[1])
        idle(scratch, sys.argv[1])
