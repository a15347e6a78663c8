"""Environments come up in a base and go: each has databases of its own on its servers, made and dropped by its task."""

from __future__ import annotations

import json
import signal
from typing import Any, Literal

import neo4j
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.project import Project
from seedbed.project.lifetimes import environments
from tests.support.aws_proxy import Proxy, on
from tests.support.deployment.in_base import BASE
from tests.support.deployment.inside import Authority, Servers, inside
from tests.support.deployment.kills import killed_at_each_step
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import Shop
from tests.support.fargate import Fargate
from tests.support.postgres.wire import connected
from tests.support.projects import run
from tests.support.servers import Settings

pytestmark = pytest.mark.slow(120)


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
        assert {"DeleteStack", "ListTasks"} <= {each.split()[1] for each in gone}
        assert (names(asking, "dev-ana"), shares(in_base)) == ([], [])
    assert leftovers(world) == alone


def test_an_environment_whose_caller_is_killed_while_its_databases_are_made_comes_up_all_the_same(
    in_base: Shop,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    with inside(in_base.world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        with aws.hold(on("ListTasks"), when="answered", times=1) as held:
            running = in_base.start("env", "up", "dev-ana", "--yes")
            held.wait_until_inside()
            running.send_signal(signal.SIGKILL)
            running.communicate()
        ran(in_base, "env", "up", "dev-ana", "--yes")
        assert_up(asking, "dev-ana")


def assert_up(server: EmbeddedServer, environment: str) -> None:
    with connected(server, f"{environment.replace('-', '_')}_user_db") as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (2,)


def emptied(graph: Settings) -> None:
    with neo4j.GraphDatabase.driver(graph["uri"], auth=None) as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n")


def test_environments_come_up_in_a_base_and_go_without_a_trace_on_its_servers(
    in_base: Shop,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    world = in_base.world
    alone = leftovers(world)
    with inside(world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        ben = ran(in_base, "env", "up", "dev-ben", "--yes", "--json", "--ttl", "2d")
        assert {each["service"]: each["readiness"] for each in ben["services"]} == {
            "courses": "ready",
            "search": "ready",
            "tutor-matching": "ready",
            "user": "ready",
        }
        with_ben = leftovers(world)
        emptied(neo4j_settings)  # there is one graph here for all tasks of graphs
        said = ran(in_base, "env", "up", "dev-ana", "--yes")
        assert "database dev_ana_user_db, a copy of template" in said
        assert ("dev-ana", "user/postgres") in shares(in_base)
        assert ("dev-ben", "user/postgres") in shares(in_base)
        with connected(asking, "dev_ana_user_db") as connection:
            assert connection.execute("SELECT count(*) FROM users").fetchone() == (2,)
            owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
            assert connection.execute(owners).fetchall() == [("dev_ana_user_db_migrate",)]
        again = ran(in_base, "env", "up", "dev-ana", "--yes", "--json")
        assert not again["changed"]
        ran(in_base, "env", "down", "dev-ana", "--yes")
        assert names(asking, "dev-ana") == []
        assert {each for each, _ in shares(in_base)} == {"dev-ben"}
        records = lifetimes(in_base)
        assert [each.name for each in records] == ["dev-ben"]
        assert records[0].ttl == 2 * 86_400
        assert leftovers(world) == with_ben
        ran(in_base, "status", "-e", "dev-ben", "-s", "user", "-s", "courses", "--exit-code", "--fresh")
        ran(in_base, "env", "down", "dev-ben", "--yes")
        assert (names(asking, "dev-ben"), shares(in_base)) == ([], [])
    assert leftovers(world) == alone
