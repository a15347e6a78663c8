"""Ids of an attribute: which of a table's indexes serves, what is no id, and what reading them costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.running import ids
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import IndexShape, Key, Projection, TableShape
from seedbed.engines.dynamodb.session import DynamoSession
from seedbed.errors import Interrupted, StepFailed
from seedbed.model.platform import ALL, DatabaseId, Field, Reference, Where
from seedbed.model.verification import Holders, Reading, Suspect
from tests.support.dynamodb.tables import EACH_SERVER, Stage, spied, stage
from tests.support.verified_sessions import expected_reading, verified

# by_lesson has every progress, by_tutor those that have a tutor, by_mark those that have a mark and when it was given.
PROGRESS = TableShape(
    "progress",
    Key(("user",), ("lesson",)),
    {"user": "S", "lesson": "N", "tutor": "N", "mark": "S", "marked": "S"},
    (
        IndexShape("by_lesson", Key(("lesson",), ("user",)), Projection("KEYS_ONLY")),
        IndexShape("by_mark", Key(("mark",), ("marked",)), Projection("KEYS_ONLY")),
        IndexShape("by_tutor", Key(("tutor",)), Projection("KEYS_ONLY")),
    ),
)
AT = "2026-05-08T10:00:00Z"
Item = dict[str, Any]


def item(user: str, lesson: int, **more: Any) -> Item:
    return {"user": user, "lesson": lesson, "text": "x" * 700, **more}


class Calls:
    """The reading calls of a stage, and the units that the server counts for them."""

    def __init__(self, here: Stage) -> None:
        self.made: list[tuple[str, str]] = []
        self.units = 0.0
        original = here.client.call

        def call(operation: str, body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
            answer = original(operation, body, **options)
            if operation != "DescribeTable":
                self.made.append((operation, body.get("IndexName", "")))
                consumed = answer.get("ConsumedCapacity") or []
                for each in consumed if isinstance(consumed, list) else [consumed]:
                    self.units += each["CapacityUnits"]
            return answer

        here.client.call = call  # type: ignore[method-assign]

    def taken(self) -> list[tuple[str, str]]:
        made, self.made = self.made, []
        return sorted(set(made))


@contextmanager
def staged(world: World, directory: Path) -> Iterator[Stage]:
    with stage(world, PROGRESS, directory=directory) as made:
        made.put(
            "progress",
            item("ana", 1, tutor=7, mark="a", marked=AT, labels={"x", "y"}, seen=1778234400),
            item("ana", 2, tutor=7, labels=["x", None], sources=[{"id": "p"}, {"id": "q"}, {}], seen=AT),
            item("ben", 1, mark="a", sources=[]),
        )
        yield made


@pytest.fixture
def here(world: World, tmp_path: Path) -> Iterator[Stage]:
    with staged(world, tmp_path) as made:
        yield made


def texts(here: Stage, path: str, where: Where = ALL) -> tuple[list[str], int]:
    """Return the ids of `path`, sorted, and how many there are not."""
    blocks = list(ids.ids(here.database, path, where))
    return sorted(text for each in blocks for text in each.texts), sum(each.empty for each in blocks)


@EACH_SERVER
def test_ids_are_read_from_attributes_lists_sets_and_what_lies_within_maps(here: Stage) -> None:
    here.put("progress", item("cid", 3, tutor=Decimal("1E+20"), labels={Decimal("1.50")}))
    assert texts(here, "progress.tutor") == (["100000000000000000000", "7", "7"], 1)
    assert texts(here, "progress.labels") == (["1.5", "x", "x", "y"], 2)
    assert texts(here, "progress.sources.id") == (["p", "q"], 3)  # of an empty list nothing is known
    assert texts(here, "progress.user")[0] == ["ana", "ana", "ben", "cid"]


@EACH_SERVER
def test_only_the_items_are_read_that_a_reference_is_about(here: Stage) -> None:
    calls = Calls(here)
    seven, ana = Where((("tutor", ("7",)),)), Where((("mark", ("a",)), ("labels", ("x", "z"))))
    assert texts(here, "progress.lesson", seven) == (["1", "2"], 0)
    assert texts(here, "progress.tutor", Where((("mark", ("a",)),))) == (["7"], 1)
    assert texts(here, "progress.user", ana) == (["ana"], 0)
    assert calls.taken() == [("Scan", "")]  # by_lesson does not have what says whether an item counts
    row, other = '{"user":"ana","lesson":"1"}', '{"user":"ana","lesson":"2"}'
    for suspect in (Suspect("7", (row, other)), Suspect("7")):
        held = ids.holders(here.database, "progress.tutor", [suspect], time="", most=3, where=ana)
        assert held == {"7": Holders(1, (row,))}
    with pytest.raises(StepFailed, match="no item of progress has the attribute knid"):
        texts(here, "progress.user", Where((("knid", ("a",)),)))


def test_an_index_is_scanned_only_where_it_has_every_item(ministack_account: World, tmp_path: Path) -> None:
    # DynamoDB Local says of every index that it is as large as the table.
    with staged(ministack_account, tmp_path) as here:
        here.fill("progress", [item(f"u{at}", 1) for at in range(50)])
        calls = Calls(here)
        assert texts(here, "progress.lesson") == (["1"] * 52 + ["2"], 0)
        assert calls.taken() == [("Scan", "by_lesson")]
        assert texts(here, "progress.tutor") == (["7", "7"], 51)
        assert texts(here, "progress.mark") == (["a", "a"], 51)
        assert calls.taken() == [("Scan", "")]


@EACH_SERVER
def test_ids_are_looked_for_by_key_or_index_and_by_a_scan_where_no_index_has_them_all(here: Stage) -> None:
    calls = Calls(here)
    assert ids.found(here.database, "progress.user", ["ana", "nobody"]) == {"ana"}
    assert calls.taken() == [("Query", "")]
    assert ids.found(here.database, "progress.tutor", ["7", "8", "seven", "9" * 50, ""]) == {"7"}
    assert calls.taken() == [("Query", "by_tutor")]
    assert ids.found(here.database, "progress.mark", ["a", "b"]) == {"a"}
    assert calls.taken() == [("Scan", "")]  # by_mark lacks what was not marked at any time
    few = [ids.extent(here.database, f"progress.{each}").finds_few for each in ("user", "tutor", "mark")]
    assert few == [True, True, False]


@EACH_SERVER
def test_what_holds_an_id_is_told_by_its_key_with_the_time_of_the_oldest(here: Stage) -> None:
    row = '{"user":"ana","lesson":"1"}'
    gone = '{"user":"ana","lesson":"9"}'
    calls = Calls(here)
    held = ids.holders(
        here.database, "progress.tutor", [Suspect("7", (row, gone), more=4)], time="seen", most=3
    )
    assert held == {"7": Holders(5, (row,), datetime(2026, 5, 8, 10, tzinfo=UTC))}
    assert calls.taken() == [("BatchGetItem", "")]
    held = ids.holders(here.database, "progress.labels", [Suspect("x"), Suspect("z")], time="", most=1)
    assert [(each.count, each.rows) for each in held.values()] == [(2, (row,))]
    held = ids.holders(here.database, "progress.tutor", [Suspect("7"), Suspect("8")], time="", most=1)
    assert [(each.count, each.rows) for each in held.values()] == [(2, (row,))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026-11-03T13:59:59+02:00", "2026-11-03T14:00:00+02:00"),
        ("2026-11-03", "2026-11-03T12:00:00.000000000Z"),
        (1793707199, 1793707200),
        (Decimal("1793707199.9"), 1793707200000),
        ("1793707199", "1793707200"),
    ],
    ids=["offset", "date", "seconds", "milliseconds", "text"],
)
def test_new_orphans_are_found_and_old_ones_left_out_whatever_tells_the_time(
    here: Stage, old: Any, new: Any
) -> None:
    for who, at in (("before", old), ("after", new), ("ana", new)):
        here.put("progress", item(f"of-{who}", 1, mark=who, at=at))
    here.put("progress", item("of-ever", 1, mark="ever"))
    place, when = DatabaseId("courses/dynamodb"), datetime(2026, 11, 3, 12, tzinfo=UTC)
    kinds = Where((("user", tuple(f"of-{each}" for each in ("before", "after", "ana", "ever"))),))
    of = Field(place, "progress.mark", kinds)
    reference = Reference(of, Field(place, "progress.user"), grace=0, time="at")
    session = DynamoSession(here.database, "edtech")
    (found,) = verified({place: session}, reference, since=when).references
    assert (found.ids, [each.id for each in found.samples], found.error) == (3, ["after", "ever"], None)
    assert [each.holders.since for each in found.samples] == [when, None]
    (whole,) = verified({place: session}, reference).references
    assert [each.id for each in whole.samples] == ["after", "before", "ever"]


def test_what_is_no_id_and_what_is_misspelled_is_refused(here: Stage) -> None:
    here.put("progress", item("eva", 1, settings={"a": 1}))
    with pytest.raises(StepFailed, match=r"progress\.settings is a map, not an id"):
        list(ids.ids(here.database, "progress.settings"))
    with pytest.raises(StepFailed, match="no item of progress has the attribute tutr"):
        list(ids.ids(here.database, "progress.tutr"))
    toml = '[tables.progress]\nkey = {partition = "user", sort = "lesson"}\nattributes = {user = "S", lesson = "N", tutr = "N"}\n'
    (Path(here.database.directory) / "tables.toml").write_text(toml)
    here.database._declared = None
    assert texts(here, "progress.tutr") == ([], 4)


def test_a_table_that_is_made_anew_while_it_is_read_is_told(
    here: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    description, seen = type(here.database).description, 0

    def described(database: Any, table: str) -> dict[str, Any]:
        nonlocal seen
        seen += 1
        return {**description(database, table), "TableId": f"{seen}"}

    monkeypatch.setattr(type(here.database), "description", described)
    with pytest.raises(StepFailed, match="progress was deleted and created again while it was read"):
        list(ids.ids(here.database, "progress.tutor"))


def test_a_read_that_is_interrupted_ends(here: Stage) -> None:
    spied(here.client, lambda operation, _: here.client.interrupt() if operation == "Scan" else None)
    with pytest.raises(Interrupted):
        list(ids.ids(here.database, "progress.tutor"))


def test_the_units_that_reading_takes_are_known_before(
    dynamodb_local_account: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ministack counts one unit for a scan, however much there is.
    with staged(dynamodb_local_account, tmp_path) as here:
        here.fill("progress", [item(f"u{at:04}", at) for at in range(2000)])
        calls = Calls(here)
        for path in ("progress.user", "progress.tutor", "progress.labels"):
            calls.units = 0.0
            list(ids.ids(here.database, path))
            assert ids.extent(here.database, path).units == pytest.approx(calls.units, rel=0.1), path
        # And of a whole run, in which one of them is read from both ends.
        place, session = DatabaseId("courses/dynamodb"), DynamoSession(here.database, "edtech")
        user, tutor = (Field(place, f"progress.{each}") for each in ("user", "tutor"))
        references = Reference(user, user, grace=0), Reference(tutor, tutor, optional=True, grace=0)
        expected = Reading("dev-test", expected_reading({place: session}, *references)).units
        calls.units = 0.0
        assert (
            verified({place: session}, *references).units == calls.units == pytest.approx(expected, rel=0.1)
        )
        monkeypatch.setattr(ids, "_SEGMENT", 100_000)
        calls = Calls(here)
        assert len(texts(here, "progress.user")[0]) == 2003
        assert len(calls.made) >= here.database.address.segments  # side by side
