"""A base and environments that lie in it, in the emulator's AWS: they come up, and one goes without a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_proxy import Proxy, proxy
from tests.support.deployment.in_base import BASE, write_in_base
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import NOBODY, Shop
from tests.support.deployment.stage import Stage

pytestmark = pytest.mark.slow(60)


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, aws: Proxy) -> Shop:
    write_in_base(tmp_path, ministack_account.account)
    made = Shop(tmp_path, ministack_account, tmp_path, aws.endpoint)
    made.prepare()
    return made


def test_environments_come_up_in_a_base_and_one_goes_without_a_trace(shop: Shop, assemblies: Path) -> None:
    stage = Stage(shop.world, NOBODY)
    made = {
        each: stage.assembly(assemblies / f"base-{each}", shop.root / f"made-{each}")
        for each in (BASE, "dev-ana", "dev-ben")
    }
    ran = shop.run("deploy", "-e", "dev-ana", "--assembly", str(made["dev-ana"]))
    assert (ran.code, leftovers(shop.world)) == (3, {}), ran.everything
    assert f"{BASE}, in which dev-ana lies, is not deployed" in ran.err
    assert f"seedbed deploy -e {BASE}" in ran.err

    ran = shop.run("deploy", "-e", BASE, "--assembly", str(made[BASE]))
    assert ran.code == 0, ran.everything
    alone, before = leftovers(shop.world), stacks_of(shop, BASE)
    stage.make(made["dev-ben"])
    with_ben = leftovers(shop.world)
    ran = shop.run("deploy", "-e", "dev-ana", "--assembly", str(made["dev-ana"]))
    assert ran.code == 0, ran.everything
    added = more(leftovers(shop.world), with_ben)
    logins = [f"shared/dev-ana/user/postgres/{each}" for each in ("app", "migrate")]
    assert [each for each in added["secret"] if "neo4j" not in each] == logins
    # What costs by the hour, or takes ten minutes to be made, is there once; a graph has files of its own.
    once = ("network", "subnet", "cluster", "domain", "bucket", "cluster of tasks", "namespace")
    assert not added.keys() & set(once), added

    ran = shop.run("destroy", "-e", "dev-ana", "--yes")
    assert ran.code == 0, ran.everything
    assert leftovers(shop.world) == with_ben
    ran = shop.run("destroy", "-e", "dev-ben", "--yes")
    assert ran.code == 0, ran.everything
    assert (leftovers(shop.world), stacks_of(shop, BASE)) == (alone, before)


def stacks_of(shop: Shop, environment: str) -> Mapping[str, Any]:
    """Return the states of the stacks of an environment, by name, with when they changed last."""
    found = shop.ask("cloudformation", "DescribeStacks")["Stacks"]
    return {
        each["StackName"]: (each["StackStatus"], each.get("LastUpdatedTime"))
        for each in found
        if {"Key": "environment", "Value": environment} in each["Tags"]
    }


def more(now: Mapping[str, list[str]], before: Mapping[str, list[str]]) -> dict[str, list[str]]:
    found = {kind: sorted({*names} - {*before.get(kind, ())}) for kind, names in now.items()}
    return {kind: names for kind, names in found.items() if names}
