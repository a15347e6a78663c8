"""A TOML file as text and as plain data, bounded: a hostile file costs a clear error, not the process."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from seedbed.errors import Hint, Location, ManifestError, UsageError, call
from seedbed.support.phrases import shorten
from seedbed.toml.lines import KeyPath, Lines, TooDeep, line_and_column

MAX_BYTES = 1 << 20

# By the beginning of what tomllib says.
_REMEDIES = {
    "Cannot overwrite": "a key stands once in a table: remove one of the two, or rename it",
    "Cannot declare": "a table has one header: write all its keys below that",
    "Cannot mutate": "a table in braces is whole: write the key into the braces, or give the table a header",
    "Cannot namespace": "a key stands once in a table: remove one of the two, or rename it",
    "Duplicate inline": "a key stands once in a table: remove one of the two, or rename it",
    "Expected ']'": "close the header: [name], or [[name]] for one of several",
    "Expected '='": 'write key = value, a text in quotes: name = "shop"',
    "Expected newline": "one key a line; a text in quotes, no number with a leading zero",
    "Invalid initial character": "a key has letters, digits, - and _; anything else in quotes",
    "Invalid statement": 'write key = value, a text in quotes: name = "shop"; or a header, [name]',
    "Invalid value": 'write a value: a text in quotes, "shop", a number, true or false, [a list]',
    "Unclosed array": "close the list with ]",
    "Unclosed inline table": "close the table with }, in the same line",
    "Unterminated string": 'close the text with a quote in the same line; a longer one stands in """…"""',
    "Illegal character": "remove it, or write it as an escape in quotes: \\u0000",
}
_LOOK = "check its name, and who may read it"
_REMEDY = "correct it there; https://toml.io/en/v1.0.0 has the syntax"
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Kind(Struct, frozen=True):
    """What a file is: how it is `called`, what its errors are, and its patterns said `translate_errors`.

    `depth`: the most keys and array items on the way to any value. The manifest's own need 5; engines get the rest.
    """

    called: str = "the manifest"
    error: type[UsageError] = ManifestError
    translate_errors: Mapping[str, str] = field(default_factory=dict)
    depth: int = 10

    @property
    def help(self) -> str:
        """Return what to do about an error that says nothing better itself."""
        schema = call("schema") if self.called == "the manifest" else call("schema", self.called)
        return Hint(schema, " says what may stand there")


MANIFEST = Kind()


class Text:
    """A file that is well-formed TOML: its plain `data`, and errors that know where they are.

    `path` is how people are shown where the file is, `raw` the text with plain line ends. All errors are of the
    class that its `kind` names; the manifest's is ManifestError.
    """

    def __init__(self, path: str, text: str, kind: Kind = MANIFEST) -> None:
        """Raises `kind.error` where `text` is not valid TOML, or nested too deep."""
        self.path = path
        self.kind = kind
        self.raw = text.removeprefix("\N{BYTE ORDER MARK}").replace("\r\n", "\n")
        self._lines = Lines(self.raw, depth=kind.depth)
        self.data = self._parsed()

    def error(self, what: str, *, at: KeyPath, because: str = "", try_: str = "") -> UsageError:
        """Return an error at the key `at`, or at its closest ancestor that is written down."""
        return self.kind.error(what, because=because, try_=try_ or self.kind.help, at=self.location(at))

    def location(self, key: KeyPath) -> Location:
        return Location(self.path, *self._lines.locate(key))

    def line(self, key: KeyPath) -> int:
        return self._lines.locate(key)[0]

    def offset(self, key: KeyPath) -> int:
        return self._lines.offset(key)

    def _parsed(self) -> dict[str, Any]:
        try:
            if any(line.count(".") > self.kind.depth for line in self.raw.split("\n")):
                # tomllib's time grows with the square of a key's dots: ours has to look first
                self._lines.locate(())
            data = tomllib.loads(self.raw)
            _require_shallow(data, self._lines, self.kind.depth)
        except TooDeep as too_deep:
            raise self._too_deep(*too_deep.args) from None
        except RecursionError:
            raise self._too_deep(0, 0) from None
        except tomllib.TOMLDecodeError as error:
            raise self._malformed(str(error)) from None
        except ValueError as error:  # an integer of thousands of digits
            raise self.kind.error(
                "a number is too long to be read",
                because=str(error).split(";")[0],
                try_="write it as a string, in quotes",
                at=Location(self.path),
            ) from None
        return data

    def _too_deep(self, line: int, column: int) -> UsageError:
        return self.kind.error(
            "keys or arrays are nested too deep",
            because=f"nothing in {self.kind.called} lies deeper than {self.kind.depth} levels",
            try_="write it flatter",
            at=Location(self.path, line, column),
        )

    def _malformed(self, message: str) -> UsageError:
        found = _AT.search(message)
        line, column = line_and_column(self.raw, len(self.raw))
        if found and found[1]:
            line, column = int(found[1]), int(found[2])
        reason = clipped(_AT.sub("", message))
        remedy = next((each for start, each in _REMEDIES.items() if reason.startswith(start)), _REMEDY)
        return self.kind.error(
            "this is not TOML", because=reason, try_=remedy, at=Location(self.path, line, column)
        )


def read(path: Path, kind: Kind = MANIFEST) -> Text:
    """Return the file at `path`. Raises `kind.error` where it cannot be read or is not valid TOML."""
    at = Location(shown(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise kind.error(f"{kind.called} cannot be read", because=reason(error), try_=_LOOK, at=at) from None
    except ValueError as error:  # a NUL in the path
        raise kind.error(f"{kind.called} cannot be read", because=str(error), try_=_LOOK, at=at) from None
    if len(data) > MAX_BYTES:
        raise kind.error(
            f"{kind.called} is too large",
            because=f"it has more than {MAX_BYTES} bytes",
            try_="keep data in seeds, and here only what is declared",
            at=at,
        )
    try:
        return Text(at.path, data.decode("utf-8"), kind)
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        raise kind.error(
            f"{kind.called} is not UTF-8",
            because=f"byte 0x{data[error.start]:02x} cannot stand here",
            try_="save it as UTF-8",
            at=Location(at.path, line, column),
        ) from None


def reason(error: OSError) -> str:
    """Return why the system refused, in lower case and without the path, which the location names."""
    text = error.strerror or type(error).__name__
    return text[:1].lower() + text[1:]


def shown(path: Path) -> str:
    """Return `path` as people are shown it: from the current directory where it lies below it."""
    try:
        text, here = os.path.abspath(path), os.path.join(os.getcwd(), "")
    except OSError:  # the current directory is gone
        text, here = str(path), "/"
    return printable(text[len(here) :] if here != "/" and text.startswith(here) else text)


def dotted(path: KeyPath) -> str:
    """Return a key path as it would be written: `environments."dev-*".account`, `references[1].to`."""
    words = ""
    for part in path:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            words += ("." if words else "") + key_text(part)
    return words


def section(path: KeyPath) -> str:
    """Return a table's key path in the way its header is written: `[platform]`, or `references[1]`."""
    return dotted(path) if isinstance(path[-1], int) else f"[{dotted(path)}]"


def key_text(key: str) -> str:
    """Return one key as it would be written, quoted where it has to be, cut where it is endless."""
    return clipped(key) if _BARE.fullmatch(key) else f'"{clipped(key)}"'


def clipped(text: str, width: int = 60) -> str:
    """Return `text` on one printable line of about `width` characters at most."""
    return printable(shorten(text, width))


def printable(text: str) -> str:
    """Return `text` with everything escaped that a terminal would act on or cannot show."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _require_shallow(data: dict[str, Any], lines: Lines, depth: int) -> None:
    """Raise TooDeep if anything in `data` lies deeper than `depth`. By levels: recursion is the enemy."""
    level: list[Any] = [data]
    for _ in range(depth + 1):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    lines.locate(())  # it meets the same depth, and says where
    raise TooDeep(0, 0)
