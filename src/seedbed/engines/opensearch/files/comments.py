"""JSON with comments -> JSON, every character at its old place."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_PIECE = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_VISIBLE = re.compile(r"[^\n]")


class NotJson(ValueError):
    """The text is no JSON; `line` and `column` count from 1 in the text."""

    def __init__(self, why: str, line: int, column: int = 0) -> None:
        super().__init__(why)
        self.line = line
        self.column = column


def without_comments(text: str) -> str:
    """Return `text` with blanks for its comments: `//` to the end of the line, `/* … */`; strings stay."""
    return _PIECE.sub(lambda found: found[0] if found[0][0] == '"' else _VISIBLE.sub(" ", found[0]), text)


def decoded(text: str) -> Any:
    """Return what JSON `text` says. Raises NotJson, also for a key that is there twice: only the last would count."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except json.JSONDecodeError as error:
        raise NotJson(_why(error.msg, text, error.pos), error.lineno, error.colno) from None
    except RecursionError:
        raise NotJson("it is nested too deeply", 1) from None
    except _Odd as error:
        raise NotJson(str(error), _line_of(error, text)) from None


class _Odd(Exception):
    """Something that a JSON reader would let pass; `word`: where it stands."""

    def __init__(self, why: str, word: str) -> None:
        super().__init__(why)
        self.word = word


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Odd(f"the key {key!r} is there twice in one object", json.dumps(key))
        found[key] = value
    return found


def _refused(word: str) -> Any:
    raise _Odd(f"{word} is no JSON", word)


def _line_of(error: _Odd, text: str) -> int:
    return text.count("\n", 0, max(text.rfind(error.word), 0)) + 1


def _why(message: str, text: str, position: int) -> str:
    before = text[:position].rstrip()
    if before.endswith(",") and text[position : position + 1] in {"}", "]"}:
        return "a comma stands before the closing bracket"
    if text[position : position + 1] == "'":
        return "strings stand in double quotes"
    return message[:1].lower() + message[1:]
