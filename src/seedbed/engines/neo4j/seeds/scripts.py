"""Running Cypher scripts among the seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seedbed.engines.neo4j.seeds.errors import seed_errors
from seedbed.model.seed import Loaded, Script

if TYPE_CHECKING:
    from seedbed.engines.neo4j.wire.client import RunQuery


def run_script(run: RunQuery, script: Script) -> Loaded:
    """Run a script; what its statements made counts as inserted, what the others changed as updated."""
    from seedbed.engines.neo4j.rules.seed_scripts import statements

    inserted = updated = 0
    for each in statements(script):
        with seed_errors(script.path, line=each.line):
            counters = run(each.text, {}).counters
        created = counters.get("nodes_created", 0) + counters.get("relationships_created", 0)
        inserted += created
        updated += _touched(counters) if not created else 0
    return Loaded(script.path, inserted, updated)


def _touched(counters: Mapping[str, int]) -> int:
    """Return how much a statement that made nothing has changed at least."""
    names = ("nodes_deleted", "relationships_deleted", "properties_set", "labels_added", "labels_removed")
    return sum(counters.get(each, 0) for each in names)
