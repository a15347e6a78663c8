"""`expect=` of migrations: what is read of it, where it may stand, and what is said when it is not so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from seedbed.engines.kit.postconditions import require_postconditions
from seedbed.errors import MigrationFileError, StepFailed, UsageError
from seedbed.model.migration import Direction, Migration, MigrationFile, Postcondition, Source, Work, checksum
from seedbed.model.verification import QueryRow
from seedbed.project import Project
from seedbed.testing import reference
from seedbed.testing.reference import engine

BACKFILL = """\
# seedbed: backfill=users.id
# seedbed: expect="rows users a, b" because "no \\"a\\""
# seedbed: expect="rows users"
# migrate:up
increment users visits 1
"""


def parsed(text: str) -> Migration:
    source = Source("migrations/1_x.mem", ".mem", text.encode())
    return engine.parse(MigrationFile("1", "x", source, checksum(source.data)))


def test_it_may_be_said_again_and_commas_are_its_own() -> None:
    assert parsed(BACKFILL).postconditions == (
        Postcondition("rows users a, b", 'no "a"', 2),
        Postcondition("rows users", "", 3),
    )


def test_it_stands_where_there_are_batches(tmp_path: Path) -> None:
    (tmp_path / "seedbed.toml").write_text('[platform]\nname = "shop"\n[services.shop.memory]\n')
    directory = tmp_path / "services" / "shop" / "memory" / "migrations"
    directory.mkdir(parents=True)
    (directory / "20260101000000_a.mem").write_text(
        '# seedbed: expect="rows users"\n# migrate:up\ncreate users\n'
    )
    with reference.installed():
        catalog = Project.open(tmp_path).catalog
        (database,) = catalog.databases()
        (file,) = catalog.files(database)
        with pytest.raises(MigrationFileError, match="does not walk over data") as caught:
            catalog.parse(database.id, file)
    assert caught.value.at is not None
    assert caught.value.at.line == 1


@pytest.mark.parametrize("direction", Direction)
def test_rows_are_shown_where_there_are_some_and_nothing_is_asked_on_the_way_back(
    direction: Direction,
) -> None:
    asked: list[str] = []

    def rows(query: str, most: int) -> Sequence[QueryRow]:
        asked.append(query)
        return [{"id": str(number), "name": None} for number in range(9)][:most]

    work = Work(parsed(BACKFILL), direction)
    if direction is Direction.DOWN:
        require_postconditions(work, rows)
        assert asked == []
        return
    with pytest.raises(StepFailed) as caught:
        require_postconditions(work, rows)
    assert caught.value.what == '1_x ended otherwise than it expects: no "a"'
    assert caught.value.because == (
        "the query has more than 3 rows: id 0, name nothing; id 1, name nothing; id 2, name nothing"
    )
    assert caught.value.at is not None
    assert (caught.value.at.line, asked) == (2, ["rows users a, b"])


def test_a_query_without_an_answer_keeps_it_unfinished() -> None:
    def rows(query: str, most: int) -> Sequence[QueryRow]:
        raise UsageError("the query of an expectation would write")

    with pytest.raises(
        StepFailed, match="a query of 1_x has no answer: the query of an expectation would write"
    ):
        require_postconditions(Work(parsed(BACKFILL)), rows)
