"""Seeds as they are shown before they are loaded, and files that are held to what was shown."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from seedbed.errors import SeveralErrors, StalePlan
from seedbed.model.migration import StepText
from seedbed.model.seed import PlannedSeed, RowSource, Script, SeedFile, SeedKind
from seedbed.seeding.digests import held_to
from seedbed.seeding.planned import planned_seeds
from seedbed.seeding.sources import open_seed
from tests.support.seeds import seed_file

CSV = "id,name\n1,ana\n2,ben\n"
JSON = '{"table": "people", "rows": [{"id": 1}, {"id": 2, "name": "ben"}, {"id": 3}]}'
PROGRAM = "# seedbed: table=people\nraise SystemExit('it was run')\ndef rows(): yield {'id': 1}\n"
SQL = "UPDATE people SET name = 'ana';\n"


def _text_of(script: Script) -> StepText:
    return StepText(script.source.data.decode(), ("UPDATE people",), "--")


def planned(*files: SeedFile, vary: bool = False) -> tuple[PlannedSeed, ...]:
    kind = SeedKind.REFERENCE
    return planned_seeds(kind, files, platform="p", scripts=(".sql",), vary=vary, text_of=_text_of)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_rows_are_counted_and_hashed_and_the_order_is_that_of_the_load() -> None:
    files = [seed_file(f"s/{name}", text, piece=5) for name, text in (("10_b.json", JSON), ("9_a.csv", CSV))]
    assert planned(*files, vary=True) == (
        PlannedSeed(SeedKind.REFERENCE, "s/9_a.csv", "a", _digest(CSV), 2),
        PlannedSeed(SeedKind.REFERENCE, "s/10_b.json", "people", _digest(JSON), 3),
    )


def test_a_file_without_rows_has_its_digest_too() -> None:
    files = [seed_file("s/a.csv", "id\n"), seed_file("s/b.json", "[]")]
    assert [(each.sha256, each.rows) for each in planned(*files)] == [
        (_digest("id\n"), 0),
        (_digest("[]"), 0),
    ]


def test_a_program_is_shown_whole_and_not_run() -> None:
    (found,) = planned(seed_file("s/a.py", PROGRAM))
    text = StepText(PROGRAM, ())
    assert found == PlannedSeed(SeedKind.REFERENCE, "s/a.py", "people", _digest(PROGRAM), None, text)


def test_a_script_is_shown_as_its_engine_reads_it() -> None:
    (found,) = planned(seed_file("s/a.sql", SQL))
    text = StepText(SQL, ("UPDATE people",), "--")
    assert found == PlannedSeed(SeedKind.REFERENCE, "s/a.sql", "", _digest(SQL), None, text)


def test_all_files_that_are_wrong_are_told_at_once() -> None:
    files = [seed_file("s/a.csv", CSV + "3\n"), seed_file("s/b.py", "def"), seed_file("s/c.csv", "id,id\n")]
    with pytest.raises(SeveralErrors) as caught:
        planned(*files)
    assert [str(each.at) for each in caught.value.errors] == ["s/a.csv:4", "s/b.py:1", "s/c.csv:1"]


def _second_time(first: str, then: str) -> SeedFile:
    texts = iter([first])

    def read() -> Iterator[bytes]:
        yield next(texts, then).encode()

    return SeedFile("s/a.csv", ".csv", len(first), read)


def test_a_file_that_is_another_one_by_the_time_it_is_loaded_is_refused_at_its_end() -> None:
    other = CSV.replace("ana", "eve")
    held = held_to(_second_time(CSV, other), _digest(CSV))
    assert b"".join(held.read()) == CSV.encode()
    read: list[bytes] = []
    with pytest.raises(StalePlan) as caught:
        read.extend(held.read())
    assert str(caught.value.at) == "s/a.csv"


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", CSV), ("a.json", JSON), ("a.py", PROGRAM), ("a.sql", SQL)]
)
def test_a_changed_file_of_each_kind_is_refused_before_it_is_run(name: str, text: str) -> None:
    held = held_to(seed_file(f"s/{name}", text), "0" * 64)
    with pytest.raises(StalePlan):
        _read(open_seed(held, platform="p", scripts=(".sql",), vary=True))


def _read(source: RowSource | Script) -> None:
    if not isinstance(source, Script):
        list(source.batches(10))
