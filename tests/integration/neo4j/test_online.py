"""An index is waited for until it can be used, and one that cannot be filled is no success."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from seedbed.engines.neo4j.address import address
from seedbed.engines.neo4j.files.commands import parse_command
from seedbed.engines.neo4j.running.index_progress import IndexProgress, wait_online
from seedbed.engines.neo4j.schema.catalogue import read_catalogue
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.errors import StepFailed
from tests.support.servers import Settings

INDEX = "CREATE INDEX by_text FOR (n:Note) ON (n.text)"


@pytest.fixture
def server(neo4j_settings: Settings) -> Iterator[BoltClient]:
    made = BoltClient(address(neo4j_settings, None))
    made.open()
    yield made
    made.close()


def waited(server: BoltClient, statement: str, undone: list[str]) -> list[IndexProgress]:
    looks = wait_online(
        server.read, parse_command(statement), sleep=time.sleep, undo=lambda: undone.append("undone")
    )
    return list(looks)


def test_after_waiting_the_index_is_online(server: BoltClient) -> None:
    server.run_once("UNWIND range(1, 5000) AS i CREATE (:Note {text: 'note ' + i})")
    server.run_once(INDEX)
    undone: list[str] = []
    looks = waited(server, INDEX, undone)
    assert all(0 <= each.percent <= 100 and each.name == "by_text" for each in looks)
    assert read_catalogue(server.read).indexes["by_text"].state == "ONLINE"
    assert undone == []


def test_an_index_of_another_name_that_stands_in_for_it_is_waited_for_too(server: BoltClient) -> None:
    server.run_once("UNWIND range(1, 5000) AS i CREATE (:Note {text: 'note ' + i})")
    server.run_once(INDEX)
    again = "CREATE INDEX another IF NOT EXISTS FOR (n:Note) ON (n.text)"
    server.run_once(again)
    waited(server, again, [])
    assert read_catalogue(server.read).indexes["by_text"].state == "ONLINE"


def test_an_index_that_cannot_be_filled_is_undone_and_the_reason_told(server: BoltClient) -> None:
    server.run_once("CREATE (:Note {text: reduce(all = '', i IN range(1, 10000) | all + 'x')})")
    server.run_once(INDEX)
    undone: list[str] = []
    with pytest.raises(StepFailed, match="by_text cannot be filled") as caught:
        waited(server, INDEX, undone)
    assert undone == ["undone"]
    assert "too large" in caught.value.because


def test_there_is_nothing_to_wait_for_after_a_drop_or_a_constraint(server: BoltClient) -> None:
    unique = "CREATE CONSTRAINT note FOR (n:Note) REQUIRE n.id IS UNIQUE"
    server.run_once(unique)
    assert waited(server, unique, []) == []
    assert waited(server, "DROP INDEX nobody IF EXISTS", []) == []
