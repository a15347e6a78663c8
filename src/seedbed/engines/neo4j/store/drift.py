"""Whether somebody else changed constraints or indexes since the last run: what it left is kept beside the history."""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.engines.neo4j.files.statements import OWN_LABEL
from seedbed.engines.neo4j.schema.catalogue import Catalogue, read_catalogue
from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
from seedbed.engines.neo4j.wire.connection import Run
from seedbed.model.hazard import Hazard
from seedbed.support.phrases import listed

_NAMED = 3  # differences that are told in full

# A run that ends in its middle keeps nothing. So beside the lines stands what was applied then: if that is no longer
# the same, nobody knows what the schema should be, and nothing is said.
_APPLIED = (
    f"MATCH (r:{OWN_LABEL}) WHERE r.key STARTS WITH 'revision:'"
    " WITH r.key + ' ' + r.state + ' ' + toString(r.step) AS revision ORDER BY revision"
    " WITH collect(revision) AS applied "
)
_KEEP = _APPLIED + f"MERGE (s:{OWN_LABEL} {{key: 'schema'}}) SET s.lines = $lines, s.applied = applied"
_KEPT = (
    _APPLIED + f"MATCH (s:{OWN_LABEL} {{key: 'schema'}}) WHERE s.applied = applied RETURN s.lines AS lines"
)


def keep(lease: FencedWriter) -> None:
    """Remember the schema as it is now, at the end of a run. Raises LeaseLost, ServerError, Gone."""
    lines = list(read_catalogue(lease.reading).lines())
    lease.writing(lambda ask: ask(_KEEP, {"lines": lines}))


def kept(run: Run) -> tuple[str, ...] | None:
    """Return the schema as the last run left it; None where none did, or where one ended in its middle since."""
    rows = run(_KEPT, {})
    return tuple(rows[0]["lines"]) if rows else None


def drift(before: Sequence[str] | None, now: Catalogue) -> Hazard | None:
    """Return how the schema differs from what the last run left; None where it does not, or nobody knows."""
    lines = now.lines()
    if before is None or tuple(before) == lines:
        return None
    gone, come = sorted(set(before) - set(lines)), sorted(set(lines) - set(before))
    said = [f"gone: {each}" for each in gone] + [f"new: {each}" for each in come]
    return Hazard(
        "NEO212",
        f"since the last run, {len(gone)} constraints or indexes went and {len(come)} came",
        because=listed(said, _NAMED, separator="; "),
        try_="bring it back as it was, or write a migration that makes the same of every environment",
    )
