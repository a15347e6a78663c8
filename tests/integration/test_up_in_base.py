"""Environments come up in a base and go: each has databases of its own on its servers, made and dropped by its task."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
import urllib3

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.project import Project
from seedbed.project.lifetimes import environments
from tests.support.aws_proxy import Proxy, on
from tests.support.deployment.in_base import BASE, write_in_base
from tests.support.deployment.inside import Authority, Servers, inside
from tests.support.deployment.kills import killed_at_each_step
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import NOBODY, Shop
from tests.support.deployment.stage import Stage, write_app_of_several
from tests.support.fargate import Fargate
from tests.support.postgres.wire import connected
from tests.support.projects import run
from tests.support.servers import Settings

pytestmark = pytest.mark.slow(70)

SERVICES = ("courses", "search", "tutor-matching", "user")
# What costs by the hour, or takes ten minutes to be made, is there once; a graph has files of its own.
ONCE = {"network", "subnet", "cluster", "domain", "bucket", "cluster of tasks", "namespace"}


def ran(in_base: Shop, *arguments: str, code: int = 0) -> Any:
    """Run a command, which has to end with `code`, and return its document where it was asked for one."""
    done = run(in_base.root, *arguments, env=in_base.environ, timeout=900)
    assert done.code == code, done.everything
    return json.loads(done.out) if "--json" in arguments else done.everything


def shares(in_base: Shop) -> list[tuple[str, str]]:
    found = ran(in_base, "share", "list", "-e", BASE, "--json")["shares"]
    return [(each["environment"], each["database"]) for each in found]


def lifetimes(in_base: Shop) -> list[EnvironmentRecord]:
    """Return what is written down of environments in the base."""
    project = Project.open(in_base.root, environ=in_base.environ)
    found = environments(project.targets, project.catalog.environment("dev-ben"))
    return list(found.listed().values())


def names(server: EmbeddedServer, environment: str) -> list[str]:
    """Return the databases and logins of an environment on a server, past seedbed."""
    with connected(server, "postgres") as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1"
        ).fetchall()
    return [name for (name,) in found if name.startswith(environment.replace("-", "_"))]


@pytest.mark.soak
@pytest.mark.parametrize("when", ["asked", "answered"])
def test_an_environment_in_a_base_comes_up_and_goes_wherever_its_caller_is_killed(
    in_base: Shop,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
    when: Literal["asked", "answered"],
) -> None:
    up, down = (("env", each, "dev-ana", "--yes") for each in ("up", "down"))
    world, account = in_base.world, in_base.world.account
    alone = leftovers(world)
    with inside(world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        seen = killed_at_each_step(aws, account, lambda: in_base.start(*up), when)
        assert {"CreateChangeSet", "ExecuteChangeSet", "RunTask"} <= {each.split()[1] for each in seen}
        assert_up(asking, "dev-ana")
        aws.forget()
        gone = killed_at_each_step(aws, account, lambda: in_base.start(*down), when)
        assert {"DeleteStack", "TransactWriteItems"} <= {each.split()[1] for each in gone}
        assert (names(asking, "dev-ana"), shares(in_base)) == ([], [])
    assert leftovers(world) == alone


def assert_up(server: EmbeddedServer, environment: str) -> None:
    name = f"{environment.replace('-', '_')}_user_db"
    with connected(server, name) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (2,)
        owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(owners).fetchall() == [(f"{name}_migrate",)]


def test_an_environment_whose_base_is_not_deployed_is_refused(
    tmp_path: Path, ministack_account: World, assemblies: Path
) -> None:
    write_in_base(tmp_path, ministack_account.account)
    shop = Shop(tmp_path, ministack_account, tmp_path)
    shop.prepare()
    made = Stage(shop.world, NOBODY).assembly(assemblies / "base-dev-ana", tmp_path / "made")
    refused = shop.run("deploy", "-e", "dev-ana", "--assembly", str(made))
    assert (refused.code, leftovers(shop.world)) == (3, {}), refused.everything
    assert f"{BASE}, in which dev-ana lies, is not deployed" in refused.err
    assert f"seedbed deploy -e {BASE}" in refused.err


def test_environments_come_up_in_a_base_at_once_and_go_without_a_trace_on_its_servers(
    in_base: Shop,
    assemblies: Path,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    world = in_base.world
    two = Stage(world, NOBODY).assembly(assemblies / "base-two", in_base.root / "made-two")
    write_app_of_several(in_base.root, {"dev-ana": two, "dev-ben": in_base.root / "made-dev-ben"})
    alone, before = leftovers(world), stacks_of(in_base, BASE)
    # There is one graph here for all tasks of graphs: ana has none.
    ana = ("env", "up", "dev-ana", "--yes", "--without", "neo4j", "--without", "dynamodb")
    ben = ("env", "up", "dev-ben", "--yes", "--ttl", "2d")
    with inside(world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        with ThreadPoolExecutor(2) as pool:
            both = [*pool.map(lambda words: ran(in_base, *words, "--json"), (ana, ben))]
        for each, services in zip(both, (["search", "user"], [*SERVICES]), strict=True):
            found = {one["service"]: one["readiness"] for one in each["services"]}
            assert found == dict.fromkeys(services, "ready")
        for who in ("dev-ana", "dev-ben"):
            assert_up(asking, who)
            assert documents(opensearch_settings, f"{who}.search.people") == 1
        assert not ran(in_base, *ana, "--json")["changed"]
        with_both = leftovers(world)
        added = more(with_both, alone)
        assert not added.keys() & ONCE, added
        logins = [f"shared/dev-ana/user/postgres/{each}" for each in ("app", "migrate")]
        assert [each for each in added["secret"] if "/dev-ana/" in each] == logins

        ran(in_base, "env", "down", "dev-ana", "--yes")
        with_ben = leftovers(world)
        assert [len(each.pop("file system")) for each in (with_both, with_ben)] == [1, 1]  # by ids of AWS's
        assert with_ben == without(with_both, "dev-ana")
        assert {name for name, _ in shares(in_base)} == {"dev-ben"}
        assert_gone(in_base, asking, "dev-ana")
        ran(in_base, "status", "-e", "dev-ben", "-s", "user", "-s", "courses", "--exit-code", "--fresh")
        records = lifetimes(in_base)
        assert [(each.name, each.ttl) for each in records] == [("dev-ben", 2 * 86_400)]

        with aws.hold(on("ListTasks"), when="answered", times=1) as held:
            running = in_base.start(*ana)
            held.wait_until_inside()
            said = ran(in_base, "env", "down", "dev-ana", "--yes", code=4)
            assert "dev-ana is brought up: env up of" in said
            tasks.tasks[-1].wait("STOPPED", 60)
            running.send_signal(signal.SIGKILL)
            running.communicate()
        # What was killed had a copy of a template made: there is nothing that would have to be applied.
        results = {each["target"]: each["result"] for each in ran(in_base, *ana, "--json")["databases"]}
        assert results == {"search/opensearch": "changed", "user/postgres": "unchanged"}
        assert_up(asking, "dev-ana")
        for who in ("dev-ana", "dev-ben"):
            ran(in_base, "env", "down", who, "--yes")
            assert_gone(in_base, asking, who)
        assert shares(in_base) == []
    assert (leftovers(world), stacks_of(in_base, BASE)) == (alone, before)
    assert tasks.judged is not None
    assert set().union(*tasks.judged.refused.values()) == set()


def without(found: dict[str, list[str]], environment: str) -> dict[str, list[str]]:
    """Return what is left of `found` once nothing has the name of an environment in its own."""
    words = (environment, environment.replace("-", ""))
    kept = {
        kind: [each for each in names if not any(word in each for word in words)]
        for kind, names in found.items()
    }
    return {kind: names for kind, names in kept.items() if names}


def assert_gone(in_base: Shop, server: EmbeddedServer, environment: str) -> None:
    """See that the base has nothing of an environment, and that its table and bucket say nothing of how it is."""
    assert names(server, environment) == []
    state = ran(in_base, "status", "-e", environment, code=4)
    assert f"nothing is known of the databases of {environment} yet" in state
    project = Project.open(in_base.root, environ=in_base.environ)
    table = environments(project.targets, project.catalog.environment(environment)).table
    left = [each["part"] for each in table.between(f"environment#{environment}", "!", "~")]
    assert [each for each in left if not each.startswith("run#")] == []


def documents(settings: Settings, index: str) -> int:
    return int(urllib3.request("GET", f"{settings['endpoint']}/{index}/_count").json()["count"])


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
