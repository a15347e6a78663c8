"""Tables made by calls of their own: a rival that is quicker, a server that is slow, and one that refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.running import direct
from seedbed.engines.dynamodb.running.existing_tables import existing_tables
from seedbed.engines.dynamodb.schema.shape import HISTORY_TABLE, Key, TableShape
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.errors import Unavailable
from tests.support.dynamodb.scripted import answer, in_turn, refusal, scripted

MISSING = refusal("ResourceNotFoundException")
REFUSED = refusal("ValidationException", "not so")


def described(status: str, name: str = "t") -> bytes:
    keys = [{"AttributeName": "id", "KeyType": "HASH"}]
    types = [{"AttributeName": "id", "AttributeType": "S"}]
    table = {"TableName": name, "TableStatus": status, "KeySchema": keys, "AttributeDefinitions": types}
    return answer({"Table": table})


def test_a_history_that_a_rival_creates_at_this_moment_is_waited_for() -> None:
    answers = [MISSING, described("CREATING"), described("ACTIVE")]
    script = in_turn(DescribeTable=answers, CreateTable=[refusal("ResourceInUseException")])
    with scripted(script) as server, server.database() as database:
        direct.create_history(database)
    assert [each.operation for each in server.requests] == [
        "DescribeTable",
        "CreateTable",
        "DescribeTable",
        "DescribeTable",
    ]


@pytest.mark.parametrize(("first", "asked"), [(REFUSED, 1), (MISSING, 2)], ids=["looking", "creating"])
def test_a_history_that_may_not_be_looked_at_or_created_is_told(first: bytes, asked: int) -> None:
    with scripted(in_turn(DescribeTable=[first], CreateTable=[REFUSED])) as server:
        with server.database() as database, pytest.raises(ServiceError) as caught:
            direct.create_history(database)
        assert caught.value.because == "not so"
        assert len(server.requests) == asked


def test_a_table_that_does_not_become_ready_is_told_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "_PATIENCE", 0.0)
    script = in_turn(DescribeTable=[described("CREATING")], CreateTable=[answer({})])
    with scripted(script) as server, server.database() as database, pytest.raises(Unavailable) as caught:
        direct.create(database, HISTORY_TABLE)
    assert "is not ready after 0 s" in caught.value.what


def test_a_table_is_made_with_its_stream_and_its_expiry_by_calls_that_take_each() -> None:
    table = TableShape("notes", Key(("id",)), {"id": "S"}, ttl="until", stream="KEYS_ONLY")
    script = in_turn(
        CreateTable=[answer({})], DescribeTable=[described("ACTIVE")], UpdateTimeToLive=[answer({})]
    )
    with scripted(script) as server, server.database() as database:
        direct.create(database, table)
    (created,), (expiry,) = server.asked("CreateTable"), server.asked("UpdateTimeToLive")
    assert created["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    assert "TimeToLiveSpecification" not in created
    assert expiry["TimeToLiveSpecification"] == {"Enabled": True, "AttributeName": "until"}


def test_current_tables_are_those_that_exist_and_a_refusal_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "tables.toml").write_text(
        "".join(
            f'[tables.{each}]\nkey = {{ partition = "id" }}\nattributes = {{ id = "S" }}\n'
            for each in ("a", "b")
        )
    )
    script = in_turn(
        DescribeTable=[MISSING, described("ACTIVE"), REFUSED],
        DescribeTimeToLive=[answer({"TimeToLiveDescription": {}})],
    )
    with scripted(script) as server, server.database(tmp_path) as database:
        assert [each.name for each in database.current_tables().tables] == ["b"]
        with pytest.raises(ServiceError, match="ValidationException"):
            database.current_tables()


def resource(name: object, kind: str = "AWS::DynamoDB::Table") -> dict[str, Any]:
    return {"Type": kind, "Properties": {"TableName": name}}


def test_only_tables_of_a_template_that_exist_are_imported() -> None:
    wanted = {
        "Resources": {
            "Queue": resource("q", "AWS::SQS::Queue"),
            "Named": resource({"Ref": "Later"}),
            "Gone": resource("gone"),
            "There": resource("there"),
        }
    }
    script = in_turn(
        DescribeTable=[MISSING, described("ACTIVE", "there")],
        DescribeTimeToLive=[answer({"TimeToLiveDescription": {}})],
    )
    with scripted(script) as server, server.client() as client:
        found = existing_tables(client, wanted)
        assert list(found) == ["There"]
        assert found["There"]["Properties"]["TableName"] == "there"
        assert found["There"]["Properties"]["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
        assert [each["TableName"] for each in server.asked("DescribeTable")] == ["gone", "there"]
    with (
        scripted(in_turn(DescribeTable=[REFUSED])) as server,
        server.client() as client,
        pytest.raises(ServiceError, match="ValidationException"),
    ):
        existing_tables(client, wanted)
