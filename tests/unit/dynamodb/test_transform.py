"""What a migration's function makes of an item: changes, deletions, new items, and what is refused by its key."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.running.transform.checkpoint import SegmentCheckpoint, resumed
from seedbed.engines.dynamodb.running.transform.costs import outcome_units, write_units
from seedbed.engines.dynamodb.running.transform.outcome import ItemOutcome, ItemTransformer
from seedbed.engines.dynamodb.running.transform.values import Item, key_id, same
from seedbed.engines.dynamodb.schema.shape import IndexShape, Key, Projection, TableShape
from seedbed.engines.dynamodb.wire.sizes import attribute_size, item_size
from seedbed.engines.dynamodb.wire.values import from_attribute, to_item
from seedbed.errors import StepFailed
from seedbed.model.migration import Direction
from tests.support.dynamodb.tables import COURSES, LESSONS, indexed, migration

VERSIONED, PAGED = "table=courses from=1 to=2", "table=courses"
REPEATABLE = 'table=courses repeatable because "it looks"'


def transformer(
    body: str,
    directives: str = PAGED,
    shape: TableShape = COURSES,
    direction: Direction = Direction.UP,
    down: str = "",
) -> ItemTransformer:
    lines = "\n    ".join(body.split("\n"))
    text = f"# seedbed: {directives}\ndef up(item):\n    {lines}\n"
    if down:
        text += f"def down(item):\n    {down}\n"
    found = migration(text)
    return ItemTransformer(found, direction, found.steps(direction)[0], shape)


def plain(item: Item) -> dict[str, Any]:
    return {name: from_attribute(value) for name, value in item.items()}


def outcome(
    body: str, item: dict[str, Any], directives: str = PAGED, shape: TableShape = COURSES
) -> ItemOutcome:
    return transformer(body, directives, shape)(to_item(item))


def failure(
    body: str, item: dict[str, Any], directives: str = PAGED, shape: TableShape = COURSES
) -> StepFailed:
    with pytest.raises(StepFailed) as caught:
        outcome(body, item, directives, shape)
    return caught.value


ITEM = {"id": "c-1", "title": "Algebra", "count": 1, "tags": ["a"], "views": 7}


def test_only_what_changed_is_set_and_only_what_was_looked_at_is_read() -> None:
    found = outcome("item['count'] += 1; return item", ITEM)
    assert found.sets == {"count": {"N": "2"}}
    assert found.removes == ()
    assert found.reads == {"count"}
    assert not found.has_read_everything


def test_a_change_inside_of_a_value_is_a_change() -> None:
    assert outcome("item['tags'].append('b'); return item", ITEM).sets == {
        "tags": {"L": [{"S": "a"}, {"S": "b"}]}
    }


def test_what_is_left_out_of_a_new_dict_is_removed() -> None:
    found = outcome("return {'id': item['id'], 'title': {'en': item['title']}}", ITEM)
    assert found.sets == {"title": {"M": {"en": {"S": "Algebra"}}}}
    assert set(found.removes) == {"count", "tags", "views"}
    assert found.reads == {"id", "title"}


@pytest.mark.parametrize(
    "body",
    [
        "return item",
        "item['title']; return item",
        "item['count'] = 1; return item",
        "return dict(item)",
        "return [item]",
    ],
)
def test_what_stays_the_same_is_no_change(body: str) -> None:
    assert outcome(body, ITEM).is_unchanged


def test_true_and_one_are_not_the_same() -> None:
    assert outcome("item['count'] = True; return item", ITEM).sets == {"count": {"BOOL": True}}


@pytest.mark.parametrize("body", ["return None", "return []", "return ()"])
def test_nothing_returned_deletes_the_item(body: str) -> None:
    found = outcome(body, ITEM)
    assert found.is_deleted
    assert found.after is None


def test_a_list_is_the_item_and_new_ones() -> None:
    found = outcome("item['count'] = 2; return [item, {'id': item['id'] + 'x', 'n': 1}]", ITEM, VERSIONED)
    assert found.sets == {"count": {"N": "2"}, "v": {"N": "2"}}
    assert [plain(each) for each in found.new] == [{"id": "c-1x", "n": 1, "v": 2}]


def test_another_key_is_a_deletion_and_a_new_item_with_everything_in_it() -> None:
    found = outcome("item['id'] = 'd-1'; return item", ITEM, VERSIONED)
    assert found.is_deleted
    assert found.has_read_everything
    assert [plain(each) for each in found.new] == [{**ITEM, "id": "d-1", "v": 2}]


def test_the_version_is_written_by_the_engine_whatever_the_function_leaves() -> None:
    for body in (
        "return item",
        "item['v'] = 2; return item",
        "return {'id': item['id']}",
        "item.pop('v', 0); return item",
    ):
        assert outcome(body, ITEM, VERSIONED).sets["v"] == {"N": "2"}
        assert outcome(body, {**ITEM, "v": 1}, VERSIONED).sets["v"] == {"N": "2"}
        assert "v" not in outcome(body, {**ITEM, "v": 1}, VERSIONED).removes


def test_down_leads_back_to_the_version_before() -> None:
    back = transformer("return item", VERSIONED, direction=Direction.DOWN, down="return item")
    assert back.versions is not None
    assert (back.versions.before, back.versions.after) == (2, 1)
    assert back(to_item({**ITEM, "v": 2})).sets == {"v": {"N": "1"}}


def test_an_item_without_a_version_has_the_first() -> None:
    versions = transformer("return item", VERSIONED).versions
    assert versions is not None
    assert versions.is_before(to_item({"id": "1"}))
    assert versions.is_before(to_item({"id": "1", "v": 1}))
    assert not versions.is_before(to_item({"id": "1", "v": 2}))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise ValueError('no title')", "`up` raised ValueError: no title"),
        ("return item['no']", "KeyError: 'no'"),
        ("raise SystemExit", "SystemExit"),
        ("return 1", "returned int"),
        ("return [1]", "returned int"),
        ("return 'x'", "returned str"),
        ("return {1: 2}", "not text"),
        ("return {'title': 'x'}", "without its key attribute 'id'"),
        ("del item['id']; return item", "without its key attribute 'id'"),
        ("item['id'] = 5; return item", "made 'id' a number"),
        ("return [item, item]", "2 times"),
        ("item['a'] = 1.5; return item", "a is a float: 1.5"),
        ("item['a'] = {'b': [1, {'c': 0.1}]}; return item", "a.b[1].c is a float"),
        ("item['a'] = object(); return item", "a is a object"),
        ("item['a'] = set(); return item", "the set is empty"),
        ("item['a'] = []; item['a'].append(item['a']); return item", "contains itself"),
        ("item['a'] = 'x' * 500_000; return item", "would have 500,"),
    ],
)
def test_what_cannot_be_is_refused_with_the_items_key_and_the_place(body: str, says: str) -> None:
    error = failure(body, ITEM)
    assert says in error.what
    assert "id=c-1" in error.what
    assert error.at is not None
    assert error.at.path == "migrations/1_m.py"


def test_what_the_code_raised_is_found_at_its_line() -> None:
    error = failure("x = 1\nraise ValueError('no title')", ITEM)
    assert str(error.at) == "migrations/1_m.py:4"


def test_a_composite_key_is_named_whole() -> None:
    error = failure("return 1", {"course": "a", "number": 7}, "table=lessons", LESSONS)
    assert "course=a number=7" in error.what


@pytest.mark.parametrize("body", ["item['v'] = 3; return item", "return [item, {'id': 'x', 'v': 7}]"])
def test_the_version_is_not_the_functions_to_set(body: str) -> None:
    assert "leave 'v' alone" in failure(body, ITEM, VERSIONED).try_


def test_a_table_without_versions_cannot_be_transformed_by_them() -> None:
    with pytest.raises(StepFailed, match="have none"):
        transformer("return item", VERSIONED, replace(COURSES, version_attribute=""))


def test_new_items_are_refused_where_the_scan_might_come_to_them() -> None:
    assert "from=1 to=2" in failure("return [item, {'id': 'x'}]", ITEM).try_


def test_two_new_items_with_one_key_are_refused() -> None:
    error = failure("return [item, {'id': 'x'}, {'id': 'x', 'a': 1}]", ITEM, VERSIONED)
    assert "two items with the key id=x" in error.what


def test_what_is_said_to_be_repeatable_is_tried_again_before_it_is_written() -> None:
    assert "changes its own result" in failure("item['count'] += 1; return item", ITEM, REPEATABLE).what
    body = "item['title'] = {'en': item['title']} if isinstance(item['title'], str) else item['title']; return item"
    assert outcome(body, ITEM, REPEATABLE).sets == {"title": {"M": {"en": {"S": "Algebra"}}}}


def test_a_key_of_an_index_has_to_keep_its_type() -> None:
    shape = indexed(COURSES, "teacher")
    assert "part of a key" in failure("item['teacher'] = 5; return item", ITEM, shape=shape).because


# Values


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"N": "1"}, {"N": "1.0"}, True),
        ({"N": "1E2"}, {"N": "100"}, True),
        ({"N": "1"}, {"S": "1"}, False),
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}, True),
        ({"NS": ["1", "2"]}, {"NS": ["2.0", "1"]}, True),
        ({"L": [{"N": "1"}]}, {"L": [{"N": "1.0"}]}, True),
        ({"L": [{"N": "1"}]}, {"L": []}, False),
        ({"M": {"a": {"N": "1"}}}, {"M": {"a": {"N": "1.0"}}}, True),
        ({"M": {"a": {"N": "1"}}}, {"M": {"b": {"N": "1"}}}, False),
        ({"BOOL": True}, {"BOOL": False}, False),
        (None, {"NULL": True}, False),
        (None, None, True),
    ],
)
def test_attributes_are_equal_as_the_server_compares_them(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


def test_sizes_are_those_of_the_developer_guide() -> None:
    assert attribute_size({"S": "é"}) == 2
    assert attribute_size({"BOOL": True}) == 1
    assert attribute_size({"B": "YWJj"}) == 3
    assert attribute_size({"N": "-1234"}) == 4
    assert attribute_size({"M": {"ab": {"S": "c"}}}) == 3 + 1 + 2 + 1
    assert item_size(to_item({"id": "1", "ab": "cde"})) == 2 + 1 + 2 + 3


def test_keys_are_the_same_item_where_their_numbers_are_equal() -> None:
    assert key_id({"n": {"N": "1"}}) == key_id({"n": {"N": "1.0"}})
    assert key_id({"n": {"N": "1"}}) != key_id({"n": {"S": "1"}})


# Costs


def shape_of(*indexes: IndexShape) -> TableShape:
    return replace(COURSES, global_indexes=indexes)


BY_TEACHER = IndexShape("by_teacher", Key(("teacher",)), Projection("KEYS_ONLY"))
BY_TITLE = IndexShape("by_title", Key(("title",)), Projection("INCLUDE", ("views",)))
BY_ALL = IndexShape("by_all", Key(("teacher",), ("views",)), Projection())


@pytest.mark.parametrize(
    ("before", "after", "indexes", "units"),
    [
        (None, {"id": "1"}, (), 1),
        ({"id": "1"}, None, (), 1),
        ({"id": "1"}, {"id": "1", "a": "x" * 1100}, (), 2),
        ({"id": "1", "a": "x" * 1100}, {"id": "1"}, (), 2),
        ({"id": "1"}, {"id": "1", "a": 1}, (BY_TEACHER,), 1),
        ({"id": "1"}, {"id": "1", "teacher": "t"}, (BY_TEACHER,), 2),
        ({"id": "1", "teacher": "t"}, {"id": "1", "teacher": "u"}, (BY_TEACHER,), 3),
        ({"id": "1", "teacher": "t"}, None, (BY_TEACHER,), 2),
        ({"id": "1", "teacher": "t", "a": 1}, {"id": "1", "teacher": "t", "a": 2}, (BY_TEACHER,), 1),
        ({"id": "1", "title": "t", "views": 1}, {"id": "1", "title": "t", "views": 2}, (BY_TITLE,), 2),
        (
            {"id": "1", "title": "t", "views": 1},
            {"id": "1", "title": "u", "views": 1},
            (BY_TITLE, BY_TEACHER),
            3,
        ),
        ({"id": "1", "teacher": "t"}, {"id": "1", "teacher": "t", "views": 1}, (BY_ALL,), 2),
    ],
)
def test_a_write_costs_what_the_table_and_its_touched_indexes_take(
    before: Any, after: Any, indexes: tuple[IndexShape, ...], units: float
) -> None:
    old, new = (to_item(each) if each else None for each in (before, after))
    assert write_units(old, new, shape_of(*indexes)) == units


def test_new_items_cost_what_they_are_besides_the_item() -> None:
    found = outcome("item['teacher'] = 't'; return [item, {'id': 'x'}]", {"id": "1"}, VERSIONED)
    assert outcome_units(found, shape_of(BY_TEACHER)) == 3
    assert outcome_units(outcome("return item", {"id": "1"}), shape_of(BY_TEACHER)) == 0


# Checkpoints


def test_a_checkpoint_comes_back_as_it_was() -> None:
    standing = SegmentCheckpoint(4, 2, {"id": {"S": "x"}}, scanned=10, found=3, changed=7)
    assert SegmentCheckpoint.from_text(standing.to_text()) == standing


def test_a_run_goes_on_in_as_many_segments_as_it_was_begun_with() -> None:
    texts = {1: SegmentCheckpoint(3, 1, {"id": {"S": "x"}}, scanned=5).to_text()}
    first, second, third = resumed(texts, 8)
    assert (first.key, second.key, third.key) == (None, {"id": {"S": "x"}}, None)
    assert first.segments == 3
    assert len(resumed({}, 8)) == 8


def test_a_segment_that_ended_the_pass_before_begins_the_one_that_others_are_in() -> None:
    texts = {
        0: SegmentCheckpoint(2, 1, None, True, scanned=9, found=4, changed=4).to_text(),
        1: SegmentCheckpoint(2, 2, {"id": {"S": "x"}}, scanned=5).to_text(),
    }
    first, second = resumed(texts, 1)
    assert (first.pass_, first.key, first.is_over, first.scanned, first.found, first.changed) == (
        2,
        None,
        False,
        0,
        0,
        4,
    )
    assert second.scanned == 5
