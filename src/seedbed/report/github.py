"""Annotations of GitHub Actions: an error that stands beside the line that caused it.

The runner reads commands from stdout and stderr alike, so these go to stderr. Whatever else is written there
must not look like a command: a server's notice is not ours to execute.
Source: GitHub, "Workflow commands for GitHub Actions"; actions/runner, ActionCommand.cs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from seedbed.errors import Location

if TYPE_CHECKING:
    from seedbed.documents.errors import ErrorEntry

# The runner skips all that Unicode calls blank, and to it a carriage return ends a line, too.
_COMMAND = re.compile(r"((?:^|\r)[^\S\n]*)::", re.MULTILINE)


def is_github(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


class Annotation(Struct, frozen=True):
    """A text that stands beside the line `at`. `about`: what it is about, empty for nothing in particular."""

    text: str
    about: str = ""
    at: Location | None = None
    level: Literal["error", "warning"] = "error"

    @classmethod
    def of(cls, error: ErrorEntry) -> Annotation:
        lines = [error.error]
        if error.because:
            lines.append(f"because: {error.because}")
        if error.try_:
            lines.append(f"try: {error.try_}")
        return cls("\n".join(lines), error.target, error.at)


def command(annotation: Annotation, root: str = "", below: str = "") -> str:
    """Return one command, its line break included.

    `root`: the checkout, which paths have to be relative to. `below`: where in it they begin, if it is not here.
    """
    properties = {"title": f"seedbed: {annotation.about}" if annotation.about else "seedbed"}
    if at := annotation.at:
        properties["file"] = os.path.join(below, _relative(at.path, root))
        properties |= {"line": str(at.line)} if at.line else {}
        properties |= {"col": str(at.column)} if at.line and at.column else {}
    pairs = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{annotation.level} {pairs}::{_data(annotation.text)}\n"


def disarm(text: str) -> str:
    """Return `text` so that no line of it is a command: neither `::name::` nor the older `##[name]`."""
    return _COMMAND.sub(r"\1: :", text).replace("##[", "# #[")


def disarm_json(text: str) -> str:
    """Return the JSON `text`, of the same value, so that no line of it is a command: each begins with no colon."""
    return text.replace("##[", "#\\u0023[")


def _relative(path: str, root: str) -> str:
    if not root:
        return path
    relative = os.path.relpath(os.path.abspath(path), root)
    return path if relative.startswith("..") else relative


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
