"""Ids are read whole from a server that gives them in parts, and what it refuses is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.running import ids
from seedbed.errors import StepFailed
from seedbed.model.verification import Holders, Suspect
from tests.support.dynamodb.scripted import Scripted, answer, in_turn, refusal, scripted

TABLE = "courses-progress-dev-test"
ANA, BEN = '{"user":"ana","lesson":"1"}', '{"user":"ben","lesson":"2"}'


def item(user: str, lesson: int, **more: Any) -> dict[str, Any]:
    return {**key(user, lesson), **more}


def key(user: str, lesson: int) -> dict[str, Any]:
    return {"user": {"S": user}, "lesson": {"N": str(lesson)}}


def description(partition: str = "S", **more: Any) -> bytes:
    types = {"user": partition, "lesson": "N"}
    table = {
        "TableName": TABLE,
        "TableStatus": "ACTIVE",
        "KeySchema": [
            {"AttributeName": "user", "KeyType": "HASH"},
            {"AttributeName": "lesson", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": each, "AttributeType": kind} for each, kind in types.items()
        ],
        **more,
    }
    return answer({"Table": table})


def page(*items: dict[str, Any], last: dict[str, Any] | None = None) -> bytes:
    more = {"LastEvaluatedKey": last} if last else {}
    units = {"TableName": TABLE, "CapacityUnits": 0.5}
    return answer({"Items": items, "ScannedCount": len(items), "ConsumedCapacity": units, **more})


def batch(*items: dict[str, Any], left: list[dict[str, Any]] | None = None) -> bytes:
    unprocessed = {TABLE: {"Keys": left}} if left else {}
    return answer({"Responses": {TABLE: items}, "UnprocessedKeys": unprocessed, "ConsumedCapacity": []})


def holders(server: Scripted, *suspects: Suspect) -> dict[str, Holders]:
    with server.database() as database:
        return dict(ids.holders(database, "progress.user", suspects, time="", most=5))


def test_items_that_were_not_given_at_once_are_asked_for_until_they_are() -> None:
    none, some = [key("ana", 1), key("ben", 2)], [key("ben", 2)]
    answers = [batch(left=none), batch(item("ana", 1), left=some), batch(item("ben", 2))]
    with scripted(in_turn(DescribeTable=[description()], BatchGetItem=answers)) as server:
        found = holders(server, Suspect("ana", (ANA,)), Suspect("ben", (BEN,)))
    assert found == {"ana": Holders(1, (ANA,)), "ben": Holders(1, (BEN,))}
    assert [each["RequestItems"][TABLE]["Keys"] for each in server.asked("BatchGetItem")] == [
        none,
        none,
        some,
    ]


def test_a_suspect_whose_rows_are_unknown_is_looked_for_through_all_pages() -> None:
    pages = [page(item("ana", 1), last=key("ana", 1)), page(item("ana", 2))]
    batches = [batch(item("ana", 1), item("ana", 2))]
    script = in_turn(DescribeTable=[description()], Query=pages, BatchGetItem=batches)
    with scripted(script) as server:
        found = holders(server, Suspect("ana"))
    assert found["ana"].count == 2
    first, second = server.asked("Query")
    assert "ExclusiveStartKey" not in first
    assert second["ExclusiveStartKey"] == key("ana", 1)


def test_whether_an_id_is_there_one_item_of_many_tells() -> None:
    pages = [page(item("ana", 1), last=key("ana", 1))]
    with (
        scripted(in_turn(DescribeTable=[description()], Query=pages)) as server,
        server.database() as database,
    ):
        assert ids.found(database, "progress.user", ["ana"]) == {"ana"}
        assert ids.found(database, "progress.user", []) == set()
    assert [each["Limit"] for each in server.asked("Query")] == [1]


@pytest.mark.parametrize("wanted", [["u0"], [f"u{number}" for number in range(1000)]], ids=["bytes", "many"])
def test_a_scan_tells_where_no_question_could_or_each_would_cost_more(wanted: list[str]) -> None:
    kind = "B" if len(wanted) == 1 else "S"
    pages = [page({"user": {kind: "u0"}, "lesson": {"N": "1"}}, last=key("u0", 1)), page()]
    script = in_turn(DescribeTable=[description(kind)], Scan=pages)
    with scripted(script) as server, server.database() as database:
        assert ids.found(database, "progress.user", wanted) == {"u0"}
    assert all(each["ConsistentRead"] for each in server.asked("Scan"))
    assert server.asked("Query") == []


def test_a_large_table_is_read_by_segments_each_to_its_end() -> None:
    size: dict[str, Any] = {"TableSizeBytes": 20 << 20, "ItemCount": 4}

    def script(request: Any) -> bytes:
        if request.operation == "DescribeTable":
            return description(**size)
        segment, is_first = request.body["Segment"], "ExclusiveStartKey" not in request.body
        found = item(f"s{segment}", int(is_first))
        return page(found, last=key(f"s{segment}", 1) if is_first else None)

    with scripted(script) as server, server.database() as database:
        texts = [text for block in ids.ids(database, "progress.user") for text in block.texts]
        assert ids.extent(database, "progress.user").units == 20 * 256 / 2
    assert sorted(texts) == ["s0", "s0", "s1", "s1"]
    assert {each["TotalSegments"] for each in server.asked("Scan")} == {2}


def test_an_attribute_that_no_item_has_is_misspelled_unless_it_is_declared(tmp_path: Path) -> None:
    script = in_turn(DescribeTable=[description()], Scan=[page(item("ana", 1))])
    with (
        scripted(script) as server,
        server.database(tmp_path) as database,
        pytest.raises(StepFailed, match="no item of progress has the attribute tutor"),
    ):
        list(ids.ids(database, "progress.tutor"))
    (tmp_path / "tables.toml").write_text(
        '[tables.progress]\nkey = { partition = "user", sort = "lesson" }\n'
        'attributes = { user = "S", lesson = "N", tutor = "S" }\n'
    )
    with scripted(script) as server, server.database(tmp_path) as database:
        assert [(each.count, each.empty) for each in ids.ids(database, "progress.tutor")] == [(0, 1)]


def test_a_table_that_cannot_be_looked_at_is_not_called_missing() -> None:
    script = in_turn(DescribeTable=[refusal("ValidationException", "not so")])
    with scripted(script) as server, server.database() as database:
        with pytest.raises(StepFailed, match=r"looking for ids in progress.user failed: .*") as caught:
            ids.found(database, "progress.user", ["ana"])
        assert caught.value.because == "not so"
    script = in_turn(DescribeTable=[refusal("ResourceNotFoundException")])
    with (
        scripted(script) as server,
        server.database() as database,
        pytest.raises(StepFailed, match="there is no table progress"),
    ):
        ids.found(database, "progress.user", ["ana"])
