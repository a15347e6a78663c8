"""The sandbox's AWS: a real ministack, real kills. What stays from command to command, and what a kill loses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox import diagnose, embedded
from seedbed.engines.dynamodb.sandbox.world import ANY_KEY, World
from seedbed.errors import SandboxError
from seedbed.servers import locks
from seedbed.support.extras import install_line
from tests.support.aws_owner import client, create_table, owner
from tests.support.processes import gone, listening, until

LOOPBACK = {"0100007F"}

TEMPLATE = json.dumps(
    {
        "Resources": {
            "Courses": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": "courses-courses-dev",
                    "BillingMode": "PAY_PER_REQUEST",
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                    "AttributeDefinitions": [
                        {"AttributeName": "pk", "AttributeType": "S"},
                        {"AttributeName": "by", "AttributeType": "S"},
                    ],
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": "by_by",
                            "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ],
                },
            },
            "Address": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Name": "/seedbed/courses", "Type": "String", "Value": {"Ref": "Courses"}},
            },
        }
    }
)
ITEM = {
    "pk": {"S": "1"},
    "by": {"S": "äöü"},
    "picture": {"B": b"\x00\xff"},
    "prices": {"NS": ["1.1", "-20000000000000000000000000000000000000"]},
    "deep": {"M": {"of": {"L": [{"NULL": True}, {"BOOL": False}, {"N": "0.1"}]}}},
}


@pytest.fixture
def home() -> Iterator[Path]:
    """A new home; at the end nothing may be running in it."""
    parent = Path(tempfile.mkdtemp(prefix="sb-"))
    yield parent / "sandbox"
    for lock in parent.rglob("server.lock"):
        assert until(lambda lock=lock: not locks.holders(lock))  # type: ignore[misc]
    shutil.rmtree(parent)


def deploy(world: World) -> None:
    """Create a stack with a table and a parameter, and put something into everything that a platform uses."""
    with client(world, "cloudformation") as cloudformation, client(world, "dynamodb") as dynamodb:
        cloudformation.create_stack(StackName="courses", TemplateBody=TEMPLATE)
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="courses", WaiterConfig={"Delay": 1}
        )
        dynamodb.put_item(TableName="courses-courses-dev", Item=ITEM)
    with client(world, "secretsmanager") as secrets, client(world, "s3") as s3:
        secrets.create_secret(Name="user/postgres", SecretString='{"password": "x"}')
        s3.create_bucket(Bucket="assets", CreateBucketConfiguration={"LocationConstraint": world.region})
        s3.put_object(Bucket="assets", Key="a/b.json", Body=b"{}")


def found(world: World) -> dict[str, Any]:
    """Return what there is of what `deploy` made."""
    with client(world, "cloudformation") as cloudformation, client(world, "dynamodb") as dynamodb:
        stacks = {
            each["StackName"]: each["StackStatus"] for each in cloudformation.describe_stacks()["Stacks"]
        }
        template = cloudformation.get_template(StackName="courses")["TemplateBody"]
        items = dynamodb.query(
            TableName="courses-courses-dev",
            IndexName="by_by",
            KeyConditionExpression="#by = :by",
            ExpressionAttributeNames={"#by": "by"},
            ExpressionAttributeValues={":by": {"S": "äöü"}},
        )["Items"]
    with client(world, "secretsmanager") as secrets, client(world, "s3") as s3, client(world, "ssm") as ssm:
        return {
            "stacks": stacks,
            "template": template,
            "items": items,
            "parameter": ssm.get_parameter(Name="/seedbed/courses")["Parameter"]["Value"],
            "secret": secrets.get_secret_value(SecretId="user/postgres")["SecretString"],
            "object": s3.get_object(Bucket="assets", Key="a/b.json")["Body"].read(),
        }


EVERYTHING = {
    "stacks": {"courses": "CREATE_COMPLETE"},
    "template": json.loads(TEMPLATE),
    "items": [ITEM],
    "parameter": "courses-courses-dev",
    "secret": '{"password": "x"}',
    "object": b"{}",
}


def tables(world: World) -> list[str]:
    with client(world, "dynamodb") as dynamodb:
        return list(dynamodb.list_tables()["TableNames"])


def asked(world: World, method: str = "POST", **headers: str) -> tuple[int, bytes, list[str]]:
    """Return status, body and names of headers of an answer of STS; `headers` say where the request comes from."""
    form = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": "AWS4-HMAC-SHA256 Credential=1",
    }
    body = "Action=GetCallerIdentity&Version=2011-06-15" if method == "POST" else None
    with closing(HTTPConnection(world.endpoint.removeprefix("http://"), timeout=20)) as line:
        line.request(method, "/", body, {**form, **headers})
        answer = line.getresponse()
        return answer.status, answer.read(), [each.lower() for each in answer.headers]


# --- who is served


def test_a_page_of_the_web_is_not_answered(ministack_server: World) -> None:
    port = ministack_server.endpoint.rpartition(":")[2]
    for strange in (
        {"Host": "evil.example"},
        {"Host": f"127.0.0.1.evil.example:{port}"},
        {"Host": "192.168.1.7"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        for method in ("POST", "OPTIONS"):
            status, body, _ = asked(ministack_server, method, **strange)
            assert (status, b"this machine only" in body) == (403, True), strange


def test_programs_of_this_machine_are_answered_and_no_page_may_read_it(ministack_server: World) -> None:
    port = ministack_server.endpoint.rpartition(":")[2]
    for own in (
        {},
        {"Host": f"localhost:{port}"},
        {"Host": f"[::1]:{port}"},
        {"Origin": "http://localhost:3000"},
    ):
        for method in ("POST", "OPTIONS"):
            status, _, headers = asked(ministack_server, method, **own)
            assert status == 200, own
            assert not [each for each in headers if each.startswith("access-control-")]


# --- what stays


def test_what_was_deployed_is_there_for_the_next_command_at_the_same_address(home: Path) -> None:
    with embedded(home) as first:
        deploy(first)
        assert found(first) == EVERYTHING
    assert gone(first.directory, first.pid)
    with embedded(home) as second:
        assert second.pid != first.pid
        assert second.endpoint == first.endpoint
        assert found(second) == EVERYTHING
        with client(second, "cloudformation") as cloudformation:
            cloudformation.delete_stack(StackName="courses")
            assert until(lambda: tables(second) == [])


def test_an_owner_that_is_killed_loses_nothing(home: Path) -> None:
    with owner(home) as other:
        deploy(other.world)
        other.kill()
        assert gone(other.world.directory, other.supervisor, other.world.pid)
    with embedded(home) as world:
        assert found(world) == EVERYTHING


def test_a_supervisor_that_is_killed_takes_the_server_along_and_loses_nothing(home: Path) -> None:
    with owner(home) as other:
        deploy(other.world)
        os.kill(other.supervisor, signal.SIGKILL)
        assert gone(other.world.directory, other.supervisor, other.world.pid)
        with embedded(home) as world:
            assert found(world) == EVERYTHING


def test_a_server_that_is_killed_loses_the_last_seconds_only(home: Path) -> None:
    with owner(home) as other:
        deploy(other.world)
        saved = other.world.directory / "state" / "dynamodb.json"
        assert until(lambda: saved.exists() and "picture" in saved.read_text())
        time.sleep(
            1.5
        )  # everything else is saved in the same breath; once more, to be sure of the last of it
        os.kill(other.world.pid, signal.SIGKILL)
        assert gone(other.world.directory, other.supervisor, other.world.pid)
        with embedded(home) as world:
            assert found(world) == EVERYTHING


# --- who shares it


def test_processes_share_one_server_and_the_last_to_leave_ends_it(home: Path) -> None:
    with owner(home) as first, owner(home) as second:
        assert first.world == second.world
        first.leave()
        assert tables(second.world) == []
        second.leave()
        assert gone(second.world.directory, second.world.pid)


def test_several_that_start_at_once_start_one(home: Path) -> None:
    with owner(home) as first, owner(home) as second, owner(home) as third:
        assert first.world.pid == second.world.pid == third.world.pid


def test_two_homes_are_two_worlds(home: Path) -> None:
    with embedded(home) as one, embedded(home.parent / "other") as other:
        assert one.endpoint != other.endpoint
        with client(one, "dynamodb") as dynamodb:
            create_table(dynamodb, "only-here")
        assert (tables(one), tables(other)) == (["only-here"], [])


def test_a_port_that_is_taken_meanwhile_is_given_up(home: Path) -> None:
    import socket
    from urllib.parse import urlsplit

    with embedded(home) as first:
        with client(first, "dynamodb") as dynamodb:
            create_table(dynamodb, "stays")
        port = urlsplit(first.endpoint).port
    assert gone(first.directory, first.pid)
    assert port
    with socket.create_server(("127.0.0.1", port)), embedded(home) as second:
        assert second.endpoint != first.endpoint
        assert tables(second) == ["stays"]


# --- what it is for


def test_the_settings_of_every_database_lead_to_one_account(ministack_server: World) -> None:
    settings = ministack_server.settings("courses/dynamodb")
    assert settings == ministack_server.settings("chat/dynamodb")
    assert settings == {
        "region": "eu-central-1",
        "caller_region": "eu-central-1",
        "account": "000000000000",
        "endpoint": ministack_server.endpoint,
        "access_key": "000000000000",
        "secret_key": ANY_KEY,
    }
    with client(ministack_server, "sts") as sts:
        assert sts.get_caller_identity()["Account"] == settings["account"]


def test_it_listens_to_this_machine_only(ministack_account: World) -> None:
    deploy(ministack_account)
    assert listening(ministack_account.pid) == LOOPBACK


def test_nothing_of_our_environment_reaches_it(home: Path) -> None:
    with owner(
        home,
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONOPTIMIZE="2",
        AWS_ENDPOINT_URL="http://127.0.0.1:1",
        AWS_ACCESS_KEY_ID="AKIASECRET",
        HTTP_PROXY="http://127.0.0.1:1",
        SERVICES="s3",
        PERSIST_STATE="0",
        BIND_HOST="0.0.0.0",
    ) as other:
        deploy(other.world)
        assert found(other.world) == EVERYTHING
        assert listening(other.world.pid) == LOOPBACK
        assert b"AKIASECRET" not in Path(f"/proc/{other.world.pid}/environ").read_bytes()


def test_doctor_says_where_it_is_and_whether_it_runs(home: Path) -> None:
    before = dict(diagnose(home))
    assert before["AWS"].startswith("ministack 1.")
    assert before["running"] == "no"
    assert not home.exists()
    with embedded(home) as world:
        assert dict(diagnose(home))["running"] == f"yes, at {world.endpoint}"


def test_a_missing_extra_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ministack", None)
    with pytest.raises(SandboxError, match=re.escape(install_line("sandbox"))), embedded(home):
        pass


def test_a_server_that_nobody_knows_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDBED_DYNAMODB", "moto")
    with pytest.raises(SandboxError, match="'moto' is no server that the sandbox knows"), embedded(home):
        pass
