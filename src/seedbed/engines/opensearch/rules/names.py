"""Which indexes and aliases a migration makes, and which have to be there for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedbed.engines.opensearch.files.programs import is_program, subject_of
from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.rules import registry
from seedbed.engines.opensearch.rules.endpoints import Effect, endpoint_of
from seedbed.engines.opensearch.rules.kinds import RequestKind, kind_of
from seedbed.engines.opensearch.rules.naming import is_pattern, listed_names
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Migration
from seedbed.model.ownership import Mention, Named

# Whatever is written to, OpenSearch makes where it is not there.
_MADE_BY_WRITING = frozenset(
    {
        Effect.ADDS_DOCUMENT,
        Effect.CREATES_DOCUMENT,
        Effect.PUTS_DOCUMENT,
        Effect.UPDATES_DOCUMENT,
        Effect.WRITES_DOCUMENTS,
    }
)
_MADE = frozenset({"{target}", "{stream}", "{alias}"})


def named(migration: Migration) -> Named:
    """Return what the up section of `migration` makes and needs. A pattern names nothing for sure."""
    if is_program(migration):
        subject = subject_of(migration)
        needs = (Mention((subject.name,), 1),) if subject.kind == "index" else ()
        return Named(needs=needs)
    makes: set[str] = set()
    found: dict[str, Mention] = {}
    for step in migration.up:
        each = request(step.body, step.line)
        made, needed = _names(each)
        for name in needed:
            if name not in makes and not is_pattern(name):
                found.setdefault(name, Mention((name,), each.line))
        makes.update(made)
    return Named(frozenset(makes), tuple(found.values()))


def foreign(mention: Mention, name: str, owner: str, *, is_there: bool) -> Hazard:
    """Return the hazard that `mention` is `name`, an index of `owner`."""
    because = "" if is_there else "this cluster has none, and neither indexes.toml nor a migration makes it"
    what = f"names {name}, an index of {owner}"
    return registry.NAMES_OTHERS.hazard(what, because=because, line=mention.line)


def _names(each: Request) -> tuple[set[str], set[str]]:
    """Return the names that a request makes, and those that it needs."""
    endpoint = endpoint_of(each)
    if endpoint is None:
        return set(), set()
    body = each.json if not each.is_bulk and isinstance(each.json, dict) else {}
    if endpoint.effect is Effect.CHANGES_ALIASES:
        return _of_actions(body)
    if endpoint.operation == "_reindex":
        return set(listed_names(body["dest"]["index"])), set(listed_names(body["source"]["index"]))
    parts = zip(endpoint.path, each.segments, strict=True)
    makes = {name for sort, name in parts if sort in _MADE and endpoint.effect is not Effect.REMOVES}
    needs = {each.index} if each.index else set()
    if kind_of(each) is RequestKind.CREATE_INDEX:
        makes |= {each.index, *body.get("aliases", ())}
    if kind_of(each) is RequestKind.CREATE_INDEX or endpoint.effect in _MADE_BY_WRITING:
        return makes | needs, set()
    return makes, needs


def _of_actions(body: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return the aliases that the actions of `body` add, and the indexes that they are about."""
    makes: set[str] = set()
    needs: set[str] = set()
    for action in body.get("actions", ()):
        ((word, about),) = action.items()
        indexes = listed_names(about.get("indices", about.get("index", [])))
        needs.update(indexes)
        if word == "add":
            makes.update(listed_names(about.get("aliases", about.get("alias", []))))
    return makes, needs
