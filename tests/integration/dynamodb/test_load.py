"""Seeds of DynamoDB: rows become items as tables.toml declares them; what is there and equal is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.read import read
from seedbed.errors import LeaseLost, Location, Refused, SeedFileError, SeveralErrors, StepFailed, hint_text
from seedbed.model.migration import Source
from seedbed.model.seed import MISSING, Dataset, Loaded, Loading, Rows, Script, SeedKind
from tests.support.dynamodb.tables import EACH_SERVER, Stage, spied, stage

TABLES = """
[tables.courses]
key = { partition = "id" }
attributes = { id = "S", price = "N", open = "BOOL", tags = "SS", parts = "L", meta = "M", raw = "B", none = "NULL" }

[tables.lessons]
key = { partition = "course", sort = "number" }
attributes = { course = "S", number = "N", marks = "NS" }
"""


@pytest.fixture
def here(world: World, tmp_path: Path) -> Iterator[Stage]:
    file = tmp_path / "tables.toml"
    file.write_text(TABLES)
    with stage(world, *read(file).tables, directory=tmp_path) as made:
        yield made


def rows(table: str, columns: str, *values: tuple[Any, ...], suffix: str = ".json", key: str = "") -> Rows:
    """Return rows whose numbers in the file are 2, 3, …"""
    lines = tuple(range(2, len(values) + 2))
    return Rows(f"seeds/{table}{suffix}", table, tuple(columns.split()), values, tuple(key.split()), lines)


def load(here: Stage, *parts: Rows | Script, kind: SeedKind = SeedKind.FIXTURE) -> list[tuple[int, int, int]]:
    """Load `parts`, volume in bulk; return (inserted, updated, unchanged) of each."""
    with here.lease() as lease:
        load = lease.bulk_load if kind is SeedKind.VOLUME else lease.load
        done = list(load(Dataset(kind, parts)))
    return [(each.inserted, each.updated, each.unchanged) for each in done]


@EACH_SERVER
@pytest.mark.parametrize(
    ("suffix", "price", "part"),
    [(".py", 9.5, 2.5), (".json", Decimal("9.5"), Decimal("2.5"))],  # the numbers of a .json are decimals
)
def test_values_become_what_is_declared(here: Stage, suffix: str, price: Any, part: Any) -> None:
    columns = "id price open tags parts meta raw none other"
    load(
        here,
        rows(
            "courses",
            columns,
            ("c1", price, True, ["a", "b"], [1, "x", part], {"en": {"n": 1}}, "AQI=", None, 7),
            ("c2", Decimal("0.1"), False, None, None, None, None, None, None),
            suffix=suffix,
        ),
    )
    assert here.items("courses") == [
        {
            "id": "c1",
            "price": Decimal("9.5"),
            "open": True,
            "tags": {"a", "b"},
            "parts": [1, "x", Decimal("2.5")],
            "meta": {"en": {"n": 1}},
            "raw": b"\x01\x02",
            "none": None,
            "other": 7,
        },
        {"id": "c2", "price": Decimal("0.1"), "open": False, "none": None},
    ]


@EACH_SERVER
def test_cells_of_a_csv_are_read_as_what_is_declared(here: Stage) -> None:
    columns = "id price open tags parts meta raw other"
    cells = ("1", "9.50", "TRUE", '["a"]', "[1, 2.5]", '{"en": 1}', "AQI=", "007")
    load(here, rows("courses", columns, cells, suffix=".csv"))
    assert here.items("courses") == [
        {
            "id": "1",
            "price": Decimal("9.5"),
            "open": True,
            "tags": {"a"},
            "parts": [1, Decimal("2.5")],
            "meta": {"en": 1},
            "raw": b"\x01\x02",
            "other": "007",
        }
    ]


def test_the_same_value_in_another_form_is_no_change(here: Stage) -> None:
    here.put("courses", {"id": "c1", "price": Decimal("9.5"), "tags": {"b", "a"}, "parts": [Decimal("1.0")]})
    assert load(here, rows("courses", "id price tags parts", ("c1", Decimal("9.50"), ["a", "b"], [1]))) == [
        (0, 0, 1)
    ]


def test_what_a_row_does_not_have_stays_as_it_is(here: Stage) -> None:
    here.put("courses", {"id": "c1", "price": 1, "other": "stays"})
    mixed = rows(
        "courses", "id price other", ("c1", 2, MISSING), ("c2", MISSING, "x"), ("c3", MISSING, MISSING)
    )
    assert load(here, mixed) == [(2, 1, 0)]
    assert here.items("courses") == [
        {"id": "c1", "price": 2, "other": "stays"},
        {"id": "c2", "other": "x"},
        {"id": "c3"},
    ]
    assert load(here, mixed) == [(0, 0, 3)]
    with pytest.raises(StepFailed) as caught:
        load(here, rows("courses", "price id", (1, "c1"), (2, MISSING)))
    assert (caught.value.what, caught.value.at) == ("the row has no id", Location("seeds/courses.json", 3))


@pytest.mark.parametrize(
    ("column", "value", "suffix", "because"),
    [
        ("price", "NaN", ".csv", "DynamoDB has no infinity and no NaN"),
        ("price", float("nan"), ".py", "DynamoDB has no infinity and no NaN"),
        ("price", "many", ".csv", "it is not a number, and declared as a number (N)"),
        ("price", {"eur": 1}, ".json", "it is a map, and declared as a number (N)"),
        ("open", 1, ".json", "it is a number, and declared as true or false (BOOL)"),
        ("tags", "a", ".json", "it is text, and declared as a set of texts (SS)"),
        (
            "tags",
            ["a", 1],
            ".json",
            "one of its members is a number, and it is declared as a set of texts (SS)",
        ),
        (
            "tags",
            [["a"]],
            ".json",
            "a member of it is a list or a map, and it is declared as a set of texts (SS)",
        ),
        ("tags", [], ".json", "DynamoDB has no empty sets"),
        ("raw", "ä", ".json", "it is not base64, and declared as bytes in base64 (B)"),
        ("parts", "[1", ".csv", "it is not valid JSON, and declared as a list (L): "),
    ],
)
def test_what_does_not_fit_is_said_in_the_words_of_the_declaration(
    here: Stage, column: str, value: object, suffix: str, because: str
) -> None:
    with pytest.raises(StepFailed) as caught:
        load(here, rows("courses", f"id {column}", ("c1", value), suffix=suffix))
    assert caught.value.because.startswith(because)
    assert caught.value.at == Location(f"seeds/courses{suffix}", 2)
    assert here.items("courses") == []


@EACH_SERVER
def test_an_empty_value_takes_the_attribute_away(here: Stage) -> None:
    here.put("courses", {"id": "c1", "price": 1, "other": "stays"})
    assert load(here, rows("courses", "id price", ("c1", None))) == [(0, 1, 0)]
    assert here.items("courses") == [{"id": "c1", "other": "stays"}]
    assert load(here, rows("courses", "id price", ("c1", None))) == [(0, 0, 1)]


@EACH_SERVER
def test_items_have_keys_of_two_attributes(here: Stage) -> None:
    part = rows("lessons", "number course marks", (1, "c1", [3, 1]), (2, "c1", [1]), (1, "c2", [2]))
    assert load(here, part) == [(3, 0, 0)]
    assert load(here, part) == [(0, 0, 3)]
    changed = rows("lessons", "number course marks", (1, "c1", [1, 3]), (2, "c1", [7]), key="course number")
    assert load(here, changed) == [(0, 1, 1)]


@EACH_SERVER
def test_more_rows_than_one_transaction_takes(here: Stage) -> None:
    part = rows("courses", "id price", *((f"{number:04}", number) for number in range(345)))
    assert load(here, part) == [(345, 0, 0)]
    assert len(here.items("courses")) == 345
    assert load(here, part) == [(0, 0, 345)]


@EACH_SERVER
def test_rows_that_are_large_go_in_more_transactions(here: Stage) -> None:
    part = rows("courses", "id text", *((f"{number:03}", "x" * 300_000) for number in range(25)))
    assert load(here, part) == [(25, 0, 0)]


def test_parts_are_counted_each_for_itself(here: Stage) -> None:
    parts = (rows("courses", "id", ("c1",)), rows("lessons", "course number", ("c1", 1), ("c1", 2)))
    assert load(here, *parts) == [(1, 0, 0), (2, 0, 0)]


def test_what_somebody_writes_meanwhile_is_looked_at_again_and_not_lost(here: Stage) -> None:
    here.put("courses", {"id": "c1", "price": 1, "visits": 1})
    others = iter([{"id": "c1", "price": 2, "visits": 2}, {"id": "c2", "price": 5}])

    def meanwhile(operation: str, body: Mapping[str, Any]) -> None:
        if (
            operation == "TransactWriteItems"
            and len(body["TransactItems"]) > 2
            and (item := next(others, None))
        ):
            here.put("courses", item)

    with here.lease() as lease:
        spied(here.client, meanwhile)
        (done,) = lease.load(
            Dataset(SeedKind.FIXTURE, (rows("courses", "id price", ("c1", 7), ("c2", 8), ("c3", 9)),))
        )
    assert (done.inserted, done.updated, done.unchanged) == (1, 2, 0)
    assert here.items("courses") == [
        {"id": "c1", "price": 7, "visits": 2},
        {"id": "c2", "price": 8},
        {"id": "c3", "price": 9},
    ]


@pytest.mark.parametrize(
    ("part", "line", "words"),
    [
        (rows("nothing", "id", ("c1",)), 0, "there is no table 'nothing'"),
        (rows("courses", "price", (1,)), 0, "the rows have no id"),
        (rows("courses", "id price", ("c1", 1), key="price"), 0, "declared to have the key price"),
        (rows("courses", "id price", ("c1", 1), ("c2", "much")), 3, "price = 'much' does not fit"),
        (
            rows("courses", "id price", ("c1", 1), ("c2", "much"), suffix=".csv"),
            3,
            "price = 'much' does not fit",
        ),
        (rows("courses", "id price", ("c1", True)), 2, "price = True does not fit"),
        (rows("courses", "id open", ("c1", "maybe"), suffix=".csv"), 2, "open = 'maybe' does not fit"),
        (rows("courses", "id meta", ("c1", "{"), suffix=".csv"), 2, "meta = '{' does not fit"),
        (rows("courses", "id raw", ("c1", "!")), 2, "raw = '!' does not fit"),
        (rows("courses", "id tags", ("c1", [])), 2, "the set is empty"),
        (rows("courses", "id price", ("c1", Decimal("1E+200"))), 2, "out of range"),
        (rows("courses", "id price", ("c1", 1), (None, 2)), 3, "id is empty"),
        (rows("courses", "id price", ("c1", 1), ("c2", 1), ("c1", 2)), 4, "two rows have the same key"),
        (
            rows("lessons", "course number", ("c1", Decimal("1.0")), ("c1", 1)),
            3,
            "two rows have the same key",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_named_and_nothing_is_loaded(
    here: Stage, part: Rows, line: int, words: str
) -> None:
    with pytest.raises(StepFailed) as caught:
        load(here, rows("lessons", "course number", ("c1", 1)), part)
    assert words in str(caught.value)
    assert caught.value.at == Location(part.path, line)
    assert here.items("lessons") == []


@pytest.mark.parametrize(
    ("table", "columns", "good", "bad", "what"),
    [
        ("courses", "id other", lambda n: (f"c{n}", n), ("", 1), "id is empty"),
        ("courses", "id other", lambda n: (f"c{n}", n), ("c", "x" * 410_000), "the item has 410 008 bytes"),
        ("courses", "id other", lambda n: (f"c{n}", n), ("c" * 2049, 1), "id has 2049 bytes"),
        ("lessons", "course number", lambda n: (f"c{n}", n), ("", 1), "course is empty"),
    ],
)
def test_what_dynamodb_would_refuse_of_any_row_is_found_before_the_first_is_written(
    here: Stage,
    table: str,
    columns: str,
    good: Callable[[int], tuple[Any, ...]],
    bad: tuple[Any, ...],
    what: str,
) -> None:
    values = [good(number) for number in range(250)]
    values[200] = bad
    with here.lease() as lease, pytest.raises(StepFailed) as caught:
        list(lease.load(Dataset(SeedKind.FIXTURE, (rows(table, columns, *values),))))
    assert (caught.value.what, caught.value.at) == (what, Location(f"seeds/{table}.json", 202))
    assert not lease.is_touched
    assert here.items(table) == []


def test_an_item_that_is_too_large_is_named_with_its_line(here: Stage) -> None:
    with pytest.raises(StepFailed) as caught:
        load(here, rows("courses", "id text", ("c1", "x" * 420_000)))
    assert caught.value.at == Location("seeds/courses.json", 2)
    assert here.items("courses") == []


def test_a_table_that_is_declared_and_not_deployed_is_named(here: Stage, tmp_path: Path) -> None:
    later = '[tables.later]\nkey = { partition = "id" }\nattributes = { id = "S" }\n'
    (tmp_path / "tables.toml").write_text(TABLES + later)
    for kind in (SeedKind.FIXTURE, SeedKind.VOLUME):
        with pytest.raises(Refused) as caught:
            load(here, rows("later", "id", ("c1",)), kind=kind)
        assert here.database.physical("later") in caught.value.because
        assert hint_text(caught.value.try_, "dev-test", "").startswith("seedbed deploy -e dev-test ")


def test_scripts_are_no_seeds_here(here: Stage) -> None:
    source = Source("seeds/x.cql", ".cql", b"")
    with pytest.raises(SeedFileError):
        load(here, Script("seeds/x.cql", source))


@EACH_SERVER
def test_volume_goes_in_bulk_with_the_same_types(here: Stage) -> None:
    part = rows(
        "courses",
        "id price tags",
        *((f"{number:04}", f"{number}.5", '["a"]') for number in range(400)),
        suffix=".csv",
    )
    assert load(here, part, kind=SeedKind.VOLUME) == [(400, 0, 0)]
    found = here.items("courses")
    assert len(found) == 400
    assert found[7] == {"id": "0007", "price": Decimal("7.5"), "tags": {"a"}}


def test_volume_names_the_row_that_does_not_fit(here: Stage) -> None:
    part = rows(
        "courses", "id price", *((f"{number}", number if number != 250 else "x") for number in range(300))
    )
    with pytest.raises(StepFailed) as caught:
        load(here, part, kind=SeedKind.VOLUME)
    assert caught.value.at == Location(part.path, 252)


def test_what_the_first_rows_of_a_volume_show_is_told_at_once_before_anything_is_written(here: Stage) -> None:
    good = rows("courses", "id price", *((f"{number}", number) for number in range(300)))
    bad = rows("courses", "id price", ("c1", "x")), rows("lessons", "course number", ("c1", None))
    with pytest.raises(SeveralErrors) as caught:
        load(here, good, *bad, kind=SeedKind.VOLUME)
    assert [each.what for each in caught.value.errors] == ["price = 'x' does not fit", "number is empty"]
    assert here.items("courses") == []


@pytest.mark.parametrize("kind", [SeedKind.FIXTURE, SeedKind.VOLUME])
def test_all_files_without_a_table_or_its_key_are_told_at_once(here: Stage, kind: SeedKind) -> None:
    bad = rows("nowhere", "id", ("c1",)), rows("lessons", "course", ("c1",))
    with pytest.raises(SeveralErrors) as caught:
        load(here, *bad, kind=kind)
    assert [each.what for each in caught.value.errors] == [
        "there is no table 'nowhere'",
        "the rows have no number",
    ]


def test_volume_ends_when_the_lease_is_lost(here: Stage) -> None:
    with here.lease() as lease:
        part = rows("courses", "id", *((f"{number}",) for number in range(300)))
        lease.held.lost("because the test says so")
        with pytest.raises(LeaseLost):
            list(lease.bulk_load(Dataset(SeedKind.VOLUME, (part,))))
    assert here.items("courses") == []


def test_what_a_load_left_is_told_before_it_fails(here: Stage) -> None:
    good = rows("courses", "id price", *((f"{number:04}", number) for number in range(250)))
    load(here, rows("lessons", "course number text", ("c1", 1, "x" * 300_000)))
    large = rows("lessons", "course number more", ("c1", 1, "x" * 200_000))  # with what is there already
    told: list[Loading] = []
    with here.lease() as lease, pytest.raises(StepFailed):
        for _ in lease.load(Dataset(SeedKind.FIXTURE, (good, large)), told.append):
            pass
    assert lease.is_touched
    assert max(each.changed for each in told if each.part == good.path) == 250
    assert [each for each in told if each.part == large.path and each.changed] == []
    assert len(here.items("courses")) == 250


def test_how_far_a_volume_is_is_told_while_it_goes_on(here: Stage) -> None:
    part = rows("courses", "id", *((f"{number:04}",) for number in range(400)))
    told: list[Loading] = []
    with here.lease() as lease:
        (done,) = lease.bulk_load(Dataset(SeedKind.VOLUME, (part,)), told.append)
    assert done == Loaded(part.path, 400)
    assert len(told) > 4
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert told[-1] == Loading(part.path, 400, 400)


def test_of_two_rows_of_a_volume_with_one_key_the_later_one_stays(here: Stage) -> None:
    part = rows("courses", "id price", *((f"{number % 30:02}", number) for number in range(90)))
    assert load(here, part, kind=SeedKind.VOLUME) == [(90, 0, 0)]
    assert [each["price"] for each in here.items("courses")] == list(range(60, 90))
