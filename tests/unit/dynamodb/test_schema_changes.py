"""What is different between two shapes, in words: what can be done, in which update, and what cannot, with the way round."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.schema.changes import changes
from seedbed.engines.dynamodb.schema.shape import (
    IndexShape,
    Key,
    KeyType,
    Projection,
    TableShape,
    TableShapes,
)
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase

TYPES: dict[str, KeyType] = {"id": "S", "part": "S", "teacher": "S", "at": "N"}
BY_TEACHER = IndexShape("by_teacher", Key(("teacher",)))
BY_AGE = IndexShape("by_age", Key(("teacher",), ("at",)), Projection("KEYS_ONLY"))
BY_LENGTH = IndexShape("by_length", Key(("id",), ("at",)))


def table(name: str = "courses", **fields: Any) -> TableShape:
    return TableShape(name, **{"key": Key(("id",), ("part",)), "key_types": TYPES, **fields})


def told(
    old: TableShape | None, new: TableShape | None, gate: Phase = Phase.CONTRACT
) -> list[tuple[str, str, int]]:
    """Return phase, words and update of every change; none of them may be refused."""
    found = _changes(old, new, gate)
    assert not any(each.refused for each in found)
    return [(each.phase.value, each.what, each.update) for each in found]


def refused(old: TableShape, new: TableShape, gate: Phase = Phase.EXPAND) -> Change:
    (only,) = (each for each in _changes(old, new, gate) if each.refused)
    assert only.try_
    return only


def _changes(old: TableShape | None, new: TableShape | None, gate: Phase) -> tuple[Change, ...]:
    return changes(TableShapes((old,) if old else ()), TableShapes((new,) if new else ()), gate)


def test_equal_shapes_have_no_changes_nor_have_items_of_another_form() -> None:
    assert told(table(), table()) == []
    assert told(table(), table(attributes={"title": "M"}, version_attribute="v", version=3)) == []


def test_a_new_table_is_one_update_with_all_its_indexes() -> None:
    new = table(global_indexes=(BY_AGE, BY_TEACHER), local_indexes=(BY_LENGTH,), ttl="x", stream="NEW_IMAGE")
    assert told(None, new) == [
        ("expand", "courses: add the table, with indexes by_age, by_teacher, by_length", 1)
    ]
    assert told(None, table()) == [("expand", "courses: add the table", 1)]


def test_each_index_of_a_table_takes_a_update() -> None:
    new = table(global_indexes=(BY_AGE, BY_TEACHER))
    assert told(table(), new) == [
        ("expand", "courses: add index by_age", 1),
        ("expand", "courses: add index by_teacher", 2),
    ]
    assert told(new, table()) == [
        ("contract", "courses: remove index by_age", 1),
        ("contract", "courses: remove index by_teacher", 2),
    ]


def test_tables_change_side_by_side() -> None:
    old = TableShapes((table("a"), table("b", global_indexes=(BY_AGE,))))
    new = TableShapes(
        (table("a", global_indexes=(BY_AGE, BY_TEACHER)), table("b", global_indexes=(BY_TEACHER,)))
    )
    assert [(each.what, each.update) for each in changes(old, new)] == [
        ("a: add index by_age", 1),
        ("b: add index by_teacher", 1),
        ("a: add index by_teacher", 2),
        ("b: remove index by_age", 3),
    ]


def test_below_contract_nothing_is_removed() -> None:
    old = table(global_indexes=(BY_AGE,), stream="NEW_IMAGE", ttl="x")
    assert told(old, table(global_indexes=(BY_TEACHER,)), Phase.MIGRATE) == [
        ("expand", "courses: add index by_teacher", 1)
    ]
    assert told(old, None, Phase.EXPAND) == []


def test_expiry_and_streams_begin_at_expand_and_end_at_contract() -> None:
    new = table(stream="NEW_IMAGE", ttl="expires_at", global_indexes=(BY_AGE,))
    assert told(table(), new) == [
        ("expand", "courses: let items expire by expires_at", 1),
        ("expand", "courses: begin a stream of NEW_IMAGE", 1),
        ("expand", "courses: add index by_age", 2),
    ]
    assert told(new, table()) == [
        ("contract", "courses: remove index by_age", 1),
        ("contract", "courses: end the stream of NEW_IMAGE", 2),
        ("contract", "courses: no longer let items expire by expires_at", 2),
    ]


def test_a_table_goes_last_and_with_its_items() -> None:
    old = TableShapes((table("a"), table("b", global_indexes=(BY_AGE,))))
    assert [(each.what, each.update) for each in changes(old, TableShapes((table("b"),)))] == [
        ("a: remove the table, and the items in it", 1),
        ("b: remove index by_age", 1),
    ]


def test_a_renamed_table_is_another_one_and_that_is_said() -> None:
    assert [
        (each.what, each.update)
        for each in changes(TableShapes((table("old"),)), TableShapes((table("new"),)))
    ] == [
        ("new: add the table", 1),
        ("old: remove the table, and the items in it; new is a new table, nothing is moved to it", 2),
    ]


@pytest.mark.parametrize(
    ("old", "new", "what", "try_"),
    [
        (
            table(),
            table(key=Key(("id",))),
            "courses: change the key from (id, part) to (id)",
            "declare a new table (courses_2)",
        ),
        (
            table(),
            table(key_types={**TYPES, "part": "N"}),
            "courses: change the type of the key part from S to N",
            "declare a new table (courses_2)",
        ),
        (
            table(global_indexes=(BY_AGE,)),
            table(global_indexes=(replace(BY_AGE, key=Key(("part",))),)),
            "courses: change index by_age, its key from (teacher, at) to (part)",
            "declare it under a new name (by_age_2)",
        ),
        (
            table(global_indexes=(BY_AGE,)),
            table(global_indexes=(BY_AGE,), key_types={**TYPES, "at": "S"}),
            "courses: change index by_age, the type of its key at from N to S",
            "declare it under a new name (by_age_2)",
        ),
        (
            table(global_indexes=(BY_AGE,)),
            table(global_indexes=(replace(BY_AGE, projection=Projection("INCLUDE", ("a", "b"))),)),
            "courses: change index by_age, its projection from KEYS_ONLY to [a, b]",
            "declare it under a new name (by_age_2)",
        ),
        (
            table(),
            table(local_indexes=(BY_LENGTH,)),
            "courses: add local index by_length",
            "[tables.courses.indexes.by_length]",
        ),
        (
            table(local_indexes=(BY_LENGTH,)),
            table(),
            "courses: remove local index by_length",
            "leave it declared",
        ),
        (
            table(local_indexes=(BY_LENGTH,)),
            table(local_indexes=(replace(BY_LENGTH, projection=Projection("KEYS_ONLY")),)),
            "courses: change local index by_length, its projection from ALL to KEYS_ONLY",
            "[tables.courses.indexes.by_length_2]",
        ),
        (
            table(ttl="old"),
            table(ttl="new"),
            "courses: let items expire by new instead of old",
            "after an hour",
        ),
        (
            table(stream="NEW_IMAGE"),
            table(stream="KEYS_ONLY"),
            "courses: change the stream from NEW_IMAGE to KEYS_ONLY",
            "deploy without stream",
        ),
    ],
)
@pytest.mark.parametrize("gate", list(Phase))
def test_what_no_update_can_do_is_refused_at_every_gate_with_the_way_round(
    old: TableShape, new: TableShape, what: str, try_: str, gate: Phase
) -> None:
    change = refused(old, new, gate)
    assert change.what == what
    assert try_ in change.try_


def indexes(first: int, count: int, projected: int = 0) -> tuple[IndexShape, ...]:
    projection = (
        Projection("INCLUDE", tuple(f"p{each}" for each in range(projected))) if projected else Projection()
    )
    return tuple(
        IndexShape(f"by_{each:02}", Key(("teacher",)), projection) for each in range(first, first + count)
    )


def test_an_index_is_removed_first_only_where_twenty_are_there() -> None:
    old, new = table(global_indexes=indexes(0, 20)), table(global_indexes=indexes(2, 20))
    assert told(old, new) == [
        ("contract", "courses: remove index by_00", 1),
        ("expand", "courses: add index by_20", 2),
        ("contract", "courses: remove index by_01", 3),
        ("expand", "courses: add index by_21", 4),
    ]
    nineteen = table(global_indexes=indexes(0, 19))
    assert [what for _, what, _ in told(nineteen, table(global_indexes=indexes(1, 19)))] == [
        "courses: add index by_19",
        "courses: remove index by_00",
    ]


@pytest.mark.parametrize(
    ("old", "new", "because"),
    [
        (
            table(global_indexes=indexes(0, 20)),
            table(global_indexes=indexes(1, 20)),
            "the table has 20 indexes, and DynamoDB takes 20",
        ),
        (
            table(global_indexes=indexes(0, 5, projected=20)),
            table(global_indexes=indexes(1, 5, projected=20)),
            "its indexes would list more than 100 attributes",
        ),
        (
            table(global_indexes=(BY_AGE,)),
            table(
                global_indexes=(IndexShape("by_day", Key(("teacher",), ("at",))),),
                key_types={**TYPES, "at": "S"},
            ),
            "at is S in it and N in by_age, and a table knows one type of an attribute",
        ),
    ],
)
def test_an_index_that_has_no_room_waits_for_contract(old: TableShape, new: TableShape, because: str) -> None:
    change = refused(old, new, Phase.EXPAND)
    assert change.refused.startswith(because)
    assert change.refused.endswith("removing waits for contract")
    first, second = told(old, new, Phase.CONTRACT)
    assert (first[0], first[2], second[0], second[2]) == ("contract", 1, "expand", 2)
