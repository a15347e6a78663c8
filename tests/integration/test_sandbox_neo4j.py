"""The sandbox's Neo4j: fetched at first use, one server for each database. Real starts, real ends."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest

from seedbed.engines.neo4j.sandbox import diagnose, embedded, local
from seedbed.errors import SandboxError
from seedbed.servers import locks
from tests.support.processes import gone, listening, until
from tests.support.servers import Pool, Settings, owner

MODULE = "seedbed.engines.neo4j.sandbox"
DATABASE = "tutor-matching/neo4j"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


@pytest.fixture
def home() -> Iterator[Path]:
    """A new sandbox; at the end nothing may be running in it."""
    parent = Path(tempfile.mkdtemp(prefix="sb-"))
    yield parent / "sandbox"
    for lock in parent.rglob("server.lock"):
        assert until(lambda lock=lock: not locks.holders(lock))  # type: ignore[misc]
    shutil.rmtree(parent)


def rows(settings: Settings, statement: str) -> list[dict[str, Any]]:
    with neo4j.GraphDatabase.driver(settings["uri"], auth=None) as driver:
        return [
            each.data() for each in driver.execute_query(statement, database_=settings["database"]).records
        ]


@pytest.mark.slow(15)
def test_it_is_one_databases_alone_dies_with_its_owner_and_what_it_held_is_there_again(
    neo4j_servers: Pool, servers_home: Path
) -> None:
    with owner(MODULE, servers_home, DATABASE) as first:
        rows(first.settings, "CREATE CONSTRAINT person FOR (p:Person) REQUIRE p.id IS UNIQUE")
        rows(first.settings, "CREATE (:Person {id: 1})")
        with neo4j_servers.borrowed() as other:  # another database of the same home
            rows(other, "CREATE (:Person {id: 2})")
            assert rows(first.settings, "MATCH (p:Person) RETURN p.id AS id") == [{"id": 1}]
        first.kill()
        assert gone(first.directory, first.supervisor, first.server)
    with owner(MODULE, servers_home, DATABASE) as second:
        assert second.settings == first.settings  # the same port, so that applications find it again
        assert rows(second.settings, "MATCH (p:Person) RETURN p.id AS id") == [{"id": 1}]
        assert rows(second.settings, "SHOW CONSTRAINTS YIELD name RETURN name") == [{"name": "person"}]
        assert listening(second.server)
        assert listening(second.server) <= LOOPBACK
        os.kill(second.supervisor, signal.SIGKILL)
        assert gone(second.directory, second.supervisor, second.server)


def test_a_bad_start_says_what_the_server_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "OPTIONS", ("-Xmx1",))
    monkeypatch.setenv("CI", "true")  # nothing is recorded with options that do not work
    with (
        pytest.raises(SandboxError, match=r"2026\.08\.1 did not start\n(.*\n)*.*Too small maximum heap"),
        embedded(home) as servers,
    ):
        servers.settings(DATABASE)


def test_doctor_fetches_nothing_and_says_what_would_be(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "tutor-matching.neo4j").mkdir(parents=True)
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path))
    told = dict(diagnose(home))
    assert told["Neo4j"] == "Neo4j Community 2026.08.1"
    assert told["jars"].endswith(", 115 MB to be fetched")
    assert told["tutor-matching.neo4j"].startswith("does not run, in ")
    assert list(tmp_path.iterdir()) == []
