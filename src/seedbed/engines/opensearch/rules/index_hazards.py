"""What index migrations would do, said before they run: from indexes.toml alone, no server asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from seedbed.engines.opensearch.files.programs import is_program, subject_of
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
    if not is_program(migration):
        return
    subject = subject_of(migration)
    if not subject.version:
        yield _filled(subject.name, _asked_for(migration))
    elif subject.kind == "index" and (index := declared.index(subject.name)):
        yield from _of_index(index, subject.version, migration)
    elif subject.kind == "template" and (template := declared.template(subject.name)):
        version = template.version(subject.version)
        yield from template_hazards(version.body, 1) if version else ()


def _of_index(index: DeclaredIndex, number: int, migration: Migration) -> Iterator[Hazard]:
    new, old = index.version(number), index.before(number)
    if new is None or old is None:
        return
    up, down = change(old, new), change(new, old)
    has_code, is_rebuilt = "function" in migration.settings, "rebuild" in migration.settings
    is_in_place = up.is_in_place and not has_code and not is_rebuilt
    if not is_in_place:
        yield _filled(index.name, "; ".join(up.reasons) or _asked_for(migration))
    if up.removed and not has_code:
        yield registry.REMOVES_FIELD.hazard(
            f"{', '.join(up.removed)} {'goes' if len(up.removed) == 1 else 'go'} out of every document of {index.name}",
            because="a revert creates the field again, empty; "
            + (
                "the former index keeps the values"
                if index.keep
                else "with keep = 0, nothing keeps the values"
            ),
        )
    if is_in_place:
        for each in up.partial:
            yield registry.OLD_DOCUMENTS_LACK.hazard(each)
        yield from _way_down(index, down)


def _filled(name: str, why: str) -> Hazard:
    return registry.FILLS_NEW_INDEX.hazard(
        f"{name} gets a new index, filled with all its documents",
        because=f"{why}; {registry.FILLS_NEW_INDEX.why}",
    )


def _asked_for(migration: Migration) -> str:
    """Return why a new index is filled whose definition needs none."""
    return "documents are transformed" if "function" in migration.settings else "the migration asks for it"


def _way_down(index: DeclaredIndex, down: IndexChange) -> Iterator[Hazard]:
    if down.reasons:
        yield registry.REVERT_NEEDS_NEW_INDEX.hazard(
            f"{index.name} is changed in place, and reverting it needs a new index",
            because="; ".join(down.reasons),
        )


def losses(index: str, removed: Sequence[str], *, is_strict: bool) -> str:
    """Return in words what a revert does to `removed`, fields that the older definition lacks; "" if nothing."""
    if not removed:
        return ""
    names = ", ".join(removed)
    if is_strict:
        return f"{names}: taken out of every document of {index}, whose older definition is strict"
    return f"{names}: left in the documents of {index}, unknown to its older definition"
