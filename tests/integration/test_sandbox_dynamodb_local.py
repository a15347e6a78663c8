"""DynamoDB Local: Amazon's own server, fetched at first use. Real starts, real ends."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from botocore.exceptions import ClientError

from seedbed.engines.dynamodb.sandbox import diagnose, embedded
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import SandboxError
from seedbed.servers import locks
from tests.support.aws_owner import client, create_table, owner
from tests.support.processes import gone, listening, until

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new home for DynamoDB Local; at the end nothing may be running in it."""
    monkeypatch.setenv("SEEDBED_DYNAMODB", "local")
    parent = Path(tempfile.mkdtemp(prefix="sb-"))
    yield parent / "sandbox"
    for lock in parent.rglob("server.lock"):
        assert until(lambda lock=lock: not locks.holders(lock))  # type: ignore[misc]
    shutil.rmtree(parent)


def tables(world: World) -> list[str]:
    with client(world, "dynamodb") as dynamodb:
        return list(dynamodb.list_tables()["TableNames"])


def test_processes_share_one_server_and_nothing_stays_when_the_last_one_leaves(home: Path) -> None:
    with owner(home) as first, owner(home) as second:
        assert first.world == second.world
        with client(first.world, "dynamodb") as dynamodb:
            create_table(dynamodb, "courses")
        first.leave()
        assert tables(second.world) == ["courses"]
        second.leave()
        assert gone(second.world.directory, second.world.pid)
    with embedded(home) as world:
        assert tables(world) == []


@pytest.mark.parametrize("who", ["owner", "supervisor"])
def test_it_dies_with_its_owner(home: Path, who: str) -> None:
    with owner(home) as other:
        os.kill(other.supervisor if who == "supervisor" else other.process.pid, signal.SIGKILL)
        assert gone(other.world.directory, other.supervisor, other.world.pid)


def test_it_listens_to_this_machine_only(dynamodb_local_server: World) -> None:
    assert listening(dynamodb_local_server.pid)
    assert listening(dynamodb_local_server.pid) <= LOOPBACK


def test_access_key_and_region_name_the_tables(dynamodb_local_account: World) -> None:
    mine = dynamodb_local_account
    other = msgspec.structs.replace(mine, account=str(int(mine.account) + 1))
    elsewhere = msgspec.structs.replace(mine, region="us-west-2")
    with client(mine, "dynamodb") as dynamodb:
        create_table(dynamodb, "courses")
    assert [tables(each) for each in (mine, other, elsewhere)] == [["courses"], [], []]


def test_it_refuses_what_aws_refuses(dynamodb_local_account: World) -> None:
    def creation(name: str) -> dict[str, object]:
        key = [{"AttributeName": name, "KeyType": "HASH"}]
        return {
            "Create": {"IndexName": f"by_{name}", "KeySchema": key, "Projection": {"ProjectionType": "ALL"}}
        }

    with client(dynamodb_local_account, "dynamodb") as dynamodb:
        create_table(dynamodb, "courses")
        with pytest.raises(ClientError, match="LimitExceededException"):
            dynamodb.update_table(
                TableName="courses",
                AttributeDefinitions=[
                    {"AttributeName": each, "AttributeType": "S"} for each in ("pk", "a", "b")
                ],
                GlobalSecondaryIndexUpdates=[creation("a"), creation("b")],
            )
        with pytest.raises(ClientError, match="Item size has exceeded the maximum allowed size"):
            dynamodb.put_item(TableName="courses", Item={"pk": {"S": "1"}, "of": {"S": "x" * 400 * 1024}})


def test_a_bad_start_says_what_the_server_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seedbed.engines.dynamodb.sandbox import local

    monkeypatch.setattr(local, "OPTIONS", ("-Xmx1",))
    with (
        pytest.raises(SandboxError, match=r"3\.3\.1 did not start\n(.*\n)*.*Too small maximum heap"),
        embedded(home),
    ):
        pass


def test_a_machine_without_a_native_library_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SandboxError, match="does not run here yet: this is Linux riscv64"), embedded(home):
        pass


def test_doctor_fetches_nothing_and_says_what_would_be(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path))
    told = dict(diagnose(home))
    assert told["AWS"] == "DynamoDB Local 3.3.1: tables only, in memory"
    assert told["jars"].endswith(", 45 MB to be fetched")
    assert told["running"] == "no"
    assert list(tmp_path.iterdir()) == []
