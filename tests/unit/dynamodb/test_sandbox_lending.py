"""Tables lent to an application's tests get back what they held, whatever the server makes of a batch."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox import lending
from seedbed.engines.dynamodb.schema.shape import Key, TableShape
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.errors import SandboxError
from tests.support.dynamodb.scripted import Request, answer, in_turn, refusal, scripted

TABLE = TableShape("notes", Key(("id",)), {"id": "S"})
NAME = "courses-notes-dev-test"


def item(number: int) -> dict[str, Any]:
    return {"id": {"S": f"n{number}"}}


def kept(*items: dict[str, Any]) -> lending.KeptTables:
    """Return tables as they are after they were read, which needs a target."""
    made = lending.KeptTables.__new__(lending.KeptTables)
    made._items = {"notes": {repr([each["id"]]): each for each in items}}
    return made


def test_what_was_changed_added_and_deleted_is_undone_over_all_pages() -> None:
    old, changed = {**item(1), "v": {"N": "1"}}, {**item(1), "v": {"N": "2"}}
    pages = [
        answer({"Items": [changed, item(2)], "LastEvaluatedKey": item(2)}),
        answer({"Items": [item(9)]}),
    ]
    script = in_turn(Scan=pages, BatchWriteItem=[answer({})])
    with scripted(script) as server, server.database() as database:
        kept(old, item(2), item(3))._restore(database, TABLE)
    assert [each.get("ExclusiveStartKey") for each in server.asked("Scan")] == [None, item(2)]
    assert [each["RequestItems"] for each in server.asked("BatchWriteItem")] == [
        {
            NAME: [
                {"DeleteRequest": {"Key": item(9)}},
                {"PutRequest": {"Item": old}},
                {"PutRequest": {"Item": item(3)}},
            ]
        }
    ]


def test_writes_that_the_server_leaves_undone_are_sent_again() -> None:
    held: list[dict[str, Any]] = []

    def script(request: Request) -> bytes:
        if request.operation == "Scan":
            return answer({"Items": []})
        first, *left = request.body["RequestItems"][NAME]
        held.append(first["PutRequest"]["Item"])
        return answer({"UnprocessedItems": {NAME: left} if left else {}})

    with scripted(script) as server, server.database() as database:
        kept(*map(item, range(27)))._restore(database, TABLE)
    assert held == [item(number) for number in range(27)]
    assert max(len(each["RequestItems"][NAME]) for each in server.asked("BatchWriteItem")) == 25


def test_writes_that_stay_undone_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "_TRIES", 3)
    left = {NAME: [{"PutRequest": {"Item": item(1)}}]}
    script = in_turn(Scan=[answer({"Items": []})], BatchWriteItem=[answer({"UnprocessedItems": left})])
    with scripted(script) as server, server.database() as database:
        with pytest.raises(SandboxError, match="cannot be restored"):
            kept(item(1))._restore(database, TABLE)
        assert len(server.asked("BatchWriteItem")) == 3


def test_a_table_that_a_test_deleted_is_named_and_another_refusal_is_told_as_it_is() -> None:
    answers = [refusal("ResourceNotFoundException"), refusal("ValidationException")]
    with scripted(in_turn(Scan=answers)) as server, server.database() as database:
        with pytest.raises(SandboxError, match=f"the table {NAME} is gone"):
            kept()._restore(database, TABLE)
        with pytest.raises(ServiceError, match="ValidationException"):
            kept()._restore(database, TABLE)
