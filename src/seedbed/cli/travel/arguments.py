"""A command's parameters as arguments again, in one form for all calls that mean the same; files have names there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from seedbed.errors import UsageError

# What a command keeps to itself: how much it says, in which colours, and whether it travels at all.
KEPT = frozenset({"verbose", "quiet", "color", "local", "detach"})


def arguments(
    command: click.Command, values: Mapping[str, Any], names: Mapping[str, str] | None = None
) -> list[str]:
    """Return the arguments that give the parameters of `command` the `values`; what is as by default is left out.

    `names`: what stands for a file, by its parameter. Raises UsageError for a value that is no text.
    """
    given: list[str] = []
    alone: list[str] = []
    for param in command.params:
        value = (names or {}).get(param.name or "", values.get(param.name or ""))
        if param.name in KEPT or value is None or value == ():
            continue
        if isinstance(param, click.Option):
            given += _of_option(param, value)
        elif isinstance(value, tuple):
            alone += map(_text, value)
        elif not _is_default(param, value):
            alone.append(_text(value))
    if any(each.startswith("-") for each in alone):
        given.append("--")
    for each in (*given, *alone):
        _require_text(each)
    return [*given, *alone]


def _of_option(option: click.Option, value: Any) -> Iterator[str]:
    name = max(option.opts, key=len)
    if option.is_flag:
        if value is True or value == option.flag_value:
            yield name
        elif value is False and option.secondary_opts and not _is_default(option, value):
            yield max(option.secondary_opts, key=len)
    elif option.multiple:
        for each in value:
            yield f"{name}={_text(each)}"
    elif not _is_default(option, value):
        yield f"{name}={_text(value)}"


def _is_default(param: click.Parameter, value: Any) -> bool:
    return type(value) is type(param.default) and bool(value == param.default)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return os.fspath(value) if isinstance(value, Path) else str(value)


def _require_text(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{word!a} cannot be sent to a task", because="it is not UTF-8", try_="another name"
        ) from None


def files(command: click.Command) -> Iterator[tuple[click.Parameter, bool]]:
    """Yield the parameters of `command` that are files, and whether it is read; else it is written."""
    for param in command.params:
        if isinstance(param.type, click.Path) and param.type.file_okay:
            yield param, param.type.exists


def require_no_directory(command: click.Command, values: Mapping[str, Any]) -> None:
    """Raise UsageError for a directory among the `values` of a call: a task is sent files."""
    for param in command.params:
        is_directory = isinstance(param.type, click.Path) and not param.type.file_okay
        if is_directory and values.get(param.name or "") is not None:
            raise UsageError(
                f"{max(param.opts, key=len)} names a directory, and a task is sent files only",
                because="the databases are reached by a task, and the command runs there",
                try_="leave it out",
            )


def placed(command: click.Command, argv: Sequence[str], places: Mapping[str, Path]) -> list[str]:
    """Return `argv`, in which a file's name is replaced by the place in `places` where it lies."""
    swaps: dict[str, str] = {}
    for param, _ in files(command):
        before = f"{max(param.opts, key=len)}=" if isinstance(param, click.Option) else ""
        swaps |= {f"{before}{name}": f"{before}{path}" for name, path in places.items()}
    return [swaps.get(word, word) for word in argv]
