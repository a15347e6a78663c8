"""Updates on a server that refuses what AWS refuses: each is carried out as CloudFormation would, call by call."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema import current, template
from seedbed.engines.dynamodb.schema.shape import IndexShape, Key, KeyType, Projection, StreamView, TableShape
from seedbed.engines.dynamodb.schema.stack_updates import stack_updates
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.model.deployment import Template
from seedbed.model.migration import Phase

_GSI, _TTL, _STREAM = "GlobalSecondaryIndexes", "TimeToLiveSpecification", "StreamSpecification"


class Stack:
    """A stack of tables on DynamoDB itself, updated one template after another."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.template: Template = {"Resources": {}}

    def update(self, wanted: Template) -> None:
        had, has = _properties(self.template), _properties(wanted)
        for gone in had.keys() - has.keys():
            self.client.call("DeleteTable", {"TableName": had[gone]["TableName"]})
        for logical_id, properties in has.items():
            if logical_id in had:
                self._change(had[logical_id], properties)
            else:
                stream = {_STREAM: _on(properties[_STREAM])} if _STREAM in properties else {}
                body = {key: each for key, each in properties.items() if key not in {_TTL, _STREAM}}
                self.client.call("CreateTable", {**body, **stream})
                self._expire({}, properties)
        self.template = wanted

    def shapes(self) -> list[TableShape]:
        """Return the tables as they are live, by their logical names."""
        return [
            current.described(
                self._ready(properties["TableName"]),
                self.client.call("DescribeTimeToLive", {"TableName": properties["TableName"]})[
                    "TimeToLiveDescription"
                ],
                name=template.name_of(logical_id, self.template["Resources"][logical_id]),
            )
            for logical_id, properties in _properties(self.template).items()
        ]

    def _change(self, had: Mapping[str, Any], has: Mapping[str, Any]) -> None:
        name = {"TableName": has["TableName"]}
        old, new = ({each["IndexName"]: each for each in one.get(_GSI, ())} for one in (had, has))
        moves = [{"Delete": {"IndexName": each}} for each in old.keys() - new.keys()]
        moves += [{"Create": new[each]} for each in new.keys() - old.keys()]
        if moves:
            types = {"AttributeDefinitions": has["AttributeDefinitions"]}
            self.client.call("UpdateTable", {**name, **types, "GlobalSecondaryIndexUpdates": moves})
        if had.get(_STREAM) != has.get(_STREAM):
            self._ready(has["TableName"])
            self.client.call("UpdateTable", {**name, _STREAM: _on(has.get(_STREAM))})
        self._expire(had, has)

    def _expire(self, had: Mapping[str, Any], has: Mapping[str, Any]) -> None:
        self._ready(has["TableName"])
        off = {"Enabled": False}
        if had.get(_TTL, off)["Enabled"] != has.get(_TTL, off)["Enabled"]:
            self.client.call("UpdateTimeToLive", {"TableName": has["TableName"], _TTL: has[_TTL]})

    def _ready(self, name: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + 60
        while True:
            described: Mapping[str, Any] = self.client.call("DescribeTable", {"TableName": name})["Table"]
            if all(each.is_ready for each in current.states(described).values()):
                return described
            slow = {key: each for key, each in current.states(described).items() if not each.is_ready}
            assert time.monotonic() < deadline, slow
            time.sleep(0.02)


def _on(stream: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"StreamEnabled": True, **stream} if stream else {"StreamEnabled": False}


def _properties(of: Template) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in of["Resources"].items()}


@pytest.fixture
def stack(dynamodb_local_account: World) -> Iterator[Stack]:
    with closing(Client(dynamodb_local_account.cloud)) as client:
        yield Stack(client)


def courses(
    *indexes: IndexShape, ttl: str = "", stream: StreamView | None = None, **types: KeyType
) -> TableShape:
    key = Key(("id",), ("part",))
    local = (IndexShape("by_rank", Key(("id",), ("rank",)), Projection("INCLUDE", ("title",))),)
    table = TableShape("courses", key, {}, tuple(indexes), local, ttl=ttl, stream=stream or "")
    texts: dict[str, KeyType] = dict.fromkeys(template.used(table), "S")
    return template.with_types(table, {**texts, "part": "N", "rank": "N", **types})


def stacked(*tables: TableShape) -> Template:
    return {
        "Resources": {
            each.name: {
                "Type": template.TYPE,
                "Metadata": template.metadata(each),
                "Properties": {"TableName": f"s-{each.name}-dev", **template.properties(each)},
            }
            for each in tables
        }
    }


def many(first: int, count: int) -> tuple[IndexShape, ...]:
    return tuple(IndexShape(f"by_{each:02}", Key((f"at_{each}",))) for each in range(first, first + count))


BY_AT = IndexShape("by_at", Key(("at",)), Projection("KEYS_ONLY"))
BY_AT_TOO = IndexShape("by_at_too", Key(("at",), ("part",)))
BY_PLACE = IndexShape(
    "by_place", Key(("country", "city"), ("at", "rank", "part")), Projection("INCLUDE", ("a", "b"))
)
LESSONS = TableShape("lessons", Key(("id",)), {"id": "B"})


@pytest.mark.parametrize(
    ("releases", "updates"),
    [
        pytest.param(
            [
                [courses()],
                [courses(BY_AT, BY_PLACE)],
                [courses(BY_AT)],
            ],
            [1, 2, 1],
            id="several keys in one index",
        ),
        pytest.param(
            [
                [courses()],
                [courses(BY_AT, ttl="x", stream="NEW_IMAGE", at="N"), LESSONS],
                [courses()],
                [courses(ttl="y")],
            ],
            [1, 2, 2, 1],
            id="expiry, stream and tables",
        ),
        pytest.param(
            [[courses(BY_AT)], [courses(BY_AT_TOO, at="N")]],
            [1, 2],
            id="an attribute of another type",
        ),
        pytest.param(
            [[courses(*many(0, 20))], [courses(*many(2, 20))]],
            [1, 4],
            id="twenty and two more",
        ),
    ],
)
def test_releases_arrive_update_by_update(
    stack: Stack, releases: list[list[TableShape]], updates: list[int]
) -> None:
    made = []
    for tables in releases:
        found = stack_updates(stack.template, stacked(*tables), gate=Phase.CONTRACT)
        made.append(len(found))
        for each in found:
            stack.update(each.template)
            shapes = [template.shape(name, resource) for name, resource in each.template["Resources"].items()]
            assert stack.shapes() == shapes
        assert stack.shapes() == tables
    assert made == updates


def test_what_updates_keep_apart_the_server_refuses_together(stack: Stack) -> None:
    stack.update(stacked(courses(stream="NEW_IMAGE", ttl="x")))
    for together in (
        courses(*many(0, 2), stream="NEW_IMAGE", ttl="x"),
        courses(stream="KEYS_ONLY", ttl="x"),
    ):
        with pytest.raises(ServiceError):
            stack.update(stacked(together))
    other = {"TableName": "s-courses-dev", _TTL: {"AttributeName": "y", "Enabled": True}}
    with pytest.raises(ServiceError):
        stack.client.call("UpdateTimeToLive", other)
