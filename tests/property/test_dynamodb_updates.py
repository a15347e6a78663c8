"""Properties of updates: whatever two templates look like, no update asks for more than AWS does at once.

`refusals_of_aws` is written from what DynamoDB and CloudFormation say they refuse, and knows nothing of how the
updates are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from seedbed.engines.dynamodb.schema import template
from seedbed.engines.dynamodb.schema.changes import changes
from seedbed.engines.dynamodb.schema.shape import (
    HISTORY_TABLE,
    IndexShape,
    Key,
    KeyType,
    Projection,
    StreamView,
    TableShape,
    TableShapes,
)
from seedbed.engines.dynamodb.schema.stack_updates import stack_updates
from seedbed.errors import Refused
from seedbed.model.deployment import StackUpdate, Template
from seedbed.model.migration import Phase

# -----------------------------------------------------------------------------------------------------------
# Templates
# -----------------------------------------------------------------------------------------------------------

_POOL = 26  # indexes that a table may have; the two of a pair want one attribute in two types
_VIEWS: tuple[StreamView, ...] = ("KEYS_ONLY", "NEW_IMAGE")


def _index(number: int) -> tuple[IndexShape, dict[str, KeyType]]:
    """Return an index of the pool, the same for ever, and the types of its keys."""
    shared, own = f"shared_{number // 2}", f"own_{number}"
    key = Key((shared,), (own,)) if number % 3 else Key((shared, "id"), (own, "place"))
    types: dict[str, KeyType] = {shared: "S" if number % 2 else "N", own: "N"}
    if number % 3 == 0:
        types |= {"id": "S", "place": "S"}
    listed = tuple(sorted(f"p{each}" for each in range(number % 5 * 4)))
    return IndexShape(
        f"by_{number:02}", key, Projection("INCLUDE", listed) if listed else Projection()
    ), types


def _table(name: str, numbers: list[int], ttl: str, stream: StreamView | None) -> TableShape:
    types: dict[str, KeyType] = {"id": "S", "place": "S", "rank": "N"}
    found: list[IndexShape] = []
    for number in sorted(numbers):
        index, needed = _index(number)
        if any(types.get(each, type_) != type_ for each, type_ in needed.items()):
            continue
        if sum(len(each.projection.attributes) for each in [*found, index]) > 100 or len(found) == 20:
            continue
        types |= needed
        found.append(index)
    local = (
        (IndexShape("by_rank", Key(("id",), ("rank",)), Projection("KEYS_ONLY")),) if name == "one" else ()
    )
    table = TableShape(name, Key(("id",), ("place",)), {}, tuple(found), local, ttl=ttl, stream=stream or "")
    return template.with_types(table, types)


_numbers = st.one_of(
    st.lists(st.integers(0, _POOL - 1), unique=True, max_size=4),
    st.lists(st.integers(0, _POOL - 1), unique=True, min_size=16),
)
_ttls = st.sampled_from(["", "", "expires_at"])
_streams: st.SearchStrategy[StreamView | None] = st.sampled_from([None, None, "NEW_IMAGE"])


@st.composite
def _stacks(draw: st.DrawFn) -> TableShapes:
    names = draw(st.lists(st.sampled_from(["one", "two", "three"]), unique=True, max_size=3))
    return TableShapes(
        tuple(_table(name, draw(_numbers), draw(_ttls), draw(_streams)) for name in sorted(names))
    )


def _stack(tables: TableShapes, others: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return a stack's template as our constructs write it, with things that refer to streams."""
    resources: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    for table in (*tables.tables, HISTORY_TABLE):
        logical_id = f"{table.name.title().replace('_', '')}Table0A1B2C3D"
        resources[logical_id] = {
            "Type": template.TYPE,
            "Metadata": template.metadata(table),
            "DeletionPolicy": "Delete",
            "Properties": {"TableName": f"courses-{table.name}-dev-ana", **template.properties(table)},
        }
        outputs[f"{table.name}Name"] = {"Value": {"Ref": logical_id}}
        if table.stream:
            arn = {"Fn::GetAtt": [logical_id, "StreamArn"]}
            resources[f"{table.name}Mapping"] = {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"EventSourceArn": arn},
            }
            outputs[f"{table.name}Stream"] = {"Value": arn}
    for name in sorted(others):
        resources[name] = {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Value": {"Ref": "HistoryName"}, "Tags": len(others)},
        }
    resources["CDKMetadata"] = {
        "Type": "AWS::CDK::Metadata",
        "Properties": {"Analytics": str([each.name for each in tables.tables])},
    }
    return {"Resources": resources, "Outputs": outputs, "Parameters": {"HistoryName": {"Type": "String"}}}


_others = st.frozensets(st.sampled_from(["ParameterA", "ParameterB", "ParameterC"]))
_below = st.sampled_from([Phase.EXPAND, Phase.MIGRATE])


# -----------------------------------------------------------------------------------------------------------
# AWS
# -----------------------------------------------------------------------------------------------------------


def _tables_in(stack: Template) -> dict[str, Any]:
    return {
        name: each["Properties"] for name, each in stack["Resources"].items() if each["Type"] == template.TYPE
    }


def _by_name(properties: Mapping[str, Any], kind: str = "GlobalSecondaryIndexes") -> dict[str, Any]:
    return {each["IndexName"]: each for each in properties.get(kind, ())}


def refusals_of_aws(before: Template | None, after: Template) -> Iterator[str]:
    """Yield why AWS would not carry out the update of a stack from `before` to `after`."""
    yield from _dangling(after)
    had, has = _tables_in(before) if before else {}, _tables_in(after)
    for name, properties in has.items():
        yield from _refused_table(name, properties)
        if name in had:
            yield from _refused_update(name, had[name], properties)


def _dangling(stack: Template) -> Iterator[str]:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "Ref" in value and value["Ref"] not in {*stack["Resources"], *stack["Parameters"]}:
                yield f"Ref to {value['Ref']}"
            if "Fn::GetAtt" in value:
                name = value["Fn::GetAtt"][0]
                if "StreamSpecification" not in stack["Resources"].get(name, {}).get("Properties", {}):
                    yield f"{name} has no StreamArn"
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    yield from references([stack["Resources"], stack["Outputs"]])


def _refused_table(name: str, properties: Mapping[str, Any]) -> Iterator[str]:
    indexes = [
        *properties.get("GlobalSecondaryIndexes", ()),
        *properties.get("LocalSecondaryIndexes", ()),
    ]
    used = {each["AttributeName"] for one in (properties, *indexes) for each in one["KeySchema"]}
    defined = [each["AttributeName"] for each in properties["AttributeDefinitions"]]
    if sorted(defined) != sorted(used):
        yield f"{name}: some AttributeDefinitions are not used, or lacking: {defined} for {used}"
    if len(_by_name(properties)) > 20:
        yield f"{name}: GlobalSecondaryIndex count exceeds the per-table limit"
    if sum(len(each["Projection"].get("NonKeyAttributes", ())) for each in indexes) > 100:
        yield f"{name}: too many projected attributes"
    if properties.get("GlobalSecondaryIndexes") == []:
        yield f"{name}: an empty list of indexes"


def _refused_update(name: str, had: Mapping[str, Any], has: Mapping[str, Any]) -> Iterator[str]:
    for each in ("TableName", "KeySchema", "LocalSecondaryIndexes"):
        if had.get(each) != has.get(each):
            yield f"{name}: {each} requires replacement, and the table has a fixed name"
    types, new_types = (
        {each["AttributeName"]: each["AttributeType"] for each in one["AttributeDefinitions"]}
        for one in (had, has)
    )
    old, new = _by_name(had), _by_name(has)
    kept = [had, *(old[each] for each in old.keys() & new.keys())]
    for attribute in {each["AttributeName"] for one in kept for each in one["KeySchema"]}:
        if types[attribute] != new_types[attribute]:
            yield f"{name}: {attribute} cannot be redefined while a key uses it"
    for each in old.keys() & new.keys():
        if old[each] != new[each]:
            yield f"{name}: index {each} cannot be changed"
    moved = len(old.keys() ^ new.keys())
    if moved > 1:
        yield f"{name}: Cannot perform more than one GSI creation or deletion in a single update"
    stream, new_stream = had.get("StreamSpecification"), has.get("StreamSpecification")
    if stream and new_stream and stream != new_stream:
        yield f"{name}: Table already has an enabled stream"
    if stream != new_stream and moved:
        yield f"{name}: only one of these operations at once"
    ttl, new_ttl = had.get("TimeToLiveSpecification"), has.get("TimeToLiveSpecification")
    if ttl and not new_ttl:
        yield f"{name}: AttributeName property of TimeToLiveSpecification is required"
    if ttl and new_ttl and ttl["Enabled"] and new_ttl["Enabled"] and ttl != new_ttl:
        yield f"{name}: TimeToLive is active on a different AttributeName"


def _accepted(deployed: Template | None, found: tuple[StackUpdate, ...]) -> None:
    for before, after in pairwise([deployed, *(each.template for each in found)]):
        assert after is not None
        assert list(refusals_of_aws(before, after)) == []


def _without_ttl_off(stack: Template) -> dict[str, Any]:
    """Return a template without what only says that items do not expire."""
    resources = {
        name: {
            **each,
            "Properties": {
                key: value
                for key, value in each["Properties"].items()
                if not (key == "TimeToLiveSpecification" and not value["Enabled"])
            },
        }
        for name, each in stack["Resources"].items()
    }
    return {**stack, "Resources": resources}


# -----------------------------------------------------------------------------------------------------------
# Properties
# -----------------------------------------------------------------------------------------------------------


@given(_stacks(), _stacks(), _others, _others)
def test_every_update_is_one_that_aws_carries_out_and_the_last_one_arrives(
    current: TableShapes, wanted: TableShapes, some: frozenset[str], other: frozenset[str]
) -> None:
    deployed, goal = _stack(current, some), _stack(wanted, other)
    found = stack_updates(deployed, goal, gate=Phase.CONTRACT)
    event(f"{len(found)} updates")
    _accepted(deployed, found)
    assert _without_ttl_off(found[-1].template if found else deployed)["Outputs"] == goal["Outputs"]
    if found:
        assert _without_ttl_off(found[-1].template) == goal
        assert all(each.changes for each in found)
    else:
        assert current == wanted
        assert some == other


@given(_stacks(), _stacks(), _others, st.sampled_from(list(Phase)), st.data())
def test_what_was_cut_off_goes_on_where_it_stands(
    current: TableShapes, wanted: TableShapes, some: frozenset[str], gate: Phase, data: st.DataObject
) -> None:
    deployed, goal = _stack(current, some), _stack(wanted)
    try:
        found = stack_updates(deployed, goal, gate=gate)
    except Refused:
        return
    if not found:
        return
    done = data.draw(st.integers(1, len(found)))
    rest = stack_updates(found[done - 1].template, goal, gate=gate)
    assert [each.template for each in rest] == [each.template for each in found[done:]]
    assert [each.waits_for for each in rest] == [each.waits_for for each in found[done:]]


@given(_stacks(), _stacks(), _others, _others, _below)
def test_below_contract_nothing_that_is_there_is_lost_and_everything_new_arrives(
    current: TableShapes, wanted: TableShapes, some: frozenset[str], other: frozenset[str], gate: Phase
) -> None:
    deployed, goal = _stack(current, some), _stack(wanted, other)
    try:
        found = stack_updates(deployed, goal, gate=gate)
    except Refused as refused:
        assert "removing waits for contract" in refused.because  # noqa: PT017  # one of two good ends
        return
    _accepted(deployed, found)
    for each in found:
        _holds_all_of(deployed, each.template)
    last = found[-1].template if found else deployed
    _holds_all_of(goal, last)
    assert not any(change.phase is Phase.CONTRACT for each in found for change in each.changes)
    removing = stack_updates(last, goal, gate=Phase.CONTRACT)
    _accepted(last, removing)
    assert _without_ttl_off(removing[-1].template if removing else last)["Outputs"] == goal["Outputs"]


def _holds_all_of(part: Template, whole: Template) -> None:
    assert part["Outputs"].keys() <= whole["Outputs"].keys()
    assert part["Resources"].keys() - {"CDKMetadata"} <= whole["Resources"].keys()
    has = _tables_in(whole)
    for name, properties in _tables_in(part).items():
        assert _by_name(properties).keys() <= _by_name(has[name]).keys()
        for each in ("StreamSpecification", "TimeToLiveSpecification"):
            assert each not in properties or properties[each] == has[name].get(each)


@given(_stacks(), _stacks(), st.sampled_from(list(Phase)))
def test_shapes_alone_tell_the_same_updates_as_templates(
    current: TableShapes, wanted: TableShapes, gate: Phase
) -> None:
    told = changes(current, wanted, gate)
    try:
        found = stack_updates(_stack(current), _stack(wanted), gate=gate)
    except Refused:
        assert any(each.refused for each in told)
        return
    assert not any(each.refused for each in told)
    names = {each.name for each in (*current.tables, *wanted.tables)}
    by_updates = [
        (number, change.what)
        for number, each in enumerate(found, 1)
        for change in each.changes
        if change.what.partition(":")[0] in names
    ]
    assert by_updates == [(each.update, each.what) for each in told]
    assert all(change.update == number for number, each in enumerate(found, 1) for change in each.changes)


@given(_stacks(), _stacks(), st.data())
def test_whatever_is_changed_it_is_refused_or_aws_carries_it_out(
    current: TableShapes, wanted: TableShapes, data: st.DataObject
) -> None:
    goal = _stack(wanted)
    deployed = _stack(current)
    for name, properties in _tables_in(goal).items():
        _distort(properties, data.draw(st.sampled_from(_DISTORTIONS), label=name))
    try:
        found = stack_updates(deployed, goal, gate=data.draw(st.sampled_from(list(Phase))))
    except Refused as refused:
        event("refused")
        assert refused.because  # noqa: PT017
        assert refused.try_  # noqa: PT017
        return
    event("carried out")
    _accepted(deployed, found)


_DISTORTIONS = ("", "", "", "key", "key type", "index key", "projection", "local", "ttl", "stream", "name")


def _distort(properties: dict[str, Any], how: str) -> None:
    indexes = properties.get("GlobalSecondaryIndexes", [])
    if how == "key" and "LocalSecondaryIndexes" not in properties:
        if not any("place" in str(each["KeySchema"]) for each in indexes):
            properties["KeySchema"] = properties["KeySchema"][:1]
            properties["AttributeDefinitions"] = [
                each for each in properties["AttributeDefinitions"] if each["AttributeName"] != "place"
            ]
    elif how == "key type":
        properties["AttributeDefinitions"] = [
            {**each, "AttributeType": "B"} if each["AttributeName"] == "id" else each
            for each in properties["AttributeDefinitions"]
        ]
    elif how == "index key" and indexes:
        indexes[0]["KeySchema"] = [*indexes[0]["KeySchema"][:-1]]
        used = str([properties["KeySchema"], properties.get("LocalSecondaryIndexes"), indexes])
        properties["AttributeDefinitions"] = [
            each for each in properties["AttributeDefinitions"] if f"'{each['AttributeName']}'" in used
        ]
    elif how == "projection" and indexes:
        indexes[-1]["Projection"] = {"ProjectionType": "KEYS_ONLY"}
    elif how == "local":
        properties.pop("LocalSecondaryIndexes", None)
        if not any("rank" in str(each["KeySchema"]) for each in indexes):
            properties["AttributeDefinitions"] = [
                each for each in properties["AttributeDefinitions"] if each["AttributeName"] != "rank"
            ]
    elif how == "ttl":
        properties["TimeToLiveSpecification"] = {"AttributeName": "gone_at", "Enabled": True}
    elif how == "stream" and "StreamSpecification" in properties:
        properties["StreamSpecification"] = {"StreamViewType": "KEYS_ONLY"}
    elif how == "name":
        properties["TableName"] += "-2"


@given(_stacks(), _others, st.sampled_from(list(Phase)))
def test_a_new_stack_is_one_update_and_the_same_stack_none(
    wanted: TableShapes, some: frozenset[str], gate: Phase
) -> None:
    goal = _stack(wanted, some)
    (only,) = stack_updates(None, goal, gate=gate)
    assert only.template == goal
    assert {each.partition(".")[0] for each in only.waits_for} >= {each.name for each in wanted.tables}
    assert stack_updates(goal, goal, gate=gate) == ()
