#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the plots of doc/PERFORMANCE.md and refreshes its tables, all from what `qmp-bench --data FILE` wrote.

page.py DATA PAGE FOLDER

The page has markers: between `<!-- rows: TITLE -->` and `<!-- end -->` stand the rows of every section whose title
begins like that, between `<!-- targets -->` and `<!-- end -->` all rows with a target, between `<!-- host -->` and
`<!-- end -->` where and when it was. FOLDER gets the plots, as SVG. The same data gives the same bytes.

It refuses to measure anything, and to change what stands outside the markers.
"""

import math
import os
import re
import sys
from xml.sax.saxutils import escape

# ---- the data ----


def read(path):
    data = {'host': None, 'sections': [], 'series': {}}
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            kind, *cells = line.rstrip('\n').split('\t')
            if kind == 'host':
                data['host'] = cells
            elif kind == 'title':
                data['sections'].append((cells[0], []))
            elif kind in ('row', 'skipped', 'note'):
                data['sections'][-1][1].append((kind, cells))
            elif kind == 'point':
                data['series'].setdefault(cells[0], []).append(tuple(float(cell) for cell in cells[1:]))
    return data


# ---- axes ----

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 92, 196, 46, 56
COLOURS = ['#3b7ddd', '#d9682b', '#2a9d6f', '#a05cc4']

STYLE = '''<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .grid { stroke: #8c959f; stroke-opacity: .3 }
  .axis { stroke: #57606a }
  .ours { fill: none; stroke-width: 2.5 }
  .floor { fill: none; stroke-width: 1.5; stroke-dasharray: 5 4 }
  .target { stroke: #57606a; stroke-dasharray: 2 4 }
  @media (prefers-color-scheme: dark) { text { fill: #d8dee4 } .axis, .target { stroke: #aab4be } }
</style>'''


class Axis:
    """From values to pixels; logarithmic, or linear from 0."""

    def __init__(self, values, first, last, log, unit, pad=False):
        self.log, self.unit, self.first, self.last = log, unit, first, last
        if log:
            self.low, self.high = math.log10(min(values)), math.log10(max(values))
            if pad:
                self.low, self.high = self.low - 0.1, self.high + 0.05
        else:
            self.low, self.high = 0, max(values) * 1.1

    def place(self, value):
        at = math.log10(value) if self.log else value
        return self.first + (self.last - self.first) * (at - self.low) / (self.high - self.low)

    def ticks(self):
        if self.log:
            steps = (1,) if self.high - self.low > 3.5 else (1, 2, 5) if self.high - self.low < 2 else (1, 3)
            for power in range(math.floor(self.low), math.ceil(self.high) + 1):
                for step in steps:
                    value = step * 10 ** power
                    if self.low - 1e-9 <= math.log10(value) <= self.high + 1e-9:
                        yield value
            return
        step = 10 ** math.floor(math.log10(self.high))
        while self.high / step < 4:
            step /= 2
        for i in range(int(self.high / step) + 1):
            yield i * step

    def name(self, value):
        return self.unit(value)


def plain(value):
    return '{:,.0f}'.format(value).replace(',', ' ')


def scaled(units, factor=1000):
    def name(value):
        for unit in units[:-1]:
            if value < factor * 0.9999:
                break
            value /= factor
        else:
            unit = units[-1]
        return '%g %s' % (float('%.3g' % value), unit)
    return name


TIME = scaled(['ns', 'µs', 'ms'])
BYTES = scaled(['B', 'kB', 'MB', 'GB'])
RATE = scaled(['/s', 'k/s', 'M/s'])


def picture(height, parts, title):
    head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">'
            % (WIDTH, height, WIDTH, height))
    return '\n'.join([head, '<title>%s</title>' % escape(title), STYLE] + parts + ['</svg>', ''])


def text(x, y, words, anchor='start', css='', more=''):
    return '<text x="%.1f" y="%.1f" text-anchor="%s"%s%s>%s</text>' % (
        x, y, anchor, ' class="%s"' % css if css else '', more, escape(words))


def line(x1, y1, x2, y2, css):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>' % (x1, y1, x2, y2, css)


def apart(labels, least):
    """Labels at the ends of lines, moved so that none covers another."""
    labels.sort(key=lambda label: label[0])
    for _ in range(200):
        for a, b in zip(labels, labels[1:]):
            if b[0] - a[0] < least:
                middle = (a[0] + b[0]) / 2
                a[0], b[0] = middle - least / 2, middle + least / 2
    return labels


def curves(title, x_title, y_title, lines, x_unit=plain, y_unit=TIME, y_log=True, target=None):
    """lines: (label, points, colour, css)."""
    xs = [x for _, points, _, _ in lines for x, _ in points]
    ys = [y for _, points, _, _ in lines for _, y in points] + ([target[1]] if target else [])
    bottom = HEIGHT - BOTTOM
    x_axis, y_axis = Axis(xs, LEFT, WIDTH - RIGHT, True, x_unit), Axis(ys, bottom, TOP, y_log, y_unit, pad=True)
    parts = [text(18, 22, title, css='title')]
    for value in y_axis.ticks():
        y = y_axis.place(value)
        parts += [line(LEFT, y, WIDTH - RIGHT, y, 'grid'), text(LEFT - 8, y + 4, y_axis.name(value), 'end')]
    for value in x_axis.ticks():
        x = x_axis.place(value)
        parts += [line(x, TOP, x, bottom, 'grid'), text(x, bottom + 18, x_axis.name(value), 'middle')]
    parts += [line(LEFT, bottom, WIDTH - RIGHT, bottom, 'axis'), line(LEFT, TOP, LEFT, bottom, 'axis'),
              text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_title, 'middle'),
              text(16, (TOP + bottom) / 2, y_title, 'middle',
                   more=' transform="rotate(-90 16 %.1f)"' % ((TOP + bottom) / 2))]
    labels = []
    if target:
        y = y_axis.place(target[1])
        parts.append(line(LEFT, y, WIDTH - RIGHT, y, 'target'))
        labels.append([y, target[0], None])
    for label, points, colour, css in lines:
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in points]
        parts.append('<polyline class="%s" stroke="%s" points="%s"/>' % (
            css, colour, ' '.join('%.1f,%.1f' % place for place in places)))
        if css == 'ours':
            parts += ['<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>' % (x, y, colour) for x, y in places]
        labels.append([places[-1][1], label, colour])
    for y, label, colour in apart(labels, 17):
        more = ' style="fill:%s"' % colour if colour else ''
        parts.append(text(WIDTH - RIGHT + 10, y + 4, label, more=more))
    return picture(HEIGHT, parts, title)


def bars(title, groups):
    """groups: (title, [(label, value, is ours)]) on logarithmic axes of their own."""
    parts, y = [text(18, 22, title, css='title')], 44
    left, right = 250, WIDTH - 90
    for name, rows in groups:
        low = 10 ** math.floor(math.log10(min(value for _, value, _ in rows)))
        axis = Axis([low, max(value for _, value, _ in rows)], left, right, True, RATE)
        top = y + 14
        parts.append(text(18, y + 6, name))
        bottom = top + 24 * len(rows) + 4
        for value in axis.ticks():
            x = axis.place(value)
            parts += [line(x, top, x, bottom, 'grid'), text(x, bottom + 16, axis.name(value), 'middle')]
        for i, (label, value, ours) in enumerate(rows):
            at = top + 4 + 24 * i
            parts += [text(left - 8, at + 13, label, 'end'),
                      '<rect x="%d" y="%.1f" width="%.1f" height="17" fill="%s"/>' % (
                          left, at, max(1.0, axis.place(value) - left), COLOURS[0] if ours else '#8c959f'),
                      text(axis.place(value) + 6, at + 13, RATE(value))]
        y = bottom + 40
    return picture(y - 10, parts, title)


# ---- the plots ----


def series(data, name, column):
    return [(point[0], point[column]) for point in data['series'].get(name, [])]


def pair(data, name, label, floor, colour):
    """Ours, and the floor in the same colour."""
    return [(label, series(data, name, 1), colour, 'ours'), (floor, series(data, name, 2), colour, 'floor')]


def rate(cell):
    match = re.match(r'([\d.]+) ([kM])/s$', cell)
    return float(match.group(1)) * {'k': 1e3, 'M': 1e6}[match.group(2)] if match else None


def peers(data):
    groups = []
    for prefix, name in (('peers: round trips', 'round trips a second, one after the other'),
                         ('peers: events', 'events a second, through the usual listener')):
        rows, ours = [], []
        for title, section in data['sections']:
            for kind, cells in section if title.startswith(prefix) else ():
                if kind == 'row' and rate(cells[1]):
                    ours.append(rate(cells[1]))
                    label = re.sub(r' \(.*|: .*', '', cells[0]).replace(', driven by', ',')
                    rows.append((label, rate(cells[2]), label.startswith('this library')))
        if ours:
            rows.insert(0, ('this library', ours[0], True))
            groups.append((name, sorted(rows, key=lambda row: -row[1])))
    return bars('The same server, the same work, in one run', groups) if groups else None


def plots(data):
    b, o, g = COLOURS[:3]
    have = data['series']
    if 'connections-trip' in have:
        yield 'connections.svg', curves(
            'More connections in one loop', 'connections', 'processor time',
            pair(data, 'connections-trip', 'a round trip', 'its system calls', b) +
            pair(data, 'connections-event', 'an event, alone', 'its system calls', o) +
            pair(data, 'connections-burst', 'an event, of 64 at once', 'its system calls', g))
        yield 'connections-heap.svg', curves(
            'What an idle connection holds', 'connections', 'heap of each',
            [('idle connection', series(data, 'connections-heap', 1), b, 'ours')],
            y_unit=lambda value: plain(value) + ' B', y_log=False, target=('target: 2 KiB', 2048))
    if 'listeners-names' in have:
        yield 'listeners.svg', curves(
            'More listeners on one connection', 'listeners', 'processor time of an event',
            pair(data, 'listeners-matches', 'same name, other match', 'without them', o) +
            [('other names', series(data, 'listeners-names', 1), b, 'ours')] +
            [('that hear it, for each', series(data, 'listeners-hearing', 1), g, 'ours')], y_log=False)
    if 'sizes-event' in have:
        yield 'sizes.svg', curves(
            'Larger messages', 'size of the message', 'processor time of a byte',
            pair(data, 'sizes-event', 'an event', 'the same reads', b) +
            pair(data, 'sizes-reply', 'a reply', 'the same reads', o),
            x_unit=BYTES, y_unit=lambda value: '%g ns' % value)
    if 'sizes-event-peak' in have:
        yield 'sizes-memory.svg', curves(
            'Memory while one message comes and is held', 'size of the message', 'peak of memory',
            pair(data, 'sizes-event-peak', 'an event', 'its text', b) +
            [('a reply', series(data, 'sizes-reply-peak', 1), o, 'ours')], x_unit=BYTES, y_unit=BYTES)
    drawn = peers(data)
    if drawn:
        yield 'peers.svg', drawn


# ---- the page ----


def table(head, rows):
    rule = ['---' if i == 0 else '--:' for i in range(len(head))]
    return ['| %s |' % ' | '.join(cell.replace('|', '\\|') for cell in row) for row in [head, rule] + rows]


def shown(sections):
    lines = []
    for title, section in sections:
        rows, notes = [], []
        for kind, cells in section:
            if kind == 'row':
                rows.append(cells)
            elif kind == 'skipped':
                notes.append('Not measured: %s: %s.' % tuple(cells))
            else:
                notes.append(cells[0])
        counted = ' instructions' in title or 'bytes' in title
        named = ['', 'ours', 'floor', 'ratio', 'target', 'met?']
        if counted:
            rows, named = [[row[0], row[1], row[3]] for row in rows], ['', 'how many', '']
        elif not any(row[4] for row in rows):
            rows, named = [row[:4] for row in rows], named[:4]
        lines += ['', '**%s**' % (title[0].upper() + title[1:]), '']
        lines += table(named, rows) if rows else []
        for note in notes:
            lines += ['', note]
    return lines


def filled(data, marker):
    if marker == 'host':
        name, processors, kernel, date = data['host']
        return ['', '%s processors "%s", Linux %s, %s.' % (processors, name, kernel, date)]
    if marker == 'targets':
        rows = [[title.split(' (')[0].split(':')[0]] + cells for title, section in data['sections']
                for kind, cells in section if kind == 'row' and cells[4]]
        return [''] + table(['section', 'measure', 'ours', 'floor', 'ratio', 'target', 'met?'], rows)
    prefix = marker[len('rows: '):]
    return shown([section for section in data['sections'] if section[0].startswith(prefix)])


def refresh(page, data):
    out, skipping = [], False
    for words in page.split('\n'):
        match = re.match(r'<!-- (host|targets|rows: .*) -->$', words)
        if match:
            body = filled(data, match.group(1))
            skipping = bool(body)
            out += [words] + body + ([''] if body else [])
        elif words == '<!-- end -->':
            skipping = False
            out.append(words)
        elif not skipping:
            out.append(words)
    return '\n'.join(out)


def main(data_path, page_path, folder):
    data = read(data_path)
    os.makedirs(folder, exist_ok=True)
    for name, drawn in plots(data):
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
            file.write(drawn)
    with open(page_path, encoding='utf-8') as file:
        page = file.read()
    with open(page_path, 'w', encoding='utf-8') as file:
        file.write(refresh(page, data))


if __name__ == '__main__':
    main(*sys.argv[1:])
