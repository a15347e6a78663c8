"""What msgspec found wrong, said in people's words and at the file's own lines.

msgspec says it in English alone, so its sentences are read. Its version is bounded for that reason, and a test goes
through the forms of all its messages; a form that is not known all the same is shown as it is.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

import msgspec
from msgspec import Struct, inspect

from seedbed.errors import UsageError
from seedbed.support.guess import suggestion
from seedbed.support.phrases import listed
from seedbed.support.typed import ready
from seedbed.toml.credentials import names_a_secret, refusal
from seedbed.toml.lines import KeyPath
from seedbed.toml.text import Text, clipped, dotted, key_text, section

_LISTED = 5
_MESSAGE = re.compile(r"^(?P<text>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL)
_PATH = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")
_EXPECTED = re.compile(r"^Expected `(?P<wanted>[^`]+)`(?:, got `(?P<got>[^`]+)`| (?P<rule>.+))$")
_MISSING = re.compile(r"^Object missing required field `(.+)`$")
_KINDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "a table",
    "datetime": "a date and time",
    "date": "a date",
    "time": "a time",
}


class Unknown(Struct, frozen=True):
    """A key that nobody asked for, and those that it could have been."""

    path: KeyPath
    known: tuple[str, ...]


def convert(text: Text, value: Any, type_: type[Any], at: KeyPath) -> Any:
    """Return `value`, which stands at the key `at`, as a `type_`. Raises UsageError where it is none."""
    try:
        return msgspec.convert(value, ready(type_))
    except msgspec.ValidationError as error:
        raise _invalid(text, str(error), value, type_, at) from None


def unknown_keys(value: object, type_: Any, at: KeyPath) -> Iterator[Unknown]:
    """Yield all keys in `value` that `type_`, or any struct inside it, does not have."""
    yield from _unknown(value, inspect.type_info(type_), at)


def require_known(text: Text, unknown: Iterable[Unknown]) -> None:
    """Raise UsageError, at the first of them by line, if there are `unknown` keys."""
    found = sorted(unknown, key=lambda each: text.offset(each.path))
    if not found:
        return
    first = found[0]
    secret = next((each for each in found if names_a_secret(str(each.path[-1]))), None)
    if secret:
        raise refusal(text, secret.path)
    if len(found) == 1:
        raise text.error(_named(first), at=first.path, because=_BECAUSE, try_=_try(first))
    places = [f"{dotted(each.path)} in line {text.line(each.path)}" for each in found]
    raise text.error(
        f"there are {len(found)} unknown keys",
        at=first.path,
        because=listed(places, _LISTED),
        try_="; ".join(dict.fromkeys(_try(each) for each in found[:_LISTED])),
    )


def kind(value: object) -> str:
    """Return what `value` is in TOML's words, with the value where it is short and no secret."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {clipped(str(value), 24)}" if abs(value) < 1e20 else "a number"
    for type_, word in (
        (str, "a string"),
        (dict, "a table"),
        (list, "an array"),
        (datetime, "a date and time"),
    ):
        if isinstance(value, type_):
            return word
    return "a date" if isinstance(value, date) else "a time" if isinstance(value, time) else "something else"


_BECAUSE = "a key that seedbed does not know would be silently without effect"


def _named(unknown: Unknown) -> str:
    *above, key = unknown.path
    where = f"in {section(tuple(above))}" if above else "at the top level"
    return f"unknown key {key_text(str(key))} {where}"


def _try(unknown: Unknown) -> str:
    return suggestion(str(unknown.path[-1]), unknown.known, nothing="remove it: nothing can be set here")


def _unknown(value: object, type_: inspect.Type, at: KeyPath) -> Iterator[Unknown]:
    if isinstance(type_, inspect.Metadata):
        yield from _unknown(value, type_.type, at)
    elif isinstance(type_, inspect.StructType) and isinstance(value, dict):
        fields = {each.encode_name: each.type for each in type_.fields}
        for key, each in value.items():
            if key in fields:
                yield from _unknown(each, fields[key], (*at, key))
            elif key != type_.tag_field:
                yield Unknown((*at, key), tuple(fields))
    elif isinstance(type_, inspect.DictType) and isinstance(value, dict):
        for key, each in value.items():
            yield from _unknown(each, type_.value_type, (*at, key))
    elif isinstance(type_, inspect.ListType | inspect.VarTupleType) and isinstance(value, list):
        for index, each in enumerate(value):
            yield from _unknown(each, type_.item_type, (*at, index))
    elif isinstance(type_, inspect.UnionType):
        structs = [each for each in type_.types if isinstance(each, inspect.StructType)]
        if len(structs) == 1:  # among several, which one was meant is not for us to guess
            yield from _unknown(value, structs[0], at)


def _invalid(text: Text, message: str, value: Any, type_: type[Any], at: KeyPath) -> UsageError:
    found = _MESSAGE.match(message)
    said, inside = (found["text"], found["path"] or "") if found else (message, "")
    path, culprit = _resolved(inside, value, lambda trial: _complaint(trial, type_) == message)
    if found and found["key"]:
        path, culprit = _bad_key(path, culprit, said, value, type_)
    key = (*at, *path)
    missing = _MISSING.match(said)
    if missing:
        return text.error(
            f"{dotted((*key, missing[1]))} is missing",
            at=key,
            because=f"{section(key) if key else text.kind.called} cannot do without it",
            try_=f"{missing[1]} = …",
        )
    because = _because(said, culprit, _allowed(type_, path), text.kind.translate_errors)
    what = f"{dotted(key) if key else text.kind.called} is wrong"
    return text.error(what, at=key, because=because, try_=_cure(said, culprit, path))


def _because(
    said: str, culprit: object, allowed: tuple[str, ...], translate_errors: Mapping[str, str]
) -> str:
    if said.startswith("Invalid enum value") and allowed:
        found = key_text(culprit) if isinstance(culprit, str) else kind(culprit)
        return f"expected one of {', '.join(allowed)}, found {found}"
    expected = _EXPECTED.match(said)
    if expected is None:
        return clipped(said, 400)
    wanted = " or ".join(
        _KINDS.get(each.strip(), each.strip())
        for each in expected["wanted"].split("|")
        if each.strip() != "null"
    )
    if expected["got"]:
        return f"expected {wanted}, found {kind(culprit)}"
    rule = expected["rule"]
    if rule.startswith("matching regex "):
        pattern = _unquoted(rule.removeprefix("matching regex "))
        shape = translate_errors.get(pattern, f"{wanted} matching {pattern}")
        return f"expected {shape}, found {clipped(repr(culprit), 60)}"
    if rule == "of length >= 1":
        return f"expected {wanted} that is not empty"
    return f"expected {wanted} {rule.replace('`', '')}, found {kind(culprit)}"


def _unquoted(literal: str) -> str:
    """Return the text that msgspec quoted as Python would."""
    try:
        return str(literal_eval(literal))
    except (ValueError, SyntaxError):  # so it quotes in another way now
        return literal


def _cure(said: str, culprit: object, path: KeyPath) -> str:
    if said.startswith("Expected `str`, got `int`") and path:
        key = f"{key_text(path[-1])} = " if isinstance(path[-1], str) else ""
        return (
            f'put it in quotes: {key}"{culprit}"'
            if isinstance(culprit, int) and abs(culprit) < 10**20
            else ""
        )
    return ""


def _complaint(value: object, type_: type[Any]) -> str:
    try:
        msgspec.convert(value, ready(type_))
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _resolved(inside: str, value: Any, complains: Callable[[Any], bool]) -> tuple[KeyPath, Any]:
    """Return msgspec's path `inside` with real keys, and what stands there.

    msgspec writes `[...]` for whichever key of a mapping: the key is found by trying one at a time.
    """
    path: KeyPath = ()
    here, tried = value, value
    for part in _PATH.finditer(inside):
        if part["any"]:
            keys = list(here) if isinstance(here, Mapping) else list(range(len(here)))
            key: str | int | None = next(
                (each for each in keys if complains(_only(tried, path, each))), keys[0] if keys else None
            )
            if isinstance(here, Mapping) and key is not None:
                tried = _only(tried, path, key)  # another one beside it may be wrong in the same way
        else:
            key = part["name"] if part["name"] is not None else int(part["index"])
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            break
        path = (*path, key)  # type: ignore[arg-type]  # None is not a key of anything, and has left above
    return path, here


def _only(value: Any, path: KeyPath, key: str | int) -> Any:
    """Return `value` with nothing but `key` left in the mapping at `path`."""
    if not path:
        return {key: value[key]} if isinstance(value, Mapping) else [value[key]]
    copy = value.copy()
    copy[path[0]] = _only(value[path[0]], path[1:], key)
    return copy


def _bad_key(path: KeyPath, holder: Any, said: str, value: Any, type_: type[Any]) -> tuple[KeyPath, Any]:
    for key in holder:
        if _complaint(_only(value, path, key), type_).startswith(f"{said} - at `key`"):
            return (*path, key), key
    return path, holder


def _allowed(type_: type[Any], path: KeyPath) -> tuple[str, ...]:
    """Return the values that the type at `path` allows, where it is a closed list."""
    here: inspect.Type = inspect.type_info(type_)
    for part in path:
        here = _below(here, part)
    while isinstance(here, inspect.Metadata):
        here = here.type
    if isinstance(here, inspect.EnumType):
        return tuple(str(each.value) for each in here.cls)
    return tuple(str(each) for each in here.values) if isinstance(here, inspect.LiteralType) else ()


def _below(type_: inspect.Type, part: str | int) -> inspect.Type:
    if isinstance(type_, inspect.Metadata):
        return _below(type_.type, part)
    if isinstance(type_, inspect.StructType):
        return next((each.type for each in type_.fields if each.encode_name == part), inspect.AnyType())
    if isinstance(type_, inspect.DictType):
        return type_.value_type
    return (
        type_.item_type if isinstance(type_, inspect.ListType | inspect.VarTupleType) else inspect.AnyType()
    )
