"""A `.json` seed -> its rows with their lines, every number exact."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import NoReturn

import msgspec
from msgspec import Struct

from seedbed.seeding.given import Given, error

_SPACES = frozenset(" \t\n\r")
_SPACE = re.compile(r"[ \t\n\r]*")
_SHAPE = 'a list of objects, or {"table": …, "key": […], "rows": [objects]}'


class Opening(Struct, frozen=True):
    """What a file says before its rows are read; `table` and `key` are empty where it leaves them to convention."""

    table: str
    key: tuple[str, ...]
    first: Given | None  # the first row


class _Unfit(ValueError):
    """JSON that another reader would take, and lose something of."""


def read_opening(text: str, path: str) -> Opening:
    """Return what `text` says of its rows; names may stand after them. Raises SeedFileError."""
    reader = _Reader(text, path)
    first: Given | None = None
    for each in _reading(reader, path):
        first = first or each
        if reader.is_list or (reader.table and reader.key):
            break
    return Opening(reader.table, reader.key, first)


def read_rows(text: str, path: str) -> Iterator[Given]:
    """Yield the rows of `text`: integers of any size, other numbers as Decimal. Raises SeedFileError."""
    return _reading(_Reader(text, path), path)


def _reading(reader: _Reader, path: str) -> Iterator[Given]:
    try:
        yield from reader.document()
    except json.JSONDecodeError as wrong:
        raise error(path, wrong.lineno, f"not valid JSON: {wrong.msg}", f"column {wrong.colno}") from None
    except RecursionError:
        raise error(path, reader.line, "the values are nested too deeply to be data") from None
    except ValueError as wrong:  # ours, and a number beyond Python's limit of digits
        raise error(path, reader.line, "a row cannot be read exactly", str(wrong)) from None
    except InvalidOperation:  # no ValueError, for once
        raise error(
            path, reader.line, "a row cannot be read exactly", "the exponent of a number is too large"
        ) from None


class _Reader:
    """Goes through the outermost brackets itself, because the decoder forgets where a row began."""

    def __init__(self, text: str, path: str) -> None:
        self.is_list = False
        self.table = ""  # as far as it was read
        self.key: tuple[str, ...] = ()
        self._text = text
        self._path = path
        self._position = 0
        self._decoder = json.JSONDecoder(
            object_pairs_hook=_once, parse_float=Decimal, parse_constant=_no_constant
        )
        self._lines = (1, 0)  # (line, position) as far as lines were counted

    @property
    def line(self) -> int:
        """The line of the value that comes next."""
        line, counted = self._lines
        line += self._text.count("\n", counted, self._position)
        self._lines = (line, self._position)
        return line

    def document(self) -> Iterator[Given]:
        """Yield the rows, reading no further than the one that is asked for."""
        opening = self._peek()
        self.is_list = opening == "["
        if self.is_list:
            yield from self._rows()
        elif opening == "{":
            yield from self._with_names()
        else:
            self._misshapen("the file holds neither a list nor an object" if opening else "the file is empty")
        if self._peek():
            raise json.JSONDecodeError("something follows the data", self._text, self._position)

    def _with_names(self) -> Iterator[Given]:
        seen: set[str] = set()
        for _ in self._members("{", "}"):
            line = self.line
            name = self._value()
            if name in seen or not isinstance(name, str):
                raise error(
                    self._path, line, f"{name!r} is there twice" if name in seen else "a name is missing"
                )
            seen.add(name)
            self._expect(":")
            self._peek()
            if name == "table":
                self.table = self._name(self._value())
            elif name == "key":
                self.key = self._names(self._value())
            elif name == "rows":
                yield from self._rows()
            else:
                self._misshapen(f"there is no {name!r} in a seed")
        if "rows" not in seen:
            self._misshapen("there are no rows")

    def _rows(self) -> Iterator[Given]:
        if self._peek() != "[":
            self._misshapen("the rows are not a list")
        for _ in self._members("[", "]"):
            yield self._row()

    def _row(self) -> Given:
        line = self.line
        begin = self._position
        try:
            value, end = _QUICK.raw_decode(self._text, begin)
            if type(value) is dict and self._is_exact(value, begin, end):
                self._position = end
                return Given(line, value, is_plain=True)
        except (ValueError, ArithmeticError, RecursionError):
            pass  # the exact decoder says what is wrong
        value = self._value()
        if not isinstance(value, Mapping):
            raise error(self._path, line, "a row is not an object", f"a seed is {_SHAPE}")
        return Given(line, value)

    def _is_exact(self, value: object, begin: int, end: int) -> bool:
        """Return whether `value`, quickly decoded, is all that the text between `begin` and `end` says.

        An escape may stand for anything, and `@` begins a reference. Of two members with
        one name the quick decoder keeps the last: then the text has more colons than the value that is left.
        """
        text = self._text
        # One character is found much faster than two.
        if text.find("\\", begin, end) >= 0 and text.find("\\u", begin, end) >= 0:
            return False
        if text.find("@", begin, end) >= 0 and text.find('"@', begin, end) >= 0:
            return False
        return text.count(":", begin, end) == _encode(value).count(b":")

    def _members(self, opening: str, closing: str) -> Iterator[None]:
        """Stop before each member between the brackets; the caller reads it."""
        self._expect(opening)
        if self._peek() == closing:
            self._position += 1
            return
        while True:
            self._peek()
            yield
            if self._peek() != ",":
                self._expect(closing)
                return
            self._position += 1

    def _peek(self) -> str:
        """Return the next character that is no space, and stand before it; "" at the end."""
        if (character := self._text[self._position : self._position + 1]) not in _SPACES:
            return character
        found = _SPACE.match(self._text, self._position)
        self._position = found.end() if found else self._position
        return self._text[self._position : self._position + 1]

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise json.JSONDecodeError(f"Expecting {character!r}", self._text, self._position)
        self._position += 1

    def _value(self) -> object:
        try:
            value, self._position = self._decoder.raw_decode(self._text, self._position)
        except json.JSONDecodeError as wrong:
            # The scanner counts from the value when nothing begins there; the text is the whole one.
            raise json.JSONDecodeError(wrong.msg, self._text, wrong.pos) from None
        return value

    def _name(self, value: object) -> str:
        if not isinstance(value, str) or not value:
            self._misshapen("`table` is not a name")
        return value

    def _names(self, value: object) -> tuple[str, ...]:
        names = value.split(",") if isinstance(value, str) else value
        if (
            not isinstance(names, list)
            or not names
            or not all(isinstance(each, str) and each for each in names)
        ):
            self._misshapen("`key` is not a list of names")
        return tuple(each.strip() for each in names)

    def _misshapen(self, what: str) -> NoReturn:
        raise error(self._path, self.line, what, f"a seed is {_SHAPE}")


_encode = msgspec.json.Encoder().encode


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Unfit(
            f"{next(name for name in names if names.count(name) > 1)!r} is there twice in one object"
        )
    return members


def _no_constant(name: str) -> NoReturn:
    raise _Unfit(f"{name} is not valid JSON")


_QUICK = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)
