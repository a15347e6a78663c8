"""What index migrations would do, said before they run: from indexes.toml alone, no server asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from seedbed.engines.opensearch.rules import registry
from seedbed.engines.opensearch.rules.request_hazards import template_hazards
from seedbed.engines.opensearch.schema.changes import IndexChange, change
from seedbed.engines.opensearch.schema.shape import DeclaredIndex, DeclaredIndexes
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Migration


def examine(declared: DeclaredIndexes, migrations: Sequence[Migration]) -> Mapping[str, tuple[Hazard, ...]]:
    """Return, by version, what `migrations` of declared indexes do that somebody should know; others have none."""
    found = {each.version: tuple(_hazards(declared, each)) for each in migrations}
    return {version: each for version, each in found.items() if each}


def _hazards(declared: DeclaredIndexes, migration: Migration) -> Iterator[Hazard]:
    settings = migration.settings
    for kind, things in (
        ("index", declared.index),
        ("pipeline", declared.pipeline),
        ("template", declared.template),
    ):
        name, number = settings.get(kind, ""), int(settings.get("version", 0))
        if not name or not number:
            continue
        thing = things(name)
        if isinstance(thing, DeclaredIndex):
            yield from _of_index(thing, number, migration)
        elif kind == "template" and thing is not None and (version := thing.version(number)):
            yield from template_hazards(version.body, 1)


def _of_index(index: DeclaredIndex, number: int, migration: Migration) -> Iterator[Hazard]:
    new, old = index.version(number), index.before(number)
    if new is None or old is None:
        return
    up, down = change(old, new), change(new, old)
    has_code, is_rebuilt = "function" in migration.settings, "rebuild" in migration.settings
    is_in_place = up.is_in_place and not has_code and not is_rebuilt
    if not is_in_place:
        why = "; ".join(up.reasons) or (
            "documents are transformed" if has_code else "the migration asks for it"
        )
        yield registry.FILLS_NEW_INDEX.hazard(
            f"{index.name} gets a new index, filled with all its documents",
            because=f"{why}; {registry.FILLS_NEW_INDEX.why}",
        )
    if up.removed and not has_code:
        yield registry.REMOVES_FIELD.hazard(
            f"{', '.join(up.removed)} {'goes' if len(up.removed) == 1 else 'go'} out of every document of {index.name}",
            because=f"a revert creates the field again, empty; the former index keeps the values"
            f"{'' if index.keep else ' no longer: keep = 0'}",
        )
    if is_in_place:
        for each in up.partial:
            yield registry.OLD_DOCUMENTS_LACK.hazard(each)
        yield from _way_down(index, down)


def _way_down(index: DeclaredIndex, down: IndexChange) -> Iterator[Hazard]:
    if down.reasons:
        yield registry.REVERT_NEEDS_NEW_INDEX.hazard(
            f"{index.name} is changed in place, and reverting it needs a new index",
            because="; ".join(down.reasons),
        )


def losses(index: str, old_dynamic: str, removed: Sequence[str]) -> str:
    """Return in words what a revert does to `removed`, fields that the older definition lacks; "" if nothing."""
    if not removed:
        return ""
    names = ", ".join(removed)
    if old_dynamic == "strict":
        return f"{names}: taken out of every document of {index}, whose older definition is strict"
    return f"{names}: left in the documents of {index}, unknown to its older definition"
