"""What a program of OpenSearch does, as text: its file, and what indexes.toml says of where it leads.

What is approved has to be all that is sent, and that is in both of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from seedbed.engines.opensearch.files.programs import MigrationSubject, subject_of
from seedbed.engines.opensearch.schema.changes import change
from seedbed.engines.opensearch.schema.shape import DeclaredIndexes, IndexDefinition, ResourceVersion
from seedbed.model.migration import Direction, Migration, Step, StepText

Version = IndexDefinition | ResourceVersion
_encode = msgspec.json.Encoder(order="sorted").encode


def program_text(declared: DeclaredIndexes, migration: Migration, step: Step) -> StepText:
    """Return the text of `step`, with the definition that it leads to in comments, and a line about the way there."""
    subject = subject_of(migration)
    thing = declared.thing(subject.kind, subject.name)
    older, newer = (thing.before(subject.version), thing.version(subject.version)) if thing else (None, None)
    is_up = step in migration.up
    old, new = (older, newer) if is_up else (newer, older)
    way = _way(subject, old, new, migration, Direction.UP if is_up else Direction.DOWN)
    lines = [f"# {way}", *_definition(old, new)] if subject.version else [f"# {way}"]
    return StepText("\n".join([step.body.rstrip("\n"), "", *lines, ""]), (step.summary, way))


def _way(
    subject: MigrationSubject,
    old: Version | None,
    new: Version | None,
    migration: Migration,
    direction: Direction,
) -> str:
    what = f"{subject.kind} {subject.name}"
    if not subject.version:
        is_kept = direction is Direction.DOWN and "function" not in migration.settings
        return f"{what}: {'as it is' if is_kept else 'a new index of the version that it has'}"
    if new is None:
        return f"{what}: removed"
    if old is None:
        return f"{what}: version {new.number}, made"
    way = f"{what}: version {old.number} -> {new.number}"
    if not isinstance(old, IndexDefinition) or not isinstance(new, IndexDefinition):
        return way
    is_asked_for = "function" in migration.settings or "rebuild" in migration.settings
    is_in_place = change(old, new).is_in_place and not is_asked_for
    return f"{way}, {'in place' if is_in_place else 'by a new index'}"


def _definition(old: Version | None, new: Version | None) -> Iterator[str]:
    if old is not None:
        yield f"# version {old.number}: {_compact(old)}"
    if new is not None:
        yield f"# version {new.number}:"
        text = msgspec.json.format(_encode(_content(new)), indent=2).decode()
        yield from (f"# {line}" for line in text.split("\n"))


def _compact(version: Version) -> str:
    return _encode(_content(version)).decode()


def _content(version: Version) -> object:
    if isinstance(version, IndexDefinition):
        return {"settings": version.settings, "mappings": version.mappings}
    return version.body
