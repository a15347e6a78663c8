"""A history is read whole or not at all: what is missing of it is never read as "nothing was ever applied"."""

from __future__ import annotations

import pytest

from seedbed.errors import Refused, StepFailed
from seedbed.model.event import ServerNotice
from seedbed.model.history import Identity
from seedbed.model.migration import Direction
from tests.support.neo4j.graphs import Graph, graph
from tests.support.servers import Settings

SKILL = "CREATE CONSTRAINT skill FOR (s:Skill) REQUIRE s.name IS UNIQUE"


@pytest.fixture
def here(neo4j_settings: Settings) -> Graph:
    return graph(neo4j_settings)


def applied(here: Graph) -> list[str]:
    with here.session() as session:
        return [each.version for each in session.history().revisions]


def test_a_history_that_something_deleted_with_all_nodes_is_not_an_empty_one(here: Graph) -> None:
    with here.lease() as lease:
        lease.bind(Identity("edtech", "tutor-matching/neo4j", "dev-test"))
    here.apply(f"// migrate:up\n{SKILL};\n")
    here.do("MATCH (n) CALL (n) { DELETE n } IN TRANSACTIONS OF 100 ROWS")
    with pytest.raises(Refused, match="is not whole") as caught:
        applied(here)
    assert "DROP CONSTRAINT migrations_history_key" in caught.value.try_
    with pytest.raises(Refused, match="is not whole"):  # nor by a run, which would make its lease anew
        here.apply(f"// migrate:up\n{SKILL};\n", "2")
    here.do("DROP CONSTRAINT migrations_history_key")
    assert applied(here) == []


def test_a_run_that_died_before_its_first_node_leaves_an_empty_database_empty(here: Graph) -> None:
    here.do(
        "MATCH (n) DETACH DELETE n",
        "CREATE CONSTRAINT migrations_history_key IF NOT EXISTS FOR (n:migrations_history) REQUIRE n.key IS UNIQUE",
    )
    assert applied(here) == []


def test_a_revision_that_was_deleted_is_missed_and_one_that_was_reverted_is_not(here: Graph) -> None:
    first, second = (
        f"// migrate:up\n{SKILL};\n",
        "// migrate:up\nCREATE (:A);\n// migrate:down\nMATCH (a:A) DELETE a;\n",
    )
    here.apply(first)
    here.apply(second, "2")
    here.apply(second, "2", Direction.DOWN)
    assert applied(here) == ["1"]
    here.apply(second, "2")
    with here.lease() as lease:
        lease.forget("2", actor="test", because="it never ran")
    assert applied(here) == ["1"]
    here.do("MATCH (h:migrations_history {key: 'revision:1'}) DELETE h")
    with pytest.raises(Refused, match="is not whole") as caught:
        applied(here)
    assert caught.value.because.startswith("1 was applied when the last run ended")
    here.do("MATCH (s:migrations_history {key: 'schema'}) DELETE s")  # as the message says
    assert applied(here) == []


def test_what_creates_nothing_because_of_another_name_says_so(here: Graph) -> None:
    here.do(SKILL)
    told = here.apply(f"// migrate:up\n{SKILL.replace('skill FOR', 'mine IF NOT EXISTS FOR')};\n")
    notices = [each.text for each in told if isinstance(each, ServerNotice)]
    assert notices == ["CREATE CONSTRAINT mine creates nothing: (:Skill) name has skill already"]


def test_a_name_that_belongs_to_something_else_fails_unless_the_file_allows_it(here: Graph) -> None:
    here.do("CREATE CONSTRAINT skill FOR (s:Skill) REQUIRE s.rank IS UNIQUE")
    other = SKILL.replace("skill FOR", "skill IF NOT EXISTS FOR")
    with pytest.raises(StepFailed, match="skill is there, and is something else") as caught:
        here.apply(f"// migrate:up\n{other};\n")
    assert "allow=NEO208" in caught.value.try_
    assert applied(here) == []
    here.apply(f'// seedbed: allow=NEO208 because "either will do"\n// migrate:up\n{other};\n')
    assert applied(here) == ["1"]


def test_a_name_of_the_other_kind_is_refused_by_the_server_whatever_the_file_allows(here: Graph) -> None:
    here.do("CREATE INDEX skill FOR (s:Skill) ON (s.rank)")
    other = SKILL.replace("skill FOR", "skill IF NOT EXISTS FOR")
    with pytest.raises(StepFailed, match="already exists an index called 'skill'"):
        here.apply(f'// seedbed: allow=NEO208 because "either will do"\n// migrate:up\n{other};\n')
    assert applied(here) == []
