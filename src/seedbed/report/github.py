"""Annotations of GitHub Actions: an error that stands beside the line that caused it.

The runner reads commands from stdout and stderr alike, so these go to stderr. Whatever else is written there
must not look like a command: a server's notice is not ours to execute.
Source: GitHub, "Workflow commands for GitHub Actions"; actions/runner, ActionCommand.cs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from seedbed.report.places import place

if TYPE_CHECKING:
    from seedbed.errors import Location, SeedbedError
    from seedbed.model.event import TargetFailed

_COMMAND = re.compile(r"^([ \t]*)::", re.MULTILINE)


def is_github(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def of_error(error: SeedbedError, root: str = "") -> str:
    """Return the annotation for an error that ended a command."""
    return annotation(error.what, error.because, error.try_, error.at, root)


def of_failure(failed: TargetFailed, root: str = "") -> str:
    """Return the annotation for what failed on one target."""
    return annotation(failed.error, failed.because, failed.try_, place(failed.at), root, failed.target)


def annotation(
    what: str, because: str, try_: str, at: Location | None, root: str = "", target: str = ""
) -> str:
    """Return one command, its line break included. `root`: the checkout, which paths have to be relative to."""
    properties = {"title": f"seedbed: {target}" if target else "seedbed"}
    if at:
        properties["file"] = _relative(at.path, root)
        properties |= {"line": str(at.line)} if at.line else {}
        properties |= {"col": str(at.column)} if at.line and at.column else {}
    message = "\n".join(
        [what, *([f"because: {because}"] if because else []), *([f"try: {try_}"] if try_ else [])]
    )
    pairs = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::error {pairs}::{_data(message)}\n"


def disarm(text: str) -> str:
    """Return `text` so that no line of it is a command: neither `::name::` nor the older `##[name]`."""
    return _COMMAND.sub(r"\1: :", text).replace("##[", "# #[")


def _relative(path: str, root: str) -> str:
    if not root:
        return path
    relative = os.path.relpath(os.path.abspath(path), root)
    return path if relative.startswith("..") else relative


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
