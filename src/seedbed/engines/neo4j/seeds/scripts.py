"""Cypher scripts among the seeds: what a transaction cannot hold is found before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seedbed.engines.neo4j.seeds.errors import seed_errors
from seedbed.errors import Location, SeedFileError
from seedbed.model.seed import Loaded, Script

if TYPE_CHECKING:
    from seedbed.engines.neo4j.files.split import Statement
    from seedbed.engines.neo4j.wire.client import RunQuery


def checked(script: Script) -> Script:
    """Return `script` if a transaction can hold all of it. Raises SeedFileError."""
    from seedbed.engines.neo4j.files.statements import StatementKind, kind_of
    from seedbed.engines.neo4j.rules.refusals import refusal

    for each in _statements(script):
        at = Location(script.path, each.line)
        if kind_of(each) is not StatementKind.DATA:
            raise SeedFileError(
                "a seed holds statements that change data",
                because="it is in one transaction with all other seeds of its kind",
                try_="constraints and indexes are made by migrations",
                at=at,
            )
        if found := refusal(each):
            what = found.what.replace("a migration", "a seed")
            raise SeedFileError(what, because=found.because, try_=found.try_, at=at)
    return script


def _statements(script: Script) -> Sequence[Statement]:
    from seedbed.engines.neo4j.files.lexer import LexError
    from seedbed.engines.neo4j.files.split import split

    text = script.source.data.decode("utf-8-sig")
    try:
        return split(text)
    except LexError as wrong:
        line = text.count("\n", 0, wrong.offset) + 1
        raise SeedFileError(
            wrong.what, because=wrong.because, try_=wrong.try_, at=Location(script.path, line)
        ) from None


def run_script(run: RunQuery, script: Script) -> Loaded:
    """Run a script; what its statements made counts as inserted, what the others changed as updated."""
    inserted = updated = 0
    for each in _statements(script):
        with seed_errors(script.path):
            counters = run(each.text, {}).counters
        created = counters.get("nodes_created", 0) + counters.get("relationships_created", 0)
        inserted += created
        updated += _touched(counters) if not created else 0
    return Loaded(script.path, inserted, updated)


def _touched(counters: Mapping[str, int]) -> int:
    """Return how much a statement that made nothing has changed at least."""
    names = ("nodes_deleted", "relationships_deleted", "properties_set", "labels_added", "labels_removed")
    return sum(counters.get(each, 0) for each in names)
