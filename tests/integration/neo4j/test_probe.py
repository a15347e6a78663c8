"""Whether a schema statement took effect is proven by the catalogue, whatever became of the run that sent it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seedbed.engines.neo4j.address import address
from seedbed.engines.neo4j.files.commands import parse_command
from seedbed.engines.neo4j.schema.catalogue import read_catalogue
from seedbed.engines.neo4j.schema.probe import took_effect
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.engines.neo4j.wire.errors import CypherError
from tests.support.servers import Settings

INDEX = "CREATE INDEX skill_name FOR (n:Skill) ON (n.name)"
UNIQUE = "CREATE CONSTRAINT skill_slug FOR (n:Skill) REQUIRE n.slug IS UNIQUE"


@pytest.fixture
def server(neo4j_settings: Settings) -> Iterator[BoltClient]:
    made = BoltClient(address(neo4j_settings, None))
    made.open()
    yield made
    made.close()


def has_effect(server: BoltClient, statement: str) -> bool:
    return took_effect(parse_command(statement), read_catalogue(server.read))


@pytest.mark.parametrize("create", [INDEX, UNIQUE])
def test_a_statement_that_was_rolled_back_had_no_effect_and_one_that_was_committed_had_it(
    server: BoltClient, create: str
) -> None:
    command = parse_command(create)
    drop = f"DROP {command.noun} {command.name}"
    for statement in (create, drop):
        with server.transaction({}) as lost:
            lost.run(statement)
        assert not has_effect(server, statement)
        with server.transaction({}) as kept:
            kept.run(statement)
            kept.commit()
        assert has_effect(server, statement)
    assert has_effect(server, f"{drop} IF EXISTS")


def test_a_constraint_that_its_data_contradicts_had_no_effect(server: BoltClient) -> None:
    server.run_once("UNWIND [1, 1] AS slug CREATE (:Skill {slug: slug})")
    with pytest.raises(CypherError, match="slug"):
        server.run_once(UNIQUE)
    assert not has_effect(server, UNIQUE)
    assert read_catalogue(server.read).indexes.keys() == {
        each for each, thing in read_catalogue(server.read).indexes.items() if thing.subject.kind == "LOOKUP"
    }


def test_a_name_that_something_else_has_proves_nothing_and_running_again_says_so(server: BoltClient) -> None:
    server.run_once("CREATE INDEX skill_name FOR (n:Other) ON (n.name)")
    assert not has_effect(server, INDEX)
    with pytest.raises(CypherError, match="skill_name"):
        server.run_once(INDEX)
