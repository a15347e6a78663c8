"""Whole platforms in the sandbox's AWS: every stack that we make comes up, is used, and goes with all that it made."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.integration.conftest import EDTECH
from tests.support.aws_proxy import Proxy, proxy
from tests.support.deployment.kills import killed_at_each_step, steps
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import NOBODY, Shop
from tests.support.deployment.stage import Stage, one_database, write_copying_app
from tests.support.projects import ProjectFiles, variables
from tests.support.servers import Settings

pytestmark = pytest.mark.slow(30)

DEV, PROD = "111111111111", "333333333333"  # the accounts that edtech declares
STACKS = 13  # of edtech with both images: ten databases, a network, and two of seedbed's own
DATA = {
    *("table", "cluster", "database instance", "subnet group", "domain", "file system", "secret", "bucket"),
}
PLACES = {"network", "subnet", "security group", "route table"}  # a cluster that stays is somewhere
When = Literal["asked", "answered"]


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


def edtech(root: Path, world: World, aws: Proxy, declared: str = DEV) -> Shop:
    """Write edtech as it is declared into `root`, in this account, without its app: what is there has to suffice."""
    text = (EDTECH / "seedbed.toml").read_text(encoding="utf-8")
    (root / "seedbed.toml").write_text(text.replace(declared, world.account), encoding="utf-8")
    (root / "services").symlink_to(EDTECH / "services")
    nowhere = {"SEEDBED_CDK": "/nowhere/cdk"}
    return replace(Shop(root, world, root), endpoint=aws.endpoint, variables=nowhere)


@pytest.fixture
def whole(tmp_path: Path, ministack_account: World, aws: Proxy, assemblies: Path) -> Shop:
    """Edtech in dev-ana, with all of its stacks made."""
    stage = Stage(ministack_account, DEV)
    Shop(tmp_path, ministack_account, tmp_path).prepare()
    stage.make(stage.assembly(assemblies / "whole-dev-ana", tmp_path / "made"))
    return edtech(tmp_path, ministack_account, aws)


# --- dev environments


def test_killed_while_it_deletes_a_whole_environment_and_run_again_it_leaves_nothing(
    whole: Shop, aws: Proxy
) -> None:
    there = leftovers(whole.world)
    assert len(there["stack"]) == STACKS, there["stack"]
    kinds = {"table", "cluster", "domain", "file system", "log group", "secret", "bucket", "role", "network"}
    assert kinds <= set(there)
    used = whole.ask("s3", "PutObject", Bucket=there["bucket"][0], Key="runs/1/plan.json", Body=b"{}")
    assert used["ETag"]
    killed(whole, aws, "DeleteStack", "answered", nth=2)
    done = whole.run("destroy", "-e", "dev-ana", "--yes")
    assert done.code == 0, done.everything
    assert leftovers(whole.world) == {}


@pytest.mark.soak
@pytest.mark.parametrize("when", ["asked", "answered"])
def test_a_whole_environment_goes_wherever_its_destruction_is_killed(
    whole: Shop, aws: Proxy, when: When
) -> None:
    bucket = leftovers(whole.world)["bucket"][0]
    whole.ask("s3", "PutObject", Bucket=bucket, Key="runs/1/plan.json", Body=b"{}")
    whole.ask("s3", "CreateMultipartUpload", Bucket=bucket, Key="runs/half")
    destroy = ("destroy", "-e", "dev-ana", "--yes")
    seen = killed_at_each_step(aws, whole.world.account, lambda: whole.start(*destroy), when)
    assert leftovers(whole.world) == {}
    assert len([each for each in seen if "DeleteStack" in each]) == STACKS
    assert {each.split()[1] for each in seen} == {"DeleteStack", "DeleteObjects", "AbortMultipartUpload"}


def killed(shop: Shop, aws: Proxy, operation: str, when: When, *, nth: int) -> None:
    """Kill a `destroy` while its `nth` call of an operation is on its way, unless it ends before."""
    seen = iter(range(1, nth + 1))
    with aws.hold(
        lambda call: call.operation == operation and next(seen, 0) == nth, when=when, times=1
    ) as held:
        running = shop.start("destroy", "-e", "dev-ana", "--yes")
        while running.poll() is None:
            try:
                held.wait_until_inside(timeout=0.2)
            except TimeoutError:
                continue
            break
        running.send_signal(signal.SIGKILL)
        running.communicate()


def test_a_stack_that_cannot_go_is_named_each_time_and_goes_when_it_can(whole: Shop) -> None:
    table = {"TableName": "courses-courses-dev-ana"}
    whole.ask("dynamodb", "UpdateTable", **table, DeletionProtectionEnabled=True)
    for _ in range(2):
        failed = whole.run("destroy", "-e", "dev-ana", "--yes")
        assert (failed.code, "edtech-dev-ana-courses-dynamodb" in failed.everything) == (5, True), (
            failed.everything
        )
    left = leftovers(whole.world)
    assert left["stack"] == ["edtech-dev-ana-courses-dynamodb"]
    assert set(left) == {"stack", "table"}
    whole.ask("dynamodb", "UpdateTable", **table, DeletionProtectionEnabled=False)
    assert whole.run("destroy", "-e", "dev-ana", "--yes").code == 0
    assert leftovers(whole.world) == {}


# --- production


def test_of_production_stays_what_holds_data_and_nothing_else(
    tmp_path: Path, ministack_account: World, assemblies: Path
) -> None:
    stage = Stage(ministack_account, PROD)
    Shop(tmp_path, ministack_account, tmp_path).prepare()
    names = stage.make(stage.assembly(assemblies / "whole-prod", tmp_path / "made"))
    assert len(names) == STACKS
    there = leftovers(ministack_account)
    stayed = [name for name in reversed(names) if not stage.delete(name)]
    left = leftovers(ministack_account)
    assert stayed == ["edtech-prod-network"]
    assert any("has dependencies and cannot be deleted" in each for each in stage.why(stayed[0]))
    assert {kind for kind in there if left.get(kind) == there[kind]} >= DATA
    assert set(left) - DATA - PLACES == {"stack", "log group"}


# --- platforms of one database


def small(
    root: Path,
    world: World,
    made: Path,
    engine: str,
    env: Mapping[str, str],
    aws: Proxy | None = None,
) -> Shop:
    """Write a platform of one database into `root`, whose app copies what was synthesised for it: `made`."""
    mine = Stage(world, NOBODY).assembly(made, root / "made")
    one_database(engine, world.account)(root)
    write_copying_app(root, mine)
    shop = Shop(root, world, root, endpoint=aws.endpoint if aws else "", variables=env)
    shop.prepare()
    return shop


def with_rows(root: Path) -> None:
    """Give the platform's PostgreSQL two tables, and two rows for one of them."""
    manifest = (root / "seedbed.toml").read_text()
    files = ProjectFiles(root)
    (root / "seedbed.toml").write_text(manifest)
    files.tables(2)
    files.seed("010_t1.csv", "id\n1\n2\n")


def used_and_gone(shop: Shop) -> None:
    """Have an environment brought up, migrated and seeded, and taken down without a trace."""
    up = shop.run("env", "up", "dev-ana", "--yes")
    assert up.code == 0, up.everything
    assert shop.run("status", "-e", "dev-ana", "--exit-code").code == 0
    assert len(leftovers(shop.world)["stack"]) == 2
    down = shop.run("env", "down", "dev-ana", "--yes")
    assert down.code == 0, down.everything
    assert leftovers(shop.world) == {}


@pytest.fixture
def postgres(
    tmp_path: Path,
    ministack_account: World,
    assemblies: Path,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
    aws: Proxy,
) -> Shop:
    env = variables(postgres_server, new_database())
    shop = small(tmp_path, ministack_account, assemblies / "postgres-dev-ana", "postgres", env, aws)
    with_rows(tmp_path)
    return shop


@pytest.mark.soak  # what is reached by a task comes up and goes in the same way, below
def test_a_platform_of_postgresql_alone_comes_up_is_used_and_goes(postgres: Shop) -> None:
    used_and_gone(postgres)


@pytest.mark.soak
def test_a_platform_of_opensearch_alone_comes_up_is_used_and_goes(
    tmp_path: Path, ministack_account: World, assemblies: Path, opensearch_settings: Settings
) -> None:
    env = {"OPENSEARCH_ENDPOINT": opensearch_settings["endpoint"]}
    used_and_gone(small(tmp_path, ministack_account, assemblies / "opensearch-dev-ana", "opensearch", env))


@pytest.mark.soak
@pytest.mark.parametrize("when", ["asked", "answered"])
def test_an_environment_comes_up_and_goes_wherever_it_is_killed(
    tmp_path: Path, ministack_account: World, assemblies: Path, aws: Proxy, when: When
) -> None:
    shop = Shop(tmp_path, ministack_account, assemblies, aws.endpoint)
    shop.prepare()
    write_copying_app(tmp_path, Path(shop.release("one")[1]))
    seeds = tmp_path / "services" / "courses" / "dynamodb" / "seeds" / "reference"
    seeds.mkdir(parents=True)
    (seeds / "010_courses.json").write_text('[{"course_id": "c1", "slug": "one"}]')
    up, down = (("env", each, "dev-ana", "--yes") for each in ("up", "down"))
    seen = killed_at_each_step(aws, shop.world.account, lambda: shop.start(*up), when)
    assert shop.run("status", "-e", "dev-ana", "--exit-code").code == 0
    assert shop.ask("dynamodb", "Scan", TableName="courses-courses-dev-ana")["Count"] == 1
    gone = killed_at_each_step(aws, shop.world.account, lambda: shop.start(*down), when)
    assert leftovers(ministack_account) == {}
    assert {each.split()[1] for each in gone} == {"DeleteStack"}
    aws.forget()
    undisturbed = shop.run(*up)
    assert undisturbed.code == 0, undisturbed.everything
    assert set(steps(aws.calls, shop.world.account)) <= set(seen)
