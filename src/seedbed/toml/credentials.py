"""Telling a credential from a setting: the manifest is committed, so the first has no place in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

from seedbed.errors import UsageError
from seedbed.toml.lines import KeyPath
from seedbed.toml.text import Text, dotted

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_SECRET = frozenset(
    {
        "accesskey",
        "apikey",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "pwd",
        "secret",
        "secrets",
        "token",
    }
)
_SECRET_PAIRS = frozenset({("api", "key"), ("private", "key"), ("access", "key")})
_WHERE = frozenset(
    {"arn", "name", "path", "parameter"}
)  # `secret_arn` says where a secret lies, not what it is
_IN_A_URL = re.compile(r"://[^/?#\s@:]*:[^/?#\s@]+@")
_IN_A_SETTING = re.compile(r"\b(?:password|passwd|pwd)\s*=\s*\S", re.IGNORECASE)


@lru_cache(256)  # the same few keys for every database of every environment
def names_a_secret(key: str) -> bool:
    """Return whether a key called `key` would hold a credential."""
    words = [each.lower() for each in _WORD.findall(key[:200])]
    if words and words[-1] in _WHERE:
        return False
    return not _SECRET.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(pairwise(words))


def holds_a_secret(value: str) -> bool:
    """Return whether `value` carries a password: in a URL's userinfo, or as libpq's `password=…`."""
    if "://" in value and _IN_A_URL.search(value):
        return True
    return "=" in value and _IN_A_SETTING.search(value) is not None


def require_no_secrets(text: Text) -> None:
    """Raise UsageError for a string anywhere that carries a password, and for a setting called like one.

    Asked before anything else is: no other error may quote what stands there.
    """
    for path in _settings(text.data):
        if names_a_secret(str(path[-1])):
            raise refusal(text, path)
    if holds_a_secret(text.raw):  # most manifests never do, and are spared the walk
        for path, value in _leaves(text.data):
            if isinstance(value, str) and holds_a_secret(value):
                raise refusal(text, path)


def refusal(text: Text, path: KeyPath) -> UsageError:
    """Return the error for a credential at `path`; it never shows the value."""
    return text.error(
        f"{dotted(path)} would hold a credential",
        at=path,
        because="credentials do not belong in a file that is committed",
        try_="put it into AWS Secrets Manager, or hand it over as an environment variable",
    )


def _settings(data: dict[str, Any]) -> Iterator[KeyPath]:
    for pattern, environment in _tables(data.get("environments")):
        for database, settings in _tables(environment.get("targets")):
            for key in settings:
                yield ("environments", pattern, "targets", database, key)


def _tables(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables in `value`, which nobody has checked yet."""
    if isinstance(value, dict):
        yield from ((key, each) for key, each in value.items() if isinstance(each, dict))


def _leaves(data: dict[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    stack: list[tuple[KeyPath, Any]] = [((), data)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack.extend(((*path, key), each) for key, each in value.items())
        elif isinstance(value, list):
            stack.extend(((*path, index), each) for index, each in enumerate(value))
        else:
            yield path, value
