"""What a stack left behind is rolled back by an import, on the sandbox's AWS."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from seedbed.deployment import deploy
from seedbed.deployment.assembly import read
from seedbed.deployment.cdk import find
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.managed import ManagedStack
from seedbed.deployment.plan import DeploymentPlan, plan_deployment
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.stacks import Stacks
from seedbed.engines.dynamodb.engine import DynamoEngine
from seedbed.engines.dynamodb.running.existing_tables import existing_tables
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.errors import ExitCode, Refused
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Event, TargetFailed
from seedbed.model.migration import Phase
from tests.support.aws_proxy import Call, proxy
from tests.support.aws_proxy.cloudformation_guard import CloudFormationGuard
from tests.support.aws_proxy.http import Response
from tests.support.deployment.releases import STACK, TABLE, Shop

pytestmark = pytest.mark.slow

HERE = "staging"


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, assemblies: Path) -> Shop:
    """The platform in staging, where an item was written and then the stack was deleted: its tables stay."""
    made = Shop(tmp_path, ministack_account, assemblies, ministack_account.endpoint)
    made.prepare()
    made.has("one", environment=HERE)
    made.ask("dynamodb", "PutItem", TableName=TABLE.format(environment=HERE), Item={"course_id": {"S": "c1"}})
    made.ask("cloudformation", "DeleteStack", StackName=STACK.format(environment=HERE))
    assert sorted(made.tables()) == [f"courses-courses-{HERE}", f"courses-migrations_history-{HERE}"]
    return made


@pytest.fixture
def client(ministack_account: World) -> Iterator[Client]:
    with closing(Client(ministack_account.cloud)) as found:
        yield found


def _examined(
    shop: Shop, client: Client | None, release: str, told: list[Event], *, adopt: bool = False
) -> DeploymentPlan:
    """Return a deployment by an engine that looks with `client` for what lives, or does not look."""
    name, cloud = STACK.format(environment=HERE), replace(shop.world.cloud, endpoint=shop.endpoint)
    managed = ManagedStack(
        "courses/dynamodb",
        name,
        lambda deployed, wanted: DynamoEngine().stack_updates(deployed, wanted, gate=Phase.CONTRACT),
        lambda _, __: iter(()),
        lambda template: existing_tables(client, template) if client else {},
    )
    room = shop.scratch / f"room-{release}-{adopt}"
    room.mkdir()
    stop = Stop()
    cli = find(shop.root / "cdk", os.environ, room, stop, print)
    assembly = read(Path(shop.release(release, HERE)[1]))
    environment = Environment(HERE, cloud.account, cloud.region)
    context = DeploymentContext(
        environment, cloud, cloud.account, cli, assembly, Stacks(cloud), room, told.append, stop, 60.0, {}
    )
    return plan_deployment(context, [managed], list(assembly.stacks), DeployRequest(adopt=adopt))


def test_what_a_deleted_stack_left_behind_is_named_and_taken_back_with_all_that_is_in_it(
    shop: Shop, client: Client
) -> None:
    with pytest.raises(Refused) as caught:
        _examined(shop, client, "half", [], adopt=False)
    assert f"courses-courses-{HERE}, courses-migrations_history-{HERE}" in caught.value.what
    assert caught.value.try_.endswith("seedbed deploy -e ENV --import")

    told: list[Event] = []
    deploy.carry_out(_examined(shop, client, "half", told, adopt=True))
    assert not [each for each in told if isinstance(each, TargetFailed)], told
    assert shop.status(HERE) == "UPDATE_COMPLETE"
    assert shop.indexes(HERE) == ["by_slug"]
    items = shop.ask("dynamodb", "Scan", TableName=TABLE.format(environment=HERE))["Items"]
    assert items == [{"course_id": {"S": "c1"}}]


@pytest.mark.soak
@pytest.mark.parametrize("when", ["asked", "answered"])
@pytest.mark.parametrize("operation", ["CreateChangeSet", "ExecuteChangeSet"])
def test_an_import_that_is_killed_goes_on_when_it_is_started_again(
    shop: Shop, operation: str, when: Literal["asked", "answered"]
) -> None:
    arguments = ["deploy", "-e", HERE, "--import", "--yes", *shop.release("half", HERE)]
    with proxy(shop.endpoint) as aws:
        watched = dataclasses.replace(shop, endpoint=aws.endpoint)
        with aws.hold(operation, when=when, times=1) as held:
            running = watched.start(*arguments)
            held.wait_until_inside()
            running.send_signal(signal.SIGKILL)
            running.communicate()
        done = watched.run(*arguments)
    assert done.code == 0, done.everything
    assert shop.indexes(HERE) == ["by_slug"]
    assert shop.ask("dynamodb", "Scan", TableName=TABLE.format(environment=HERE))["Count"] == 1
    left = shop.ask("cloudformation", "ListChangeSets", StackName=STACK.format(environment=HERE))["Summaries"]
    assert [each for each in left if each["ExecutionStatus"] == "AVAILABLE"] == []


def test_what_went_before_it_was_imported_is_not_made_empty_in_its_place(shop: Shop, client: Client) -> None:
    with proxy(shop.endpoint) as aws:

        def gone(_: Call, answer: Response) -> Response:
            return answer.with_body(answer.body.replace(b"<Action>Import<", b"<Action>Add<"))

        aws.rewrite("DescribeChangeSet", gone)
        watched = dataclasses.replace(shop, endpoint=aws.endpoint)
        told: list[Event] = []
        deploy.carry_out(_examined(watched, client, "one", told, adopt=True))
        assert aws.of("ExecuteChangeSet") == []
    (failed,) = [each for each in told if isinstance(each, TargetFailed)]
    assert (failed.exit_code, "(DynamoDB::Table) is no import" in failed.because) == (ExitCode.REFUSED, True)
    assert "add TableCourses" in failed.because
    assert (
        shop.ask("cloudformation", "ListChangeSets", StackName=STACK.format(environment=HERE))["Summaries"]
        == []
    )


def test_an_update_that_is_rolled_back_says_why_and_what_leads_on(shop: Shop) -> None:
    with proxy(shop.endpoint) as aws:
        aws.add(CloudFormationGuard())
        told: list[Event] = []
        deploy.carry_out(_examined(dataclasses.replace(shop, endpoint=aws.endpoint), None, "one", told))
    (failed,) = [each for each in told if isinstance(each, TargetFailed)]
    assert failed.exit_code == ExitCode.FAILED
    assert "update 1 of 1" in failed.error
    assert "the stack is ROLLBACK_COMPLETE" in failed.error
    assert f"'courses-courses-{HERE}' already exists" in failed.because
    assert failed.try_ == (
        f"take what is there already into the stack: seedbed deploy -e {HERE} -s courses --import"
    )
