"""A base and environments that lie in it, each step a command of its own: deployed, migrated, seeded, destroyed.

`env up` and `env down` do the same in test_up_in_base.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.opensearch.engine import OpenSearchEngine
from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.names import login_secret
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share
from tests.integration.test_up_in_base import ONCE, documents, more, stacks_of
from tests.support.aws_proxy import Proxy
from tests.support.deployment.in_base import BASE, fill, write_in_base
from tests.support.deployment.inside import Authority, Servers, inside
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import NOBODY, Shop
from tests.support.deployment.stage import IMAGE, Stage
from tests.support.fargate import Fargate, seedbed_image
from tests.support.postgres.wire import connected
from tests.support.servers import Settings

pytestmark = [pytest.mark.soak, pytest.mark.slow(60)]


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, aws: Proxy) -> Shop:
    write_in_base(tmp_path, ministack_account.account)
    fill(tmp_path)
    made = Shop(tmp_path, ministack_account, tmp_path, aws.endpoint)
    made.prepare()
    return made


def test_environments_come_up_in_a_base_are_used_by_their_own_tasks_and_one_goes_without_a_trace(
    shop: Shop,
    assemblies: Path,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    stage = Stage(shop.world, NOBODY)
    made = {
        each: stage.assembly(assemblies / f"base-{each}", shop.root / f"made-{each}")
        for each in (BASE, "dev-ana", "dev-ben")
    }
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
    assert not added.keys() & ONCE, added

    shared = Servers(asking, neo4j_settings, opensearch_settings)
    tasks.images[IMAGE] = seedbed_image(aws=aws.endpoint, authorities=authority.bundle)
    with inside(shop.world, tasks, authority, shared):
        for who in ("dev-ana", "dev-ben"):
            make_databases(shop, shared, who)
        ran = shop.run("apply", "-e", "dev-ana")
        assert ran.code == 0, ran.everything
        ran = shop.run("seed", "-e", "dev-ana")
        assert ran.code == 0, ran.everything
    assert rows(asking, "dev_ana_user_db") == 2
    assert rows(asking, "dev_ben_user_db") is None
    assert documents(opensearch_settings, "dev-ana.search.people") == 1
    assert tasks.judged is not None
    assert set().union(*tasks.judged.refused.values()) == set()

    ran = shop.run("destroy", "-e", "dev-ana", "--yes")
    assert ran.code == 0, ran.everything
    assert leftovers(shop.world) == with_ben
    ran = shop.run("destroy", "-e", "dev-ben", "--yes")
    assert ran.code == 0, ran.everything
    assert (leftovers(shop.world), stacks_of(shop, BASE)) == (alone, before)


def make_databases(shop: Shop, servers: Servers, environment: str) -> None:
    """Make what the task of the base makes, with the passwords in the environment's secrets."""
    named = {
        setting: login_secret("shared", environment, "user/postgres", login)
        for setting, login in (("user", "migrate"), ("app_user", "app"))
    }
    passwords = {
        setting: Secret(
            json.loads(shop.ask("secretsmanager", "GetSecretValue", SecretId=name)["SecretString"])[
                "password"
            ]
        )
        for setting, name in named.items()
    }
    assert servers.postgres is not None
    where: dict[str, str | Secret] = {
        "host": servers.postgres.socket_directory,
        "port": str(servers.postgres.port),
        "admin_user": servers.postgres.user,
        "admin_password": Secret("none-is-needed"),
    }
    with PostgresEngine().shared_server(where) as server:
        assert server.make(Share("shared", environment, "user/postgres"), passwords)
    with OpenSearchEngine().shared_server(servers.opensearch) as domain:
        assert domain.make(Share("shared", environment, "search/opensearch"), {})


def rows(server: EmbeddedServer, database: str) -> int | None:
    with connected(server, database) as connection:
        there = connection.execute("SELECT to_regclass('public.users')").fetchone()
        if there is None or there[0] is None:
            return None
        found = connection.execute("SELECT count(*) FROM users").fetchone()
        return int(found[0]) if found else None
