"""Text with style, and the one way in which it becomes characters.

What is shown is first a page: lines and tables of styled spans. `render` then decides about colour, ASCII and
width, takes out what must not be shown, and makes what servers and files say harmless to a terminal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from seedbed.support.texts import MISLEADING


class Style(StrEnum):
    """The value is the parameter of the ANSI sequence that switches it on."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    GOOD = "32"
    CHANGE = "36"
    WARN = "33"
    BAD = "31"
    REMOVE = "35"


class Span(NamedTuple):
    text: str
    style: Style = Style.PLAIN


class Line(Struct, frozen=True):
    """A line of spans; a line break inside a span goes on below that span's first character.

    `flex`: the span that is shortened where the line is wider than a terminal. `wrap`: prose, which goes on below, word
    by word. Neither: the terminal wraps it where it ends; so a command can be copied from there.
    """

    spans: tuple[Span, ...] = ()
    indent: int = 0
    flex: int | None = None
    wrap: bool = False


class Row(Struct, frozen=True):
    """Cells of a table, one per column."""

    cells: tuple[Span, ...]


class Table(Struct, frozen=True):
    """Rows with aligned columns; a line among them stands for itself and widens no column.

    `right`: columns of numbers. `flex`: the column that is shortened where a terminal is too narrow.
    """

    rows: tuple[Row | Line, ...]
    right: frozenset[int] = frozenset()
    flex: int | None = None
    indent: int = 0


Page: TypeAlias = Sequence[Line | Table]
Lines: TypeAlias = list[Line | Table]


def _as_it_is(text: str) -> str:
    return text


class Look(Struct, frozen=True):
    """How a page is rendered. `width` None: nothing is shortened. `cut`: no line is ever wider than `width`."""

    color: bool = False
    unicode: bool = True
    width: int | None = None
    cut: bool = False
    redact: Callable[[str], str] = _as_it_is


def span(part: str | Span | tuple[str, Style]) -> Span:
    return Span(part) if isinstance(part, str) else Span(*part)


def line(
    *parts: str | Span | tuple[str, Style], indent: int = 0, flex: int | None = None, wrap: bool = False
) -> Line:
    return Line(tuple(span(each) for each in parts), indent, flex, wrap)


def row(*parts: str | Span | tuple[str, Style]) -> Row:
    return Row(tuple(span(each) for each in parts))


def render(page: Page, look: Look) -> str:
    """Return `page` as text; every line ends with a line break and nothing else."""
    return "".join(f"{_paint(spans, look)}\n" for each in page for spans in _laid_out(each, look))


def widths(page: Page, look: Look) -> list[int]:
    """Return how many cells each line of the rendered page is wide."""
    return [_total(spans) for each in page for spans in _laid_out(each, look)]


_Spans: TypeAlias = tuple[Span, ...]


def _laid_out(element: Line | Table, look: Look) -> Iterator[_Spans]:
    if isinstance(element, Line):
        yield from _line(element, look)
        return
    prepared = [
        Row(tuple(_shown(cell, look, one_line=True) for cell in each.cells))
        if isinstance(each, Row)
        else each
        for each in element.rows
    ]
    columns = _columns([each for each in prepared if isinstance(each, Row)], element, look)
    for each in prepared:
        if isinstance(each, Line):
            yield from _line(each, look)
        else:
            yield _cut_to(_stripped(_aligned(each, columns, element, look)), look)


def _line(each: Line, look: Look) -> Iterator[_Spans]:
    spans = tuple(_shown(one, look, one_line=False) for one in each.spans)
    lines: list[list[Span]] = [[Span(" " * each.indent)]]
    for one in spans:
        column = _total(tuple(lines[-1]))
        first, *others = one.text.split("\n")
        lines[-1].append(_with(one, first))
        lines += [[Span(" " * column), _with(one, other)] for other in others]
    if each.flex is not None and len(lines) == 1:
        lines[0] = _flexed(lines[0], each.flex + 1, look)
    if each.wrap and look.width and not look.cut:
        lines = [part for whole in lines for part in _wrapped(whole, each.indent + _HANG, look.width)]
    for whole in lines:
        yield _cut_to(_stripped(tuple(whole)), look)


def _with(one: Span, text: str) -> Span:
    return Span(text, one.style)


def _flexed(spans: list[Span], position: int, look: Look) -> list[Span]:
    over = _total(tuple(spans)) - look.width if look.width else 0
    if over <= 0:
        return spans
    one = spans[position]
    kept = max(_LEAST, cells(one.text) - over)
    return [
        *spans[:position],
        _with(one, shortened(one.text, kept, look.unicode)),
        *spans[position + 1 :],
    ]


def _wrapped(spans: Sequence[Span], hang: int, width: int) -> Iterator[list[Span]]:
    """Yield `spans` in lines of `width` cells, broken between words; all but the first begin `hang` cells later."""
    taken: list[Span] = []
    column = 0
    for one in spans:
        for word in _WORD.findall(one.text):
            if column + cells(word.rstrip(" ")) > width and column > hang:
                yield taken
                taken, column = [Span(" " * hang)], hang
            kept = word.lstrip(" ") if column == hang and len(taken) == 1 else word
            taken.append(_with(one, kept))
            column += cells(kept)
    yield taken


_COLOR = re.compile(r"(\x1b\[[0-9;]*m)")
_HANG = 2  # cells
_WORD = re.compile(r" *[^ ]+ *|^ +")
_LEAST = 12  # cells; what is shortened further says nothing
_GAP = 2


def _columns(rows: Sequence[Row], table: Table, look: Look) -> list[int]:
    """Return the width of each column."""
    size = max((len(each.cells) for each in rows), default=0)
    columns = [
        max((cells(each.cells[index].text) for each in rows if _counts(each, index, table)), default=0)
        for index in range(size)
    ]
    if look.width and table.flex is not None and table.flex < size:
        over = table.indent + sum(columns) + _GAP * (sum(map(bool, columns)) - 1) - look.width
        if over > 0:
            columns[table.flex] = max(min(_LEAST, columns[table.flex]), columns[table.flex] - over)
    return columns


def _counts(each: Row, index: int, table: Table) -> bool:
    return index < len(each.cells) and not (index == table.flex and _ends_at(each, index))


def _ends_at(each: Row, index: int) -> bool:
    """Return whether nothing stands after cell `index`: then it may run on over the columns that follow."""
    return not any(cell.text for cell in each.cells[index + 1 :])


def _aligned(each: Row, columns: Sequence[int], table: Table, look: Look) -> _Spans:
    spans = [Span(" " * table.indent)]
    for index, cell in enumerate(each.cells):
        if index == table.flex and _ends_at(each, index):
            left = look.width - _total(tuple(spans)) if look.width else cells(cell.text)
            return (*spans, _with(cell, shortened(cell.text, max(_LEAST, left), look.unicode)))
        if not columns[index]:
            continue  # a column in which nothing stands anywhere
        room = columns[index] - cells(cell.text)
        if room < 0:
            cell = _with(cell, shortened(cell.text, columns[index], look.unicode))  # noqa: PLW2901
            room = columns[index] - cells(cell.text)
        if index in table.right:
            spans += [Span(" " * room), cell, Span(" " * _GAP)]
        else:
            spans += [cell, Span(" " * (room + _GAP))]
    return tuple(spans)


def _cut_to(spans: _Spans, look: Look) -> _Spans:
    if not look.cut or look.width is None or _total(spans) <= look.width:
        return spans
    left, kept = look.width, []
    for one in spans:
        if cells(one.text) >= left:
            kept.append(_with(one, shortened(one.text + "...", left, look.unicode)))
            break
        kept.append(one)
        left -= cells(one.text)
    return tuple(kept)


def _stripped(spans: _Spans) -> _Spans:
    """Return `spans` without blanks at the end."""
    kept = list(spans)
    while kept and not (text := kept[-1].text.rstrip()):
        kept.pop()
    if kept and text != kept[-1].text:
        kept[-1] = _with(kept[-1], text)
    return tuple(kept)


def _paint(spans: _Spans, look: Look) -> str:
    return "".join(
        f"\x1b[{one.style}m{one.text}\x1b[0m" if look.color and one.style and one.text.strip() else one.text
        for one in spans
    )


def _total(spans: _Spans) -> int:
    return sum(cells(one.text) for one in spans)


def cells(text: str) -> int:
    """Return how many cells of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def shortened(text: str, width: int, unicode: bool = True) -> str:
    """Return `text` in at most `width` cells, with an ellipsis where something is left out."""
    if cells(text) <= width:
        return text
    dots = "…" if unicode else "..."
    kept, room = "", width - len(dots)
    for character in text:
        room -= _cell(character)
        if room < 0:
            break
        kept += character
    else:
        return kept
    words = kept.rpartition(" ")[0]
    if character != " " and not kept.endswith(" ") and 2 * cells(words) >= width:
        kept = words  # between two words, unless that leaves little
    return (kept + dots)[:width] if width < len(dots) else kept + dots


# What we draw with, and what stands in for it where the encoding has only ASCII.
_ASCII = str.maketrans(
    {
        "✓": "*", "✗": "x", "○": "o", "◐": "~", "≠": "!", "…": "...", "→": "->", "–": "-", "━": "=", "─": "-",
        "⠋": "|", "⠙": "/", "⠹": "-", "⠸": "\\", "⠴": "|", "⠦": "/", "⠧": "-", "⠏": "\\",
    }
)  # fmt: skip

# What a terminal obeys, or what makes text read other than it is, is spelled out.
_CONTROLS = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    for code in MISLEADING - {ord("\n"), ord("\t")}
}


def harmless(text: str) -> str:
    """Return `text` with everything spelled out that a terminal would obey; line breaks stay, tabs become blanks."""
    if text.isascii() and text.isprintable():
        return text
    return text.replace("\r\n", "\n").replace("\t", "    ").translate(_CONTROLS)


def colored(text: str) -> str:
    """Return `text` as `harmless` does, with its colours."""
    parts = _COLOR.split(text)
    return "".join(each if number % 2 else harmless(each) for number, each in enumerate(parts))


def _shown(one: Span, look: Look, *, one_line: bool) -> Span:
    text = harmless(look.redact(one.text))  # redacted first: afterwards a secret may be cut in two
    if one_line:
        text = text.replace("\n", " ")
    if not look.unicode:
        text = text.translate(_ASCII)
    return one if text == one.text else _with(one, text)
