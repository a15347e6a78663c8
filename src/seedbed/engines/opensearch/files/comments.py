"""Turn JSON with comments into JSON, every other character at the same position."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from seedbed.support.possessive import possessive

# What is not closed, a string on its line or a comment, is one piece as well, and stays: otherwise its end would be
# looked for again from every quote and `/*` in it.
_STRING = '"' + possessive(r'(?:[^"\\\n]|\\.)*') + '"?'
_PIECE = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?(?P<end>\*/|\Z)", re.DOTALL)
_VISIBLE = re.compile(r"[^\n]")


class JsonError(ValueError):
    """The text is not valid JSON; `line` and `column` count from 1."""

    def __init__(self, why: str, line: int, column: int = 0) -> None:
        super().__init__(why)
        self.line = line
        self.column = column


def without_comments(text: str) -> str:
    """Return `text` with blanks for its comments: `//` to the end of the line, `/* … */`; strings stay."""
    return _PIECE.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == '"' or found["end"] == "" else _VISIBLE.sub(" ", found[0])


def decoded(text: str) -> Any:
    """Return the value of the JSON `text`. Raises JsonError, also for a duplicate key: only the last would count."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise JsonError(_why(error.msg, text, error.pos), error.lineno, error.colno) from None
    except RecursionError:
        raise JsonError("it is nested too deeply", 1) from None
    except _AmbiguousJson as error:
        raise JsonError(str(error), _line_of(error, text)) from None


class _AmbiguousJson(Exception):
    """Text that a JSON parser would accept; `word`: the text at fault."""

    def __init__(self, why: str, word: str) -> None:
        super().__init__(why)
        self.word = word


def _unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _AmbiguousJson(f"the key {key!r} is given twice in one object", json.dumps(key))
        found[key] = value
    return found


def _refuse_constant(word: str) -> Any:
    raise _AmbiguousJson(f"{word} is not valid JSON", word)


def _line_of(error: _AmbiguousJson, text: str) -> int:
    return text.count("\n", 0, max(text.rfind(error.word), 0)) + 1


def _why(message: str, text: str, position: int) -> str:
    before = text[:position].rstrip()
    if before.endswith(",") and text[position : position + 1] in {"}", "]"}:
        return "there is a comma before the closing bracket"
    if text[position : position + 1] == "'":
        return "strings need double quotes"
    return message[:1].lower() + message[1:]
