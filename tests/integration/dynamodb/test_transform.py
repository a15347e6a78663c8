"""Transformations on real servers: each item once, whoever else writes, wherever the run ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.wire.values import to_item
from seedbed.errors import Interrupted, LeaseLost, Refused, StepFailed
from seedbed.model.event import WorkProgressed
from seedbed.model.migration import Direction
from tests.support.dynamodb.tables import COURSES, EACH_SERVER, LESSONS, Stage, indexed, spied, stage

VERSIONED, PAGED = "from=1 to=2", ""
REPEATABLE = 'repeatable because "it looks first"'
COUNT = """
def up(item):
    item["count"] += 1
    item["title"] = {"en": item["title"]}
    return item


def down(item):
    item["count"] -= 1
    item["title"] = item["title"]["en"]
    return item
"""
LOOK = """
def up(item):
    if isinstance(item["title"], str):
        item["title"] = {"en": item["title"]}
        item["count"] += 1
    return item


def down(item):
    if isinstance(item["title"], dict):
        item["title"] = item["title"]["en"]
        item["count"] -= 1
    return item
"""
WAYS = [(VERSIONED, COUNT), (PAGED, COUNT), (REPEATABLE, LOOK)]
EACH_WAY = pytest.mark.parametrize(("directives", "code"), WAYS, ids=["versioned", "paged", "repeatable"])


def text(directives: str, code: str, table: str = "courses") -> str:
    return f"# seedbed: phase=migrate table={table} {directives}\n{code}"


@pytest.fixture
def there(world: World) -> Iterator[Stage]:
    with stage(world, COURSES) as made:
        yield made


def course(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"c-{number:04d}", "count": number, "title": f"title {number}", **more}


def transformed(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"c-{number:04d}", "count": number + 1, "title": {"en": f"title {number}"}, **more}


@EACH_WAY
@EACH_SERVER
def test_every_item_is_transformed_once_and_brought_back(there: Stage, directives: str, code: str) -> None:
    version = {"v": 2} if directives == VERSIONED else {}
    there.fill("courses", [course(number) for number in range(230)])
    there.apply(text(directives, code))
    assert there.items("courses") == [transformed(number, **version) for number in range(230)]
    assert there.recorded() == {"1": "applied"}
    there.apply(text(directives, code), Direction.DOWN)
    version = {"v": 1} if directives == VERSIONED else {}
    assert there.items("courses") == [course(number, **version) for number in range(230)]
    assert there.recorded() == {}


@EACH_WAY
def test_a_run_that_stopped_anywhere_goes_on_and_transforms_each_item_once(
    world: World, directives: str, code: str
) -> None:
    for stop in (1, 2, 5, 11, 40):
        with stage(world, COURSES) as there:
            there.fill("courses", [course(number) for number in range(60)])
            _cut_off(there, stop)
            with suppress(StepFailed):  # later ones are beyond the end, where there are fewer writes
                there.apply(text(f"{directives} batch=7 segments=3", code))
            with stage_again(there) as again:
                if again.recorded() != {"1": "applied"}:
                    again.apply(text(f"{directives} batch=7 segments=3", code))
                found = [
                    {key: each[key] for key in ("id", "count", "title")} for each in again.items("courses")
                ]
            assert found == [transformed(number) for number in range(60)], f"stopped at write {stop}"


def _cut_off(there: Stage, count: int) -> None:
    """Let every write of items or checkpoints from the one numbered `count` on fail."""
    lock, left = threading.Lock(), [count]

    def spy(operation: str, body: Mapping[str, Any]) -> None:
        is_item = operation == "UpdateItem" and body["TableName"] == there.database.physical("courses")
        is_checkpoint = operation == "TransactWriteItems" and any(
            "checkpoint" in str(each) for each in body["TransactItems"]
        )
        if is_item or is_checkpoint:
            with lock:
                left[0] -= 1
                if left[0] <= 0:
                    raise StepFailed("cut off")

    spied(there.client, spy)


def stage_again(there: Stage) -> Any:
    from tests.support.dynamodb.tables import opened

    cloud = there.database.cloud
    world = World(cloud.endpoint, Path(there.database.directory), 0, account=cloud.access_key)
    return opened(world, there.database.service, *there.shapes.values())


def test_items_of_other_versions_are_left_alone(there: Stage) -> None:
    there.put(
        "courses",
        course(1),
        course(2, v=1),
        {"id": "c-0003", "v": 2, "title": {"en": "x"}},
        {"id": "z", "v": 7},
    )
    there.apply(text(VERSIONED, COUNT))
    assert there.items("courses") == [
        transformed(1, v=2),
        transformed(2, v=2),
        {"id": "c-0003", "v": 2, "title": {"en": "x"}},
        {"id": "z", "v": 7},
    ]


def _once(there: Stage, when: Callable[[str, Mapping[str, Any]], bool], act: Callable[[], None]) -> None:
    """Do `act` right before the first call that `when` is true of."""
    done = threading.Event()

    def spy(operation: str, body: Mapping[str, Any]) -> None:
        if not done.is_set() and when(operation, body):
            done.set()
            act()

    spied(there.client, spy)


def _writes_item(there: Stage) -> Callable[[str, Mapping[str, Any]], bool]:
    table = there.database.physical("courses")

    def when(operation: str, body: Mapping[str, Any]) -> bool:
        if operation in {"UpdateItem", "DeleteItem"}:
            return bool(body["TableName"] == table)
        return operation == "TransactWriteItems" and table in str(body)

    return when


@EACH_WAY
@EACH_SERVER
def test_a_write_that_comes_between_reading_and_writing_is_kept(
    there: Stage, directives: str, code: str
) -> None:
    there.put("courses", course(1))
    _once(there, _writes_item(there), lambda: there.put("courses", course(1, count=41, other="x")))
    there.apply(text(directives, code))
    (item,) = there.items("courses")
    assert (item["count"], item["other"], item["title"]) == (42, "x", {"en": "title 1"})


@EACH_WAY
def test_what_a_function_did_not_look_at_may_change_without_a_conflict(
    there: Stage, directives: str, code: str
) -> None:
    there.put("courses", course(1, views=1))
    gets: list[str] = []
    table = there.database.physical("courses")

    def act() -> None:
        body = {"TableName": table, "Key": to_item({"id": "c-0001"})}
        more = {"UpdateExpression": "ADD #n :one", "ExpressionAttributeNames": {"#n": "views"}}
        there.client.call("UpdateItem", {**body, **more, "ExpressionAttributeValues": to_item({":one": 1})})

    _once(there, _writes_item(there), act)
    spied(
        there.client,
        lambda operation, body: (
            gets.append(operation) if operation == "GetItem" and body["TableName"] == table else None
        ),
    )
    there.apply(text(directives, code))
    (item,) = there.items("courses")
    assert (item["count"], item["views"]) == (2, 2)
    assert gets == []


@EACH_WAY
def test_an_item_that_is_deleted_meanwhile_does_not_come_back(
    there: Stage, directives: str, code: str
) -> None:
    there.put("courses", course(1), course(2))

    def act() -> None:
        key = to_item({"id": "c-0001"})
        there.client.call("DeleteItem", {"TableName": there.database.physical("courses"), "Key": key})

    _once(there, _writes_item(there), act)
    there.apply(text(directives, code))
    assert [each["id"] for each in there.items("courses")] == ["c-0002"]


@EACH_WAY
def test_an_item_that_makes_trouble_is_named_and_the_run_goes_on_once_it_is_mended(
    there: Stage, directives: str, code: str
) -> None:
    there.fill("courses", [course(number) for number in range(20)])
    there.put("courses", {"id": "c-0007", "count": 7})
    with pytest.raises(StepFailed) as caught:
        there.apply(text(directives, code))
    assert "id=c-0007 of courses" in caught.value.what
    assert "KeyError: 'title'" in caught.value.what
    assert str(caught.value.at).startswith("migrations/1_m.py:")
    assert there.recorded() == {"1": "started"}
    there.put("courses", course(7))
    there.apply(text(directives, code))
    found = [{key: each[key] for key in ("id", "count", "title")} for each in there.items("courses")]
    assert found == [transformed(number) for number in range(20)]


def test_items_that_arrive_behind_the_scan_are_found_by_another_pass(there: Stage) -> None:
    there.fill("courses", [course(number) for number in range(30)])
    scans = 0
    table = there.database.physical("courses")

    def spy(operation: str, body: Mapping[str, Any]) -> None:
        nonlocal scans
        if operation == "Scan":
            scans += 1
            if scans == 5:  # near the end of the first pass
                for number in range(100, 110):
                    item = to_item(course(number))
                    there.client.call("PutItem", {"TableName": table, "Item": item})

    spied(there.client, spy)
    told = there.apply(text(f"{VERSIONED} batch=7 segments=1", COUNT))
    assert all(each["v"] == 2 for each in there.items("courses"))
    assert len(there.items("courses")) == 40
    passes = [each.summary for each in told if isinstance(each, WorkProgressed)]
    assert any(each.startswith("pass 2") for each in passes)


SPLIT = """
def up(item):
    if "parts" not in item:
        return item
    parts = item.pop("parts")
    return [item, *({"id": f"{item['id']}/{each}", "part": each} for each in parts)]


def down(item):
    return None if "/" in item["id"] else item
"""


@pytest.mark.parametrize("directives", [VERSIONED, REPEATABLE])
@EACH_SERVER
def test_one_item_becomes_several_together_with_its_own_change(there: Stage, directives: str) -> None:
    there.put("courses", {"id": "a", "parts": ["x", "y"]}, {"id": "b"})
    there.apply(text(directives, SPLIT))
    version = {"v": 2} if directives == VERSIONED else {}
    assert there.items("courses") == [
        {"id": "a", **version},
        {"id": "a/x", "part": "x", **version},
        {"id": "a/y", "part": "y", **version},
        {"id": "b", **version},
    ]
    there.apply(text(directives, SPLIT), Direction.DOWN)
    assert [each["id"] for each in there.items("courses")] == ["a", "b"]


def test_a_new_item_that_is_there_already_and_equal_is_left_alone(there: Stage) -> None:
    there.put("courses", {"id": "a", "parts": ["x", "y"]}, {"id": "a/x", "part": "x", "v": 2})
    there.apply(text(VERSIONED, SPLIT))
    assert len(there.items("courses")) == 3


def test_a_new_item_whose_key_belongs_to_another_one_is_named_and_nothing_is_overwritten(
    there: Stage,
) -> None:
    there.put("courses", {"id": "a", "parts": ["x"]}, {"id": "a/x", "part": "mine", "v": 2})
    with pytest.raises(StepFailed, match="make the item id=a/x, and there is another one"):
        there.apply(text(VERSIONED, SPLIT))
    assert there.items("courses")[0] == {"id": "a", "parts": ["x"]}
    assert there.items("courses")[1]["part"] == "mine"


MOVE = """
def up(item):
    item["id"] = "new-" + item["id"]
    return item


def down(item):
    item["id"] = item["id"].removeprefix("new-")
    return item
"""


@EACH_SERVER
def test_an_item_moves_to_another_key_whole(there: Stage) -> None:
    there.put("courses", course(1), course(2))
    there.apply(text(VERSIONED, MOVE))
    assert there.items("courses") == [
        {**course(number, v=2), "id": f"new-c-{number:04d}"} for number in (1, 2)
    ]
    there.apply(text(VERSIONED, MOVE), Direction.DOWN)
    assert there.items("courses") == [course(1, v=1), course(2, v=1)]


def test_what_somebody_adds_to_an_item_while_it_moves_goes_with_it(there: Stage) -> None:
    there.put("courses", course(1), course(2, note="so that the name is known"))
    _once(there, lambda operation, body: operation == "TransactWriteItems" and "new-c-0001" in str(body),
          lambda: there.put("courses", course(1, note="added")))  # fmt: skip
    there.apply(text(f"{VERSIONED} segments=1", MOVE))
    assert there.items("courses")[0] == {**course(1, v=2), "id": "new-c-0001", "note": "added"}


KINDS = """
def up(item):
    item["copy"] = dict(item)
    return item
"""


@EACH_SERVER
def test_values_of_every_kind_pass_unharmed_and_can_be_conditions(there: Stage) -> None:
    item = {
        "id": "a",
        "whole": 12345678901234567890123456789,
        "part": Decimal("1.5000000000000000000000000001"),
        "text": "",
        "bytes": b"\x00\xff",
        "none": None,
        "yes": True,
        "texts": {"a", "b"},
        "numbers": {1, Decimal("2.5")},
        "blobs": {b"a"},
        "list": [1, "x", [], {}],
        "map": {"a": {"b": []}},
    }
    there.put("courses", item)
    there.apply(text(VERSIONED, KINDS))
    (found,) = there.items("courses")
    assert found == {**item, "copy": item, "v": 2}


@EACH_SERVER
def test_names_that_are_words_of_the_language_or_look_like_placeholders_are_fine(there: Stage) -> None:
    names = ["size", "name", "a.b", "a-b", "#0", ":0", "käse", "with space", "[0]"]
    there.put("courses", {"id": "a", **dict.fromkeys(names, 1)})
    code = f"def up(item):\n    for name in {names!r}:\n        item[name] += 1\n    return item\n"
    there.apply(text(VERSIONED, code))
    assert there.items("courses") == [{"id": "a", **dict.fromkeys(names, 2), "v": 2}]


def test_more_attributes_than_a_request_can_compare_are_named_before_anything_is_sent(there: Stage) -> None:
    there.put("courses", {"id": "a", **{f"a{number}": number for number in range(200)}})
    with pytest.raises(StepFailed, match=r"id=a of courses: it looks at 20\d attributes"):
        there.apply(text(VERSIONED, KINDS))
    one = 'def up(item):\n    item["a7"] += 1\n    return item\n'
    there.apply(text(VERSIONED, one), version="2")
    assert there.items("courses")[0]["a7"] == 8


def test_an_item_that_would_grow_too_large_is_named_with_its_size(there: Stage) -> None:
    there.put("courses", {"id": "a", "text": "x" * 300_000})
    code = 'def up(item):\n    item["more"] = item["text"]\n    return item\n'
    with pytest.raises(StepFailed, match=r"id=a would have 600,0\d\d bytes"):
        there.apply(text(PAGED, code))


@EACH_SERVER
def test_composite_keys_with_numbers_are_walked_in_pages(world: World) -> None:
    with stage(world, LESSONS) as there:
        items = [{"course": f"c{number % 3}", "number": number, "n": 0} for number in range(50)]
        there.fill("lessons", items)
        code = 'def up(item):\n    item["n"] += 1\n    return item\n'
        there.apply(text("batch=7", code, "lessons"))
        assert [each["n"] for each in there.items("lessons")] == [1] * 50


def test_a_page_that_needs_more_than_one_transaction_is_cut_and_each_part_has_its_checkpoint(
    there: Stage,
) -> None:
    there.fill("courses", [course(number, text="x" * 100_000) for number in range(20)])
    code = 'def up(item):\n    item["count"] += len(item["text"])\n    return item\n'
    sizes: list[int] = []
    spied(
        there.client,
        lambda operation, body: (
            sizes.append(len(body["TransactItems"]))
            if operation == "TransactWriteItems" and "courses" in str(body["TransactItems"][0])[:100]
            else None
        ),
    )
    there.apply(text("segments=1", code))
    assert [each["count"] for each in there.items("courses")] == [number + 100_000 for number in range(20)]
    assert len(sizes) > 1


@EACH_WAY
def test_an_empty_table_is_done_at_once(there: Stage, directives: str, code: str) -> None:
    there.apply(text(directives, code))
    assert there.recorded() == {"1": "applied"}


def test_an_interruption_stops_between_items_and_the_next_run_goes_on(there: Stage) -> None:
    there.fill("courses", [course(number) for number in range(120)])
    writes: list[str] = []

    def spy(operation: str, body: Mapping[str, Any]) -> None:
        if operation == "UpdateItem" and body["TableName"] == there.database.physical("courses"):
            writes.append(operation)
            if len(writes) == 30:
                there.client.interrupt()

    spied(there.client, spy)
    with pytest.raises(Interrupted):
        there.apply(text(VERSIONED, COUNT))
    with stage_again(there) as again:
        done = sum(each.get("v", 1) == 2 for each in again.items("courses"))
        assert 0 < done < 120
        again.apply(text(VERSIONED, COUNT))
        assert again.items("courses") == [transformed(number, v=2) for number in range(120)]


def test_a_run_whose_lease_was_ended_from_outside_records_nothing_more(there: Stage) -> None:
    from seedbed.engines.dynamodb.store import history, lease_store

    there.fill("courses", [course(number) for number in range(200)])
    before: dict[int, str] = {}

    def ended() -> None:
        with stage_again(there) as other:
            for event in there.events(text("batch=10 segments=1", COUNT)):
                if isinstance(event, WorkProgressed) and not before:
                    lease_store.unlock(other.database, actor="test")
                    before.update(history.checkpoints(there.database, "1"))

    with pytest.raises(LeaseLost):
        ended()
    done = [each["count"] - int(each["id"][2:]) for each in there.items("courses")]
    assert set(done) <= {0, 1}
    with stage_again(there) as again:
        assert set(history.checkpoints(again.database, "1")) == set(before)
        again.apply(text("batch=10 segments=1", COUNT))
        assert again.items("courses") == [transformed(number) for number in range(200)]


def test_a_table_that_is_not_deployed_is_named(there: Stage) -> None:
    there.database._shapes["lessons"] = LESSONS
    with pytest.raises(Refused, match="not deployed"):
        there.apply(text(PAGED, COUNT, "lessons"))


def test_progress_tells_how_many_of_how_many_and_how_fast(there: Stage) -> None:
    there.fill("courses", [course(number) for number in range(50)])
    told = [
        each for each in there.apply(text("batch=10 segments=1", COUNT)) if isinstance(each, WorkProgressed)
    ]
    assert [each.done for each in told[:5]] == [10, 20, 30, 40, 50]
    assert {each.unit for each in told} == {"items"}
    assert all("/s" in each.summary and "changed" in each.summary for each in told)
    assert told[0].total in {0, 50}


def test_a_migration_may_ask_for_fewer_units_and_never_for_more(world: World) -> None:
    from seedbed.engines.dynamodb.running.transform.job import least

    assert (least("50", 100.0), least("500", 100.0), least(None, 100.0), least("50", 0.0)) == (
        50,
        100,
        100,
        50,
    )
    assert least(None, 0.0) == 0.0


@EACH_WAY
def test_a_budget_is_kept_by_every_way_of_writing(world: World, directives: str, code: str) -> None:
    import time

    shape: TableShape = indexed(replace(COURSES, version_attribute="v"), "teacher")
    with stage(world, shape, write_units=100.0) as there:
        there.fill("courses", [course(number, teacher="t") for number in range(60)])
        began = time.monotonic()
        there.apply(text(directives, code))
        seconds = time.monotonic() - began
        # Table and index are written for each item, twice as expensive in transactions.
        units = 60 * 2 * (2 if directives == PAGED else 1)
        assert seconds > units / 100 * 0.8
