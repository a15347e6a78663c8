"""Keys that everybody computes alike: `user.users` ana has one UUID, in every database and every service.

A seed writes `@user.users:ana` where another row's key is meant. No database is asked: the key follows from
the platform's name, the entity's and the label's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import NAMESPACE_URL, UUID, uuid5

from seedbed.errors import Location, SeedFileError
from seedbed.support.phrases import shorten

_REFERENCE = re.compile(r"@(?P<entity>[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+):(?P<label>\S+)")
_EXAMPLE = "@user.users:ana"


def entity_key(platform: str, entity: str, label: str | int) -> UUID:
    """Return the key of member `label` of an entity (`ana` of `user.users`): the same for ever, everywhere."""
    return uuid5(uuid5(NAMESPACE_URL, f"seedbed:{platform}"), f"{entity}:{label}")


def resolve(value: object, platform: str, *, at: Location | None = None) -> object:
    """Return `value` with every `@entity:label` replaced by its key as text, `@@x` by `@x`.

    Lists and the values of mappings are followed; keys of mappings and strings without a leading `@` stay.
    Raises SeedFileError for any other string that begins with `@`.
    """
    if isinstance(value, str):
        return _resolved(value, platform, at) if value.startswith("@") else value
    if isinstance(value, Mapping):
        return {key: resolve(each, platform, at=at) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(each, platform, at=at) for each in value]
    return value


def _resolved(text: str, platform: str, at: Location | None) -> str:
    if text.startswith("@@"):
        return text[1:]
    if found := _REFERENCE.fullmatch(text):
        return str(entity_key(platform, found["entity"], found["label"]))
    shown = shorten(text, 60)
    raise SeedFileError(
        f"{shown!r} is not a reference to an entity",
        because=f"a value that begins with @ names a row: @service.entity:label, like {_EXAMPLE}",
        try_=f"write @{shown} for text that begins with @",
        at=at,
    )
