"""Whatever a function does to an item: the update says exactly that, and depends on nothing that was not recorded."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from seedbed.engines.dynamodb.running.transform import expressions
from seedbed.engines.dynamodb.running.transform.checkpoint import SegmentCheckpoint, resumed
from seedbed.engines.dynamodb.running.transform.expressions import ComparedAttribute
from seedbed.engines.dynamodb.running.transform.outcome import ItemOutcome, ItemTransformer
from seedbed.engines.dynamodb.running.transform.recording import RecordedItem
from seedbed.engines.dynamodb.running.transform.values import same, same_item
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.wire.sizes import attribute_size
from seedbed.engines.dynamodb.wire.values import from_attribute, from_item, to_attribute, to_item
from seedbed.model.migration import Direction
from tests.support.dynamodb.tables import COURSES, migration

patient = settings(deadline=None)
NAMES = ["a", "b", "c", "d"]
names = st.sampled_from(NAMES)
numbers = st.integers(-(10**6), 10**6) | st.decimals(-1000, 1000, places=3)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=5) | st.binary(max_size=5)
sets = st.sets(st.text(max_size=3), min_size=1, max_size=3) | st.sets(
    st.integers(0, 9), min_size=1, max_size=3
)
values = st.recursive(
    scalars | sets,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
items = st.dictionaries(names, values, max_size=4).map(lambda item: {"id": "1", **item})

Act = Callable[[dict[str, Any]], None]


def setting(name: str, value: Any) -> Act:
    return lambda item: item.__setitem__(name, deepcopy(value))


def copying(source: str, to: str) -> Act:
    def act(item: dict[str, Any]) -> None:
        if source in item:
            item[to] = item[source]

    return act


def renaming(source: str, to: str) -> Act:
    return lambda item: item.__setitem__(to, item.pop(source, "nothing"))


def removing(name: str) -> Act:
    return lambda item: item.pop(name, None) and None


def inside(name: str, value: Any) -> Act:
    def act(item: dict[str, Any]) -> None:
        match item.get(name):
            case list() as found:
                found.append(value)
            case dict() as found:
                found["new"] = value
            case set() as found:
                found.clear()
                found.add("only")

    return act


def counting(name: str) -> Act:
    return lambda item: item.__setitem__(name, len(item))


def listing(name: str) -> Act:
    return lambda item: item.__setitem__(name, sorted(each for each in item if each != "id"))


def defaulting(name: str, value: Any) -> Act:
    return lambda item: item.setdefault(name, deepcopy(value)) and None


acts = st.one_of(
    st.builds(setting, names, values),
    st.builds(copying, names, names),
    st.builds(renaming, names, names),
    st.builds(removing, names),
    st.builds(inside, names, scalars),
    st.builds(counting, names),
    st.builds(listing, names),
    st.builds(defaulting, names, values),
)
programs = st.lists(acts, max_size=5)
finishes = st.sampled_from(
    [lambda item: item, dict, lambda item: {**item}, lambda item: item.copy(), lambda item: [item]]
)


class Given(ItemTransformer):
    """A transformer whose function is at hand."""

    def __init__(self, function: Callable[[dict[str, Any]], Any], shape: TableShape = COURSES) -> None:
        found = migration("# seedbed: table=courses\ndef up(item): return item\n")
        super().__init__(found, Direction.UP, found.up[0], shape)
        self._function = function


def transforming(
    program: list[Act], finish: Callable[[dict[str, Any]], Any]
) -> Callable[[dict[str, Any]], Any]:
    def function(item: dict[str, Any]) -> Any:
        for act in program:
            act(item)
        return finish(item)

    return function


def applied(item: dict[str, Any], program: list[Act]) -> dict[str, Any]:
    """Return what a program makes of a plain dict."""
    plain = from_item(to_item(item))
    for act in program:
        act(plain)
    return plain


@patient
@given(items, programs, finishes)
def test_the_update_is_exactly_what_the_function_did(
    item: dict[str, Any], program: list[Act], finish: Callable[[dict[str, Any]], Any]
) -> None:
    raw = to_item(item)
    outcome = Given(transforming(program, finish))(raw)
    after = outcome.after
    assert after is not None
    assert same_item(after, to_item(applied(item, program)))
    for name in outcome.sets:
        assert not same(raw.get(name), outcome.sets[name])
    assert set(outcome.removes) <= raw.keys()
    assert raw == to_item(item)


@patient
@given(items, programs, names, values)
def test_what_was_not_recorded_could_have_been_anything(
    item: dict[str, Any], program: list[Act], name: str, value: Any
) -> None:
    function = transforming(program, lambda item: item)
    one = Given(function)(to_item(item))
    if name in one.reads or one.has_read_everything:
        return
    for other in ({**item, name: value}, {key: each for key, each in item.items() if key != name}):
        found = Given(function)(to_item(other))
        assert not found.has_read_everything
        if name not in one.sets and name not in one.removes and name not in found.sets:
            assert (found.sets, found.removes, found.reads) == (one.sets, one.removes, one.reads)


@patient
@given(items, programs)
def test_every_attribute_that_a_result_depends_on_or_changes_is_compared(
    item: dict[str, Any], program: list[Act]
) -> None:
    raw = to_item(item)
    outcome: ItemOutcome = Given(transforming(program, lambda item: item))(raw)
    names = {*outcome.reads, *outcome.sets, *outcome.removes} - {"id"}
    compared = ComparedAttribute.as_it_was(raw, names)
    if outcome.sets or outcome.removes:
        body = expressions.update(
            "t", outcome.key, sets=outcome.sets, removes=outcome.removes, compared=compared
        )
        used = body["ConditionExpression"].count("#") - 1
        assert used == len(names)
        assert set(body["ExpressionAttributeNames"].values()) == names | {"id"}


@patient
@given(values)
def test_a_value_is_the_same_as_itself_after_a_round_trip(value: Any) -> None:
    attribute = to_attribute(value)
    assert same(attribute, to_attribute(from_attribute(attribute)))
    assert attribute_size(attribute) >= 0


@patient
@given(st.decimals(-(10**9), 10**9, places=4), st.integers(0, 3))
def test_numbers_are_the_same_however_they_are_written(number: Decimal, zeros: int) -> None:
    text = f"{number:f}"
    assert same({"N": text}, {"N": text + "0" * zeros if "." in text else text})


@patient
@given(items)
def test_a_recorded_item_looks_like_the_dict_that_it_stands_for(item: dict[str, Any]) -> None:
    recorded = RecordedItem(to_item(item), from_attribute)
    assert dict(recorded) == from_item(to_item(item))
    assert recorded == from_item(to_item(item))


@patient
@given(
    st.dictionaries(
        st.integers(0, 4),
        st.builds(
            SegmentCheckpoint,
            st.just(5),
            st.integers(1, 3),
            st.none(),
            st.booleans(),
            found=st.integers(0, 2),
        ),
    ),
    st.integers(1, 9),
)
def test_a_resumed_walk_has_all_its_segments_in_one_pass(
    found: dict[int, SegmentCheckpoint], asked: int
) -> None:
    standings = resumed({number: each.to_text() for number, each in found.items()}, asked)
    assert len(standings) == (5 if found else asked)
    assert len({each.pass_ for each in standings}) == 1
    for number, each in found.items():
        if each.pass_ == standings[0].pass_:
            assert standings[number] == each
        else:
            assert not standings[number].is_over
