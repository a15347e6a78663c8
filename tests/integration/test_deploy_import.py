"""What a stack left behind is taken back by an import, on the sandbox's AWS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from seedbed.deployment import deploy
from seedbed.deployment.assembly import read
from seedbed.deployment.cdk import find
from seedbed.deployment.examine import Examined, examine
from seedbed.deployment.parts import Part
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.site import Site
from seedbed.deployment.stacks import Stacks
from seedbed.engines.dynamodb.embedded.world import World
from seedbed.engines.dynamodb.engine import DynamoEngine
from seedbed.engines.dynamodb.tables.living import living
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.errors import Refused
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Event, TargetFailed
from seedbed.model.migration import Phase
from tests.releases import STACK, TABLE, Shop, synthesise

pytestmark = pytest.mark.slow

HERE = "staging"


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    base = tmp_path_factory.getbasetemp()
    made = (base if worker_id == "master" else base.parent) / "imported-releases"
    synthesise([("one", HERE), ("two", HERE)], made)
    return made


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, assemblies: Path) -> Shop:
    """The platform in staging, where an item was written and then the stack was deleted: its tables stay."""
    made = Shop(tmp_path, ministack_account, assemblies)
    made.prepare()
    assert made.deploy("one", environment=HERE).code == 0
    made.ask("dynamodb", "PutItem", TableName=TABLE.format(environment=HERE), Item={"course_id": {"S": "c1"}})
    made.ask("cloudformation", "DeleteStack", StackName=STACK.format(environment=HERE))
    assert sorted(made.tables()) == [f"courses-courses-{HERE}", f"courses-migrations_history-{HERE}"]
    return made


@pytest.fixture
def client(ministack_account: World) -> Iterator[Client]:
    with closing(Client(ministack_account.cloud)) as found:
        yield found


def _examined(shop: Shop, client: Client, release: str, told: list[Event], *, adopt: bool) -> Examined:
    name, cloud = STACK.format(environment=HERE), shop.world.cloud
    part = Part(
        "courses/dynamodb",
        name,
        lambda deployed, wanted: DynamoEngine().waves(deployed, wanted, gate=Phase.CONTRACT),
        lambda _, __: iter(()),
        lambda template: living(client, template),
    )
    room = shop.scratch / f"room-{release}-{adopt}"
    room.mkdir()
    stop = Stop()
    cli = find(shop.root / "cdk", os.environ, room, stop, print)
    assembly = read(Path(shop.release(release, HERE)[1]))
    environment = Environment(HERE, cloud.account, cloud.region)
    site = Site(
        environment, cloud, cloud.account, cli, assembly, Stacks(cloud), room, told.append, stop, 60.0
    )
    return examine(site, [part], list(assembly.stacks), DeployRequest(adopt=adopt))


def test_what_a_deleted_stack_left_behind_is_named_and_taken_back_with_all_that_is_in_it(
    shop: Shop, client: Client
) -> None:
    with pytest.raises(Refused) as caught:
        _examined(shop, client, "two", [], adopt=False)
    assert f"courses-courses-{HERE}, courses-migrations_history-{HERE}" in caught.value.what
    assert "seedbed deploy --import" in caught.value.try_

    told: list[Event] = []
    deploy.carry_out(_examined(shop, client, "two", told, adopt=True))
    assert not [each for each in told if isinstance(each, TargetFailed)], told
    assert shop.status(HERE) == "UPDATE_COMPLETE"
    assert shop.indexes(HERE) == ["by_slug", "by_teacher"]
    items = shop.ask("dynamodb", "Scan", TableName=TABLE.format(environment=HERE))["Items"]
    assert items == [{"course_id": {"S": "c1"}}]
