"""What a backfill walks over, and whether anything leads along its key."""

from __future__ import annotations

from collections.abc import Iterable

from seedbed.engines.neo4j.files.commands import Entity, SchemaKind, SchemaPattern
from seedbed.engines.neo4j.schema.catalogue import Catalogue
from seedbed.model.migration import Backfill

_ORDERED = frozenset({SchemaKind.RANGE, SchemaKind.UNIQUENESS, SchemaKind.KEY})


def walked(backfill: Backfill) -> tuple[Entity, str]:
    """Return what `backfill` walks over: nodes and their label, or relationships and their type."""
    if backfill.table.startswith("[:"):
        return Entity.RELATIONSHIP, backfill.table[2:-1]
    return Entity.NODE, backfill.table


def key_is_indexed(backfill: Backfill, catalogue: Catalogue) -> bool:
    """Return whether an index of `catalogue`, a constraint's too, leads along the key of `backfill`."""
    return leads_along(backfill, (each.subject for each in catalogue.indexes.values()))


def leads_along(backfill: Backfill, subjects: Iterable[SchemaPattern]) -> bool:
    """Return whether an index on one of `subjects` has the keys of `backfill`, and nothing else, in order."""
    entity, name = walked(backfill)
    return any(
        each.kind in _ORDERED
        and (each.entity, each.labels, each.properties) == (entity, (name,), (backfill.key,))
        for each in subjects
    )
