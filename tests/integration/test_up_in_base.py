"""Environments come up in a base and go: each has databases of its own on its servers, made and dropped by its task."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import neo4j
import pytest

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
from tests.support.deployment.stage import IMAGE, Stage, write_app_of_several
from tests.support.fargate import Fargate, seedbed_image
from tests.support.postgres.wire import connected
from tests.support.projects import run
from tests.support.servers import Settings

pytestmark = pytest.mark.slow(120)

ENVIRONMENTS = (BASE, "dev-ana", "dev-ben")
TABLE = """-- migrate:up
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
-- migrate:down
DROP TABLE users;
"""


@pytest.fixture
def shop(
    tmp_path: Path,
    ministack_account: World,
    assemblies: Path,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
) -> Shop:
    """A platform with a base that is deployed, and nothing in it."""
    write_in_base(tmp_path, ministack_account.account)
    home = tmp_path / "services" / "user" / "postgres"
    (home / "migrations" / "20260101000001_users.sql").write_text(TABLE)
    (home / "seeds" / "reference").mkdir(parents=True)
    (home / "seeds" / "reference" / "01_users.csv").write_text("id,name\n1,ana\n2,ben\n")
    stage = Stage(ministack_account, NOBODY)
    made = {
        each: stage.assembly(assemblies / f"base-{each}", tmp_path / f"made-{each}") for each in ENVIRONMENTS
    }
    write_app_of_several(tmp_path, made)
    image = seedbed_image(aws=aws.endpoint, authorities=authority.bundle)
    tasks.images[IMAGE] = replace(image, directory=tmp_path)
    found = Shop(tmp_path, ministack_account, tmp_path, aws.endpoint)
    found.prepare()
    Stage(ministack_account, ministack_account.account).make(made[BASE])
    return found


def ran(shop: Shop, *arguments: str, code: int = 0) -> Any:
    """Run a command, which has to end with `code`, and return its document where it was asked for one."""
    done = run(shop.root, *arguments, env=shop.environ, timeout=900)
    assert done.code == code, done.everything
    return json.loads(done.out) if "--json" in arguments else done.everything


def shares(shop: Shop) -> list[tuple[str, str]]:
    found = ran(shop, "share", "list", "-e", BASE, "--json")["shares"]
    return [(each["environment"], each["database"]) for each in found]


def lifetimes(shop: Shop) -> list[EnvironmentRecord]:
    """Return what is written down of environments in the base."""
    project = Project.open(shop.root, environ=shop.environ)
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
    shop: Shop,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
    when: Literal["asked", "answered"],
) -> None:
    up, down = (("env", each, "dev-ana", "--yes") for each in ("up", "down"))
    world, account = shop.world, shop.world.account
    alone = leftovers(world)
    with inside(world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        seen = killed_at_each_step(aws, account, lambda: shop.start(*up), when)
        assert {"CreateChangeSet", "ExecuteChangeSet", "RunTask"} <= {each.split()[1] for each in seen}
        assert_up(asking, "dev-ana")
        aws.forget()
        gone = killed_at_each_step(aws, account, lambda: shop.start(*down), when)
        assert {"DeleteStack", "RunTask"} <= {each.split()[1] for each in gone}
        assert (names(asking, "dev-ana"), shares(shop)) == ([], [])
    assert leftovers(world) == alone


def test_an_environment_whose_caller_is_killed_while_its_databases_are_made_comes_up_all_the_same(
    shop: Shop,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    with inside(shop.world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        with aws.hold(on("RunTask"), when="answered", times=1) as held:
            running = shop.start("env", "up", "dev-ana", "--yes")
            held.wait_until_inside()
            running.send_signal(signal.SIGKILL)
            running.communicate()
        ran(shop, "env", "up", "dev-ana", "--yes")
        assert_up(asking, "dev-ana")


def assert_up(server: EmbeddedServer, environment: str) -> None:
    with connected(server, f"{environment.replace('-', '_')}_user_db") as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (2,)


def emptied(graph: Settings) -> None:
    with neo4j.GraphDatabase.driver(graph["uri"], auth=None) as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n")


def test_environments_come_up_in_a_base_and_go_without_a_trace_on_its_servers(
    shop: Shop,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    world = shop.world
    alone = leftovers(world)
    with inside(world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        ben = ran(shop, "env", "up", "dev-ben", "--yes", "--json", "--ttl", "2d")
        assert {each["service"]: each["readiness"] for each in ben["services"]} == {
            "courses": "ready",
            "search": "ready",
            "tutor-matching": "ready",
            "user": "ready",
        }
        with_ben = leftovers(world)
        emptied(neo4j_settings)  # there is one graph here for all tasks of graphs
        said = ran(shop, "env", "up", "dev-ana", "--yes")
        assert "database dev_ana_user_db, a copy of template" in said
        assert ("dev-ana", "user/postgres") in shares(shop)
        assert ("dev-ben", "user/postgres") in shares(shop)
        with connected(asking, "dev_ana_user_db") as connection:
            assert connection.execute("SELECT count(*) FROM users").fetchone() == (2,)
            owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
            assert connection.execute(owners).fetchall() == [("dev_ana_user_db_migrate",)]
        again = ran(shop, "env", "up", "dev-ana", "--yes", "--json")
        assert not again["changed"]
        ran(shop, "env", "down", "dev-ana", "--yes")
        assert names(asking, "dev-ana") == []
        assert {each for each, _ in shares(shop)} == {"dev-ben"}
        records = lifetimes(shop)
        assert [each.name for each in records] == ["dev-ben"]
        assert records[0].ttl == 2 * 86_400
        assert leftovers(world) == with_ben
        ran(shop, "status", "-e", "dev-ben", "-s", "user", "-s", "courses", "--exit-code", "--fresh")
        ran(shop, "env", "down", "dev-ben", "--yes")
        assert (names(asking, "dev-ben"), shares(shop)) == ([], [])
    assert leftovers(world) == alone
