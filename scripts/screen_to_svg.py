#!/usr/bin/env python3
"""Turns a screen captured by `tmux capture-pane -e -p` into an SVG picture. Standard library only.

usage: screen_to_svg.py TITLE <screen >picture.svg

Reads text with SGR sequences (ECMA-48; colours as 30-37, 90-97, 38;5;N and 38;2;R;G;B) and draws one cell after the
other. Lines and blocks are drawn as shapes, so that frames close whatever font the reader has; all other signs are
text, stretched to the width of their cells.
"""

import re
import sys
import unicodedata
from collections import Counter
from html import escape

CELL_W, CELL_H, FONT, PAD, ROUND = 8.4, 18, 14, 14, 8
FOREGROUND, BACKGROUND = "#d4d4d4", "#16181d"
# Light and dark, as xterm has them; a theme sends its own colours and rarely these.
ANSI = ("#000000 #cd3131 #0dbc79 #e5e510 #2472c8 #bc3fbc #11a8cd #e5e5e5 "
        "#666666 #f14c4c #23d18b #f5f543 #3b8eea #d670d6 #29b8db #ffffff").split()

# Which arms a line has: left, right, up, down; 1 thin, 2 double, 3 thick.
LINES = {
    "─": "1100", "│": "0011", "┌": "0101", "┐": "1001", "└": "0110", "┘": "1010", "├": "0111", "┤": "1011",
    "┬": "1101", "┴": "1110", "┼": "1111", "═": "2200", "║": "0022", "╔": "0202", "╗": "2002", "╚": "0220",
    "╝": "2020", "━": "3300", "┃": "0033",
}
BLOCKS = {chr(0x2580 + eighths): eighths / 8 for eighths in range(1, 9)}

SGR = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


def indexed(number):
    """One of the 256 colours."""
    if number < 16:
        return ANSI[number]
    if number < 232:
        steps = (0, 95, 135, 175, 215, 255)
        number -= 16
        return "#%02x%02x%02x" % (steps[number // 36], steps[number // 6 % 6], steps[number % 6])
    return "#" + "%02x" % (8 + 10 * (number - 232)) * 3


class Style:
    """What SGR has set so far."""

    def __init__(self):
        self.fg = self.bg = None
        self.on = set()

    def apply(self, codes):
        codes = [int(code or 0) for code in re.split("[;:]", codes)]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code in (1, 2, 3, 4, 7, 9):
                self.on.add(code)
            elif code == 22:
                self.on -= {1, 2}
            elif code in (23, 24, 27, 29):
                self.on.discard(code - 20)
            elif code in (38, 48) and codes:
                kind = codes.pop(0)
                wanted = 1 if kind == 5 else 3
                numbers, codes = codes[:wanted], codes[wanted:]
                colour = indexed(numbers[0]) if kind == 5 else "#%02x%02x%02x" % tuple(numbers)
                self.fg, self.bg = (colour, self.bg) if code == 38 else (self.fg, colour)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.fg = ANSI[code - 30 if code < 90 else code - 82]
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.bg = ANSI[code - 40 if code < 100 else code - 92]
            elif code == 39:
                self.fg = None
            elif code == 49:
                self.bg = None

    def seen(self):
        """Foreground, background and attributes as they are drawn."""
        fg, bg = self.fg or FOREGROUND, self.bg or BACKGROUND
        if 7 in self.on:
            fg, bg = bg, fg
        return fg, bg, frozenset(self.on - {7})


def cells(text):
    """Rows of (column, width, sign, look)."""
    style, rows = Style(), []
    for line in text.rstrip("\n").split("\n"):
        row, column, at = [], 0, 0
        while at < len(line):
            sequence = SGR.match(line, at)
            if sequence:
                if sequence.group(1) is not None:
                    style.apply(sequence.group(1))
                at = sequence.end()
                continue
            sign, at = line[at], at + 1
            if unicodedata.combining(sign) or ord(sign) < 32:
                continue
            width = 2 if unicodedata.east_asian_width(sign) in "WF" else 1
            row.append((column, width, sign, style.seen()))
            column += width
        rows.append(row)
    return rows


def runs(row, key):
    """Neighbours for which `key` is the same: (first column, width, signs, key)."""
    found = []
    for column, width, sign, look in row:
        value = key(sign, look)
        if found and found[-1][3] == value and found[-1][0] + found[-1][1] == column:
            found[-1][1] += width
            found[-1][2] += sign
        else:
            found.append([column, width, sign, value])
    return found


def number(value):
    return ("%.2f" % value).rstrip("0").rstrip(".")


def line_shape(x, y, sign, colour, width):
    """Arms of a line sign, from the middle of the cell. A run of equal signs that go through is one long line."""
    left, right, up, down = (int(arm) for arm in LINES[sign])
    middle_x, middle_y = x + CELL_W / 2, y + CELL_H / 2
    weight = 2.4 if 3 in (left, right, up, down) else 1.2
    double = 2 in (left, right, up, down)
    path = []
    for gap in (-1.6, 1.6) if double else (0,):
        # The corner of a double line: its inner line is shorter than its outer one.
        across = (gap if left else -gap) if (left or right) and (up or down) else gap
        turn = gap if up else -gap
        h_y, v_x = (middle_y + (turn if double and (up or down) else gap)), middle_x + across
        if up or down:
            h_y = middle_y + (-gap if down else gap) if double else middle_y
            v_x = middle_x + (-gap if right else gap) if double else middle_x
        if left or right:
            start = x if left else v_x if (up or down) else middle_x
            end = x + width * CELL_W if right else v_x if (up or down) else middle_x
            path.append("M%s %sH%s" % (number(start), number(h_y), number(end)))
        if up or down:
            start = y if up else h_y if (left or right) else middle_y
            end = y + CELL_H if down else h_y if (left or right) else middle_y
            path.append("M%s %sV%s" % (number(v_x), number(start), number(end)))
    return '<path d="%s" stroke="%s" stroke-width="%s"/>' % ("".join(path), colour, weight)


def draw(rows, title):
    # The page is of the colour that most of the screen has, so that its margin is no frame.
    cells_by_colour = Counter()
    for row in rows:
        for _, width, _, look in row:
            cells_by_colour[look[1]] += width
    page = cells_by_colour.most_common(1)[0][0] if cells_by_colour else BACKGROUND
    columns = max((row[-1][0] + row[-1][1] for row in rows if row), default=1)
    width, height = columns * CELL_W + 2 * PAD, len(rows) * CELL_H + 2 * PAD
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-label="%s">'
        % (number(width), number(height), escape(title)),
        "<title>%s</title>" % escape(title),
        '<rect width="100%%" height="100%%" rx="%d" fill="%s"/>' % (ROUND, page),
        '<g transform="translate(%d %d)" fill="none" font-size="%d" style="white-space:pre" xml:space="preserve" '
        'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace">' % (PAD, PAD, FONT),
    ]
    for index, row in enumerate(rows):
        y = index * CELL_H
        for column, cells_wide, _, bg in runs(row, lambda sign, look: look[1]):
            if bg != page:
                out.append('<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>' % (
                    number(column * CELL_W), y, number(cells_wide * CELL_W + 0.2), CELL_H + 0.2, bg))
        for column, cells_wide, signs, (shape, fg, on) in runs(row, shape_of):
            x = column * CELL_W
            if shape == "text":
                words(out, column, y, signs, fg, on)
            elif shape in BLOCKS:
                part = BLOCKS[shape] * CELL_H
                out.append('<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>' % (
                    number(x), number(y + CELL_H - part), number(cells_wide * CELL_W), number(part), fg))
            else:
                out.append(line_shape(x, y, shape, fg, cells_wide))
    return "\n".join(out + ["</g>", "</svg>", ""])


def shape_of(sign, look):
    """What is drawn alike. Lines that do not go through from left to right stand alone."""
    fg, _, on = look
    if sign in BLOCKS:
        return sign, fg, frozenset()
    if sign in LINES:
        through = LINES[sign][0] != "0" and LINES[sign][1] != "0"
        return sign, fg, frozenset() if through else object()
    return "text", fg, on


def words(out, column, y, signs, fg, on):
    """One text element for what stands between wider gaps; the gaps themselves need no ink unless underlined."""
    gap = r"\S+(?: \S+)*" if 4 not in on else r".+"
    wide = [2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in signs]
    for part in re.finditer(gap, signs):
        start = column + sum(wide[: part.start()])
        cells_wide = sum(wide[part.start() : part.end()])
        look = "".join((
            ' font-weight="700"' if 1 in on else "",
            ' font-style="italic"' if 3 in on else "",
            ' opacity="0.65"' if 2 in on else "",
            ' text-decoration="underline"' if 4 in on else "",
        ))
        out.append('<text x="%s" y="%s" fill="%s" textLength="%s" lengthAdjust="spacingAndGlyphs"%s>%s</text>' % (
            number(start * CELL_W), number(y + CELL_H * 0.74), fg, number(cells_wide * CELL_W), look,
            escape(part.group(), quote=False)))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(draw(cells(sys.stdin.read()), sys.argv[1]))


main()
