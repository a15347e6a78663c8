"""A pool between seedbed and the server: a lease needs a session of its own, with the settings that it asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from seedbed.engines.postgres.address import Address, address
from seedbed.engines.postgres.options import Options
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.store import exclusivity
from seedbed.engines.postgres.wire.connection import open_connection
from seedbed.errors import LeaseNotExclusive
from tests.support.postgres.wire import HERE, connected, pgbouncer, snapshot
from tests.support.projects import ProjectFiles, Ran, run, variables

IGNORED = {"ignore_startup_parameters": "options"}
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
# For each test, not for the module: what did not run is listed by its name.
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="pgbouncer is not installed (apt-get install pgbouncer)"
)


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def site(files: ProjectFiles) -> ProjectFiles:
    files.tables(2)
    return files


def apply(site: ProjectFiles, server: EmbeddedServer, database: str, port: int) -> Ran:
    env = {**variables(server, database), "DB_HOST": HERE, "DB_PORT": str(port)}
    return run(site.root, "apply", "-e", "staging", "--wait", "5", env=env)


def pooled(server: EmbeddedServer, database: str, port: int) -> Address:
    return address({"host": HERE, "port": str(port), "user": server.user, "name": database}, Options())


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_a_pool_that_refuses_session_settings_is_refused_by_name(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, mode: str
) -> None:
    before = snapshot(postgres_server, database)
    with pgbouncer(postgres_server, mode) as port:
        ran = apply(site, postgres_server, database, port)
        assert ran.code == 3, ran.everything
        assert "a connection pooler stands before" in ran.everything
        assert snapshot(postgres_server, database) == before


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("round_robin", ["0", "1"])
@pytest.mark.parametrize("size", ["1", "3"])
def test_a_pool_that_lends_one_session_to_many_is_refused_and_keeps_no_lock(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, mode: str, round_robin: str, size: str
) -> None:
    """Also where the pool takes its sessions in turns, and where it has enough for everybody."""
    before = snapshot(postgres_server, database)
    settings = {"server_round_robin": round_robin, "default_pool_size": size, "min_pool_size": size}
    with pgbouncer(postgres_server, mode, **IGNORED, **settings) as port:
        ran = apply(site, postgres_server, database, port)
        assert ran.code == 3, ran.everything
        assert "pooler" in ran.everything
        assert snapshot(postgres_server, database) == before


@pytest.mark.parametrize("size", [2, 4])
def test_a_pool_whose_sessions_take_turns_is_refused_when_it_is_warm(
    postgres_server: EmbeddedServer, database: str, size: int
) -> None:
    """The harder case: with as many sessions as clients, each may get its own again for a while."""
    settings = {"server_round_robin": "1", "default_pool_size": str(size)}
    with pgbouncer(postgres_server, "transaction", **IGNORED, **settings) as port, ExitStack() as stack:
        place = pooled(postgres_server, database, port)
        clients = [stack.enter_context(closing(open_connection(place))) for _ in range(size)]
        for statement in ("BEGIN", "SELECT 1", "COMMIT"):
            for client in clients:
                client.execute(statement.encode())
        with pytest.raises(LeaseNotExclusive, match="transaction mode"):
            exclusivity.require_exclusive(clients[0], place)


def test_after_a_refusal_the_same_database_is_migrated_directly(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles
) -> None:
    with pgbouncer(postgres_server, "transaction", **IGNORED) as port:
        assert apply(site, postgres_server, database, port).code == 3
        ran = run(
            site.root, "apply", "-e", "staging", "--wait", "0", env=variables(postgres_server, database)
        )
    assert ran.code == 0, ran.everything


def test_a_pool_in_session_mode_that_drops_the_settings_is_refused_by_name(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles
) -> None:
    """The server's own client_connection_check_interval is what we ask for: that alone proves nothing."""
    before = snapshot(postgres_server, database)
    with pgbouncer(postgres_server, "session", **IGNORED) as port:
        ran = apply(site, postgres_server, database, port)
        assert ran.code == 3, ran.everything
        assert "pooler" in ran.everything
        assert "lock_timeout did not arrive" in ran.everything
        assert snapshot(postgres_server, database) == before


def test_a_pool_in_session_mode_is_accepted_if_the_settings_are_there(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles
) -> None:
    with connected(postgres_server, "postgres") as connection:
        for setting in (
            "lock_timeout = '5s'",
            "client_connection_check_interval = '1s'",
        ):
            connection.execute(f"ALTER DATABASE {database} SET {setting}".encode())
    with pgbouncer(postgres_server, "session", **IGNORED) as port:
        ran = apply(site, postgres_server, database, port)
        assert ran.code == 0, ran.everything
        again = apply(site, postgres_server, database, port)
    assert again.code == 0, again.everything


def test_a_pool_without_a_second_session_to_give_proves_nothing_and_is_refused(
    postgres_server: EmbeddedServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusivity, "_PATIENCE", 0.5)
    with pgbouncer(postgres_server, "session", **IGNORED, default_pool_size="1") as port:
        place = pooled(postgres_server, database, port)
        with open_connection(place) as connection, pytest.raises(LeaseNotExclusive, match="pooler"):
            exclusivity.require_exclusive(connection, place)
