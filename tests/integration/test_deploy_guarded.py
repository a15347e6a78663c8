"""Deployments where AWS is as strict and as slow as it is: one index of a table at a time, and each is built for a while."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from seedbed.deployment import cdk
from seedbed.deployment.child import ChildResult
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.execution.stopping import Stop
from tests.integration.dynamodb.test_tables_replay import Stack
from tests.support.aws_proxy import Call, Proxy, mutating, on, proxy
from tests.support.aws_proxy.cloudformation_guard import CloudFormationGuard
from tests.support.aws_proxy.http import Response
from tests.support.deployment.releases import STACK, Shop, helpers

pytestmark = pytest.mark.slow(50)

BOTH = ["by_slug", "by_teacher"]


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, assemblies: Path, aws: Proxy) -> Shop:
    """The platform with its first release deployed, and on the way to AWS what refuses as AWS refuses."""
    made = Shop(tmp_path, ministack_account, assemblies, aws.endpoint)
    made.prepare()
    made.has("one")
    return made


@pytest.fixture
def submitted(shop: Shop, aws: Proxy) -> list[Mapping[str, Any]]:
    """The templates that CloudFormation is given, in their order; the one that is deployed comes first."""
    name = STACK.format(environment="dev-ana")
    found = [shop.ask("cloudformation", "GetTemplate", StackName=name)["TemplateBody"]]

    def look(call: Call, answer: Response) -> Response:
        bucket = f"cdk-hnb659fds-assets-{shop.world.account}-{shop.world.region}"
        key = urlsplit(call.asked["TemplateURL"]).path.rpartition("/")[2]
        found.append(json.loads(shop.ask("s3", "GetObject", Bucket=bucket, Key=key)["Body"].read()))
        return answer

    aws.rewrite("CreateChangeSet", look)
    return found


def _indexes(template: Mapping[str, Any]) -> list[str]:
    tables = [
        each["Properties"] for each in template["Resources"].values() if "KeySchema" in each["Properties"]
    ]
    return sorted(each["IndexName"] for table in tables for each in table.get("GlobalSecondaryIndexes", ()))


def _plain_deploy(shop: Shop, room: Path) -> ChildResult:
    """Have the CDK's own command line deploy release two."""
    room.mkdir()
    cli = cdk.find(shop.root / "cdk", os.environ, room, Stop(), print)
    (path,) = shop.release("two")[1:]
    name = STACK.format(environment="dev-ana")
    arguments = ["deploy", name, "--app", path, "--exclusively", "--require-approval", "never"]
    return cli.run(arguments, cwd=Path(path), cloud=replace(shop.world.cloud, endpoint=shop.endpoint))


def test_what_plain_cdk_deploy_is_refused_goes_through_one_index_at_a_time(
    shop: Shop,
    aws: Proxy,
    submitted: list[Mapping[str, Any]],
    tmp_path: Path,
    dynamodb_local_account: World,
) -> None:
    guard = CloudFormationGuard(building_polls=1)
    aws.add(guard)
    plain = _plain_deploy(shop, tmp_path / "plain")
    assert plain.code != 0
    assert "Cannot perform more than one GSI creation or deletion in a single update" in "\n".join(
        plain.lines
    )
    assert shop.indexes() == []
    del submitted[1:]
    guard.refused.clear()

    done = shop.deploy("two")
    assert done.code == 0, done.everything
    assert "2 updates deployed" in done.out
    assert guard.refused == []
    assert [_indexes(each) for each in submitted] == [[], ["by_slug"], BOTH]
    assert shop.indexes() == BOTH
    aws.forget()
    again = shop.deploy("two")
    assert (again.code, "nothing to deploy: every stack is up to date" in again.out) == (0, True)
    assert [each.operation for each in aws.of(mutating)] == []

    # The same templates, call by call, on a server that refuses what DynamoDB refuses.
    with closing(Client(dynamodb_local_account.cloud)) as client:
        replayed = Stack(client)
        for template in submitted:
            tables = {
                name: each
                for name, each in template["Resources"].items()
                if "KeySchema" in each["Properties"]
            }
            replayed.update({"Resources": tables})
        live = {each.name: sorted(index.name for index in each.global_indexes) for each in replayed.shapes()}
    assert live["courses"] == BOTH


def _building(shop: Shop, index: str) -> Callable[[Call], bool]:
    """Return what is true of a question about a stack or a table while `index` is the newest that lives."""

    def asks(call: Call) -> bool:
        return call.operation in {"DescribeStacks", "DescribeTable"} and shop.indexes()[-1:] == [index]

    return asks


@pytest.mark.soak
@pytest.mark.parametrize("index", BOTH)
def test_killed_while_an_index_is_built_the_next_run_follows_it_and_finishes(
    shop: Shop, aws: Proxy, index: str
) -> None:
    guard = CloudFormationGuard(building_polls=12)
    aws.add(guard)
    held = aws.hold(_building(shop, index))
    running = shop.start("deploy", "-e", "dev-ana", *shop.release("two"))
    held.wait_until_inside(timeout=240)
    running.kill()
    running.communicate()
    held.release()

    again = shop.deploy("two")
    assert again.code == 0, again.everything
    assert "UPDATE_IN_PROGRESS: it is being updated; waiting for it to end" in again.err
    assert guard.refused == []
    assert shop.indexes() == BOTH
    assert shop.run("status", "-e", "dev-ana", "--exit-code").code == 0
    assert not helpers(shop)


@pytest.mark.soak
def test_killed_between_two_updates_the_next_run_makes_the_second(shop: Shop, aws: Proxy) -> None:
    guard = CloudFormationGuard(building_polls=2)
    aws.add(guard)
    seen = [0]

    def is_second(call: Call) -> bool:
        seen[0] += on("CreateChangeSet")(call)
        return on("CreateChangeSet")(call) and seen[0] == 2

    held = aws.hold(is_second)
    running = shop.start("deploy", "-e", "dev-ana", *shop.release("two"))
    held.wait_until_inside(timeout=240)
    running.kill()
    running.communicate()
    held.abandon()

    again = shop.deploy("two")
    assert again.code == 0, again.everything
    assert "1 update deployed" in again.out
    assert guard.refused == []
    assert shop.indexes() == BOTH
