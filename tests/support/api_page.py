"""The page of the Python API, made from the docstrings of what is public.

What is public: the names below, and of a class everything that begins with no underscore.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from types import FunctionType
from typing import Any

PUBLIC = {
    "seedbed.project": ("Project", "Run", "Request", "Decision", "Catalog", "Sandbox"),
    "seedbed.model.outcome": ("Outcome", "TargetOutcome", "Result"),
}
HEAD = """\
# Python API

<!-- Generated from docstrings. tests/unit/test_api_page.py writes it anew with UPDATE_GOLDEN=1. -->

What the command line does, `seedbed.project` does: nothing here prints, prompts or exits. Events go to a listener,
results are values, errors are raised; [their classes](errors-and-exit-codes.md#the-tree) are in `seedbed.errors`. How
to begin stands in [use from Python](../how-to/use-from-python.md). What is not on this page may change with any
release.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *(line for module, names in PUBLIC.items() for line in _module(module, names))])


def undocumented() -> list[str]:
    """Return what is public and has no docstring."""
    return [
        f"{module}.{name}.{member}".removesuffix(".")
        for module, names in PUBLIC.items()
        for name in names
        for cls in [getattr(import_module(module), name)]
        for member, value in [("", cls), *_members(cls)]
        if not inspect.getdoc(value)
    ]


def _module(module: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        cls = getattr(import_module(module), name)
        yield f"## {name}\n"
        yield f"`from {module} import {name}`\n"
        yield _text(cls)
        if issubclass(cls, Enum):
            yield "| member | value |\n|---|---|"
            yield from (f"| `{each.name}` | `{each.value}` |" for each in cls)
            yield ""
        elif fields := getattr(cls, "__struct_fields__", ()):
            yield "| field | type |\n|---|---|"
            yield from (f"| `{field}` | {_cell(cls.__annotations__[field])} |" for field in fields)
            yield ""
        for member, value in _members(cls):
            yield f"### {name}.{member}\n"
            if not isinstance(value, property):
                yield f"```text\n{_signature(member, value)}\n```\n"
            yield _text(value)


def _members(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties of `cls` and of those that it is made of, in the order of their source."""
    ours = [each for each in cls.__mro__ if each.__module__.startswith("seedbed.")]
    for member, value in (one for each in ours for one in vars(each).items()):
        found = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        found = inspect.unwrap(found) if callable(found) else found
        if not member.startswith("_") and isinstance(found, FunctionType | property):
            yield member, found


def _signature(member: str, function: FunctionType) -> str:
    """Return `apply(request=None) -> Outcome`, on one line for each parameter where it gets long."""
    signature = inspect.signature(function)
    words, is_keyword = list[str](), False
    for parameter in signature.parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            words.append("*")
            is_keyword = True
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else stars
        words.append(f"{stars}{parameter.name}: {_type(parameter.annotation)}{_default(parameter.default)}")
    returned = f" -> {_returned(function)}"
    line = f"{member}({', '.join(words)}){returned}"
    if len(line) <= 100:
        return line
    return f"{member}(\n" + "".join(f"    {each},\n" for each in words) + f"){returned}"


def _returned(function: FunctionType) -> str:
    """Return what a call returns; a generator that `contextmanager` wraps is what `with` takes."""
    found = _type(inspect.signature(function).return_annotation)
    return found.replace("Iterator[", "AbstractContextManager[") if found.startswith("Iterator[") else found


def _type(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _cell(annotation: object) -> str:
    return f"`{_type(annotation)}`".replace("|", r"\|")


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return ""
    return " = …" if callable(value) else f" = {value!r}"


def _text(value: Any) -> str:
    """Return a docstring as a paragraph or several."""
    return (inspect.getdoc(value) or "") + "\n"
