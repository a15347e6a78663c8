"""`user/postgres` in staging on what behaves like a cluster of Aurora, with a hundred users; a migration that drops a column."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres import snapshots as dispatch
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.snapshots import clusters
from seedbed.execution.stopping import Stop
from seedbed.project import snapshots
from tests.support.aws_proxy import Proxy
from tests.support.postgres.aurora import Aurora, aurora
from tests.support.snapshot_site import SnapshotSite

RUNBOOK = Path(__file__).parents[3] / "docs" / "how-to" / "restore-a-snapshot.md"
CLUSTER, COPY = "shop-staging-user", "seedbed-shop-staging-user-r12"
USERS = "-- migrate:up\nCREATE TABLE users (id bigint PRIMARY KEY, nickname text);\n-- migrate:down\nDROP TABLE users;\n"
DROP = (
    '-- seedbed: phase=contract\n-- seedbed: irreversible because "nicknames are gone"\n-- migrate:up\n'
    "ALTER TABLE users DROP COLUMN nickname;\n"
)
EXPECTED = '[[expectations]]\nname = "every user has an id"\ndatabase = "user/postgres"\nquery = "SELECT id FROM users WHERE id IS NULL"\n'


class Site(SnapshotSite):
    """`user/postgres` in staging on a cluster of Aurora, with a hundred users."""

    def __init__(
        self, root: Path, world: World, aws: Proxy, rds: Aurora, server: EmbeddedServer, database: str
    ) -> None:
        self.root, self.aws, self.rds = root, aws, rds
        self.server, self.name = server, database
        self.stop = Stop()
        self.migrations = root / "services" / "user" / "postgres" / "migrations"
        self.migrations.mkdir(parents=True)
        (root / "seedbed.toml").write_text(
            '[platform]\nname = "shop"\n[services.user.postgres]\n'
            f'[environments.staging]\naccount = "{world.account}"\nregion = "{world.region}"\n{EXPECTED}'
        )
        self.port = str(rds.cluster(CLUSTER, database)["port"])
        self.environ = {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": world.account,
            "AWS_SECRET_ACCESS_KEY": "any",
            "DB_HOST": "127.0.0.1",
            "DB_PORT": self.port,
            "DB_USER": server.user,
            "DB_NAME": database,
            "DB_PASSWORD": "any",
        }
        self.migration("20260101000001_users", USERS)
        self.apply()
        self.sql("INSERT INTO users SELECT g, 'n' || g FROM generate_series(1, 100) g")

    def migration(self, name: str, text: str) -> None:
        (self.migrations / f"{name}.sql").write_text(text)

    def sql(self, text: str, port: str = "") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo(port), autocommit=True) as connection:
            found = connection.execute(text)
            return found.fetchall() if found.description else []

    def conninfo(self, port: str = "") -> str:
        return f"host=127.0.0.1 port={port or self.port} user={self.server.user} dbname={self.name}"


@contextmanager
def opened(
    root: Path, world: World, aws: Proxy, server: EmbeddedServer, database: str, patch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """Yield a site on what stands in for a cluster on this machine, asked without long pauses."""
    patch.setattr(snapshots, "LONGEST_PAUSE", 0.02)
    patch.setattr(dispatch, "is_rds", lambda host: host == "127.0.0.1")
    patch.setattr(clusters, "cluster_id", lambda _: CLUSTER)
    with aurora(aws, server) as rds:
        yield Site(root, world, aws, rds, server, database)
