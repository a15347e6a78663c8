"""The directives that a file declares about itself in its leading comments, the same in every language.

::

    -- seedbed: phase=contract lock_timeout=5s
    -- seedbed: irreversible because "the old column is gone"

A directive is `key`, `key=value` or `key="value with spaces"`; in quotes, a backslash takes the next character as
it is. `because "…"` says why, for the directive before it. What the keys mean is for the reader of the file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import partial

from msgspec import Struct

from seedbed.errors import Location, MigrationFileError, UsageError, collected
from seedbed.support.guess import guess
from seedbed.support.phrases import shorten

REPEATABLE = frozenset({"after", "allow", "overtake"})  # may be said again, and take several values at once
_SEVERAL = frozenset({"expect"})  # may be said again, each value whole

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BARE = re.compile(r"[^\s\"]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_SPACE = re.compile(r"\s+")
_BECAUSE = re.compile(r'because(?=[\s"]|$)')


class Directive(Struct, frozen=True):
    """One directive as written: `value` is empty for a flag, `because` where no reason is given."""

    key: str
    value: str
    because: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.key}={self.value}" if self.value else self.key


def directive_lines(lines: Iterable[tuple[int, str]], comment: str) -> Iterator[tuple[int, str]]:
    """Yield (number, text after `seedbed:`) of those `lines` that are a `comment` with directives."""
    pattern = re.compile(rf"\s*{re.escape(comment)}\s*seedbed:(.*)", re.DOTALL)
    for number, line in lines:
        if match := pattern.fullmatch(line):
            yield number, match[1]


def parse_directives(
    lines: Iterable[tuple[int, str]],
    path: str,
    *,
    repeatable: Collection[str] = REPEATABLE,
    error: type[UsageError] = MigrationFileError,
) -> tuple[Directive, ...]:
    """Return the directives in `lines`, which are (number in the file, text after `seedbed:`).

    Keys in `repeatable` may be said again and take lists: `after=a:1,b:2` is two directives. Raises an `error` for each
    line that is wrong.
    """
    directives: list[Directive] = []
    collected(
        partial(_read_line, _Reader(text, Location(path, number), error), repeatable, directives)
        for number, text in lines
    )
    return tuple(directives)


def _read_line(reader: _Reader, repeatable: Collection[str], directives: list[Directive]) -> None:
    """Add to `directives` what the line of `reader` says."""
    for directive in reader.directives():
        if directive.key in repeatable:
            directives += reader.each_value(directive)
        else:
            if directive.key not in _SEVERAL:
                reader.require_once(directive, directives)
            directives.append(directive)


def unknown_directive(
    directive: Directive, known: Collection[str], path: str, *, error: type[UsageError] = MigrationFileError
) -> UsageError:
    """Return the error for a `directive` that is none of `known`, with the known one that it resembles."""
    likely = guess(directive.key, known)
    return error(
        f"there is no directive {directive.key!r}",
        because=f"a file may declare {', '.join(sorted(known))}",
        try_=f"did you mean {likely!r}?" if likely else "",
        at=Location(path, directive.line),
    )


class _Reader:
    """Reads one line from left to right."""

    def __init__(self, text: str, at: Location, error: type[UsageError]) -> None:
        self._text = text
        self._at = at
        self._error = error
        self._position = 0

    def directives(self) -> Iterator[Directive]:
        self._match(_SPACE)
        while self._position < len(self._text):
            yield self._directive()

    def require_once(self, directive: Directive, directives: Iterable[Directive]) -> None:
        for other in directives:
            if other.key == directive.key:
                raise self._refused(
                    f"{directive.key!r} is given twice",
                    f"line {other.line} says {other}; only one is allowed",
                )

    def each_value(self, directive: Directive) -> list[Directive]:
        values = [each.strip() for each in directive.value.split(",")]
        if not all(values):
            raise self._refused(
                f"{str(directive)!r} has an empty value", "each comma stands between two values"
            )
        return [Directive(directive.key, each, directive.because, directive.line) for each in values]

    def _directive(self) -> Directive:
        key = self._match(_KEY)
        if key is None:
            raise self._malformed("a directive begins with its name")
        if key[0] == "because":
            raise self._refused(
                "`because` has no directive before it", "it follows the directive that it explains"
            )
        value = self._value(key[0]) if self._text.startswith("=", self._position) else ""
        self._end_of_word(f"{key[0]}={value}" if value else key[0])
        return Directive(key[0], value, self._because(), self._at.line)

    def _value(self, key: str) -> str:
        self._position += 1
        if self._text.startswith('"', self._position):
            value = self._quoted()
        else:
            bare = self._match(_BARE)
            value = bare[0] if bare else ""
        if not value.strip():
            raise self._refused(f"{key!r} has no value", f'it reads {key}=value or {key}="some value"')
        return value

    def _because(self) -> str:
        if self._match(_BECAUSE) is None:
            return ""
        self._match(_SPACE)
        if not self._text.startswith('"', self._position):
            raise self._refused("`because` has no reason", 'the reason stands in quotes: because "…"')
        reason = self._quoted()
        self._end_of_word("because")
        if not reason.strip():
            raise self._refused("`because` has no reason", "its quotes are empty")
        return reason

    def _quoted(self) -> str:
        found = self._match(_QUOTED)
        if found is None:
            raise self._refused("a quote is not closed", "quotes end on the line they began on")
        return _ESCAPED.sub(r"\1", found[1])

    def _end_of_word(self, word: str) -> None:
        if self._position < len(self._text) and not self._text[self._position].isspace():
            raise self._malformed(f"a space stands between {word!r} and what follows")
        self._match(_SPACE)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._position)
        if found:
            self._position = found.end()
        return found

    def _malformed(self, because: str) -> UsageError:
        rest = self._text[self._position :].strip()
        return self._refused(
            f"{shorten(rest, 40)!r} is not a directive", because, 'key=value key2="some value" because "…"'
        )

    def _refused(self, what: str, because: str, try_: str = "") -> UsageError:
        return self._error(what, because=because, try_=try_, at=self._at)
