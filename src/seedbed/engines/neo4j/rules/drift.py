"""The hazard that the schema was changed outside of seedbed."""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.engines.neo4j.rules import registry
from seedbed.engines.neo4j.schema.catalogue import Catalogue
from seedbed.model.hazard import Hazard
from seedbed.support.phrases import listed

_NAMED = 3  # differences that are shown in full


def schema_drift(last: Sequence[str] | None, now: Catalogue) -> Hazard | None:
    """Return how the schema differs from `last`, what the last run left; None where it does not or that is unknown."""
    lines = now.lines()
    if last is None or tuple(last) == lines:
        return None
    gone, come = sorted(set(last) - set(lines)), sorted(set(lines) - set(last))
    differences = [f"gone: {line}" for line in gone] + [f"new: {line}" for line in come]
    return registry.SCHEMA_DRIFT.hazard(
        f"since the last run, {len(gone)} constraints or indexes went and {len(come)} came",
        because=listed(differences, _NAMED, separator="; "),
    )
