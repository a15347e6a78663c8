"""The schema as the last run left it, stored in a node beside the history."""

from __future__ import annotations

from seedbed.engines.neo4j.files.names import HISTORY_LABEL
from seedbed.engines.neo4j.schema.catalogue import Read, read_catalogue
from seedbed.engines.neo4j.store.fenced_writer import FencedWriter

# A run that ends in its middle saves nothing. So what was applied at the time is stored beside the lines: where that
# differs from the history, it is unknown what the schema should be.
_APPLIED = (
    f"MATCH (r:{HISTORY_LABEL}) WHERE r.key STARTS WITH 'revision:'"
    " WITH r.key + ' ' + r.state + ' ' + toString(r.step) AS revision ORDER BY revision"
    " WITH collect(revision) AS applied "
)
_SAVE = (
    _APPLIED + f"MERGE (s:{HISTORY_LABEL} {{key: 'schema'}})"
    " SET s.lines = $lines, s.applied = applied, s.at = datetime.realtime()"
)
_READ = (
    _APPLIED
    + f"MATCH (s:{HISTORY_LABEL} {{key: 'schema'}}) WHERE s.applied = applied RETURN s.lines AS lines"
)


def save(lease: FencedWriter) -> None:
    """Store the schema as it is now, at the end of a run. Raises LeaseLost, CypherError, ConnectionLost."""
    lines = list(read_catalogue(lease.read).lines())
    lease.write_record(lambda run: run(_SAVE, {"lines": lines}))


def read(query: Read) -> tuple[str, ...] | None:
    """Return the schema as the last run left it; None where there was none, or one ended in its middle since."""
    rows = query(_READ, {})
    return tuple(rows[0]["lines"]) if rows else None
