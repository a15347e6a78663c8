"""Steps of migrations on a real server: what commits together, what is recorded before and after, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.engines.neo4j.wire.client import Transaction
from seedbed.engines.neo4j.wire.errors import ConnectionLost
from seedbed.errors import Irreversible, MigrationFileError, OutcomeUnknown, Refused, StepFailed
from seedbed.model.event import StepProbed, WorkProgressed, WorkStarted
from seedbed.model.history import Revision, RevisionState
from seedbed.model.migration import Direction, Work
from tests.support.neo4j.graphs import Graph, graph, migration
from tests.support.servers import Settings

SKILL = "CREATE CONSTRAINT skill FOR (s:Skill) REQUIRE s.name IS UNIQUE"


@pytest.fixture
def here(neo4j_settings: Settings) -> Graph:
    return graph(neo4j_settings)


def names(here: Graph) -> list[str]:
    """Return the constraints that are there, seedbed's own left out."""
    query = "SHOW CONSTRAINTS YIELD name WHERE name <> 'migrations_history_key' RETURN name ORDER BY name"
    return [each["name"] for each in here.ask(query)]


def revision(here: Graph, version: str = "1") -> Revision | None:
    with here.session() as session:
        return session.history().revision(version)


def record(here: Graph, found: Revision) -> None:
    with here.lease() as lease:
        lease.record(found, actor="test", because="as a killed runner would leave it")


# order and records


def test_data_and_schema_of_one_file_are_carried_out_in_their_order(here: Graph) -> None:
    told = here.apply(
        "// migrate:up\n"
        "CREATE (:Skill {name: 'algebra'}); CREATE (:Skill {name: 'geometry'});\n"
        f"{SKILL};\n"
        "MATCH (s:Skill) SET s.rank = 1;\n"
    )
    steps = [each.done for each in told if isinstance(each, WorkProgressed) and each.unit == "steps"]
    assert steps == [1, 2, 3]
    assert here.ask("MATCH (s:Skill) RETURN s.name AS name, s.rank AS rank ORDER BY name") == [
        {"name": "algebra", "rank": 1},
        {"name": "geometry", "rank": 1},
    ]
    assert names(here) == ["skill"]


def test_data_statements_that_follow_each_other_stay_or_go_together(here: Graph) -> None:
    with pytest.raises(StepFailed, match="by zero") as caught:
        here.apply("// migrate:up\nCREATE (:Made);\n\nRETURN\n  1 / 0;\nCREATE (:Made);\n")
    assert str(caught.value.at) == "migrations/1_test.cypher:4"
    assert not here.ask("MATCH (n:Made) RETURN n")
    assert revision(here) is None


def test_a_statement_that_would_take_the_history_along_is_rolled_back(here: Graph) -> None:
    here.do("CREATE (:Made)")
    with pytest.raises(MigrationFileError, match="`n` stands for every node"):
        here.apply("// migrate:up\nMERGE (n) DETACH DELETE n;\n")
    with pytest.raises(StepFailed, match="seedbed's own nodes"):
        here.apply(
            "// migrate:up\nUNWIND ['Made', 'migrations_' + 'history'] AS name MATCH (n:$(name)) DETACH DELETE n;\n"
        )
    assert len(here.ask("MATCH (n:Made) RETURN n")) == 1
    here.apply("// migrate:up\nMATCH (n:Made) DETACH DELETE n;\n")


def test_what_was_done_before_a_failing_step_stays_and_is_recorded(here: Graph) -> None:
    failing = f"// migrate:up\nCREATE (:Skill {{name: 'algebra'}});\n{SKILL};\nRETURN 1 / 0;\n"
    with pytest.raises(StepFailed):
        here.apply(failing)
    found = revision(here)
    assert found is not None
    assert (found.state, found.step, found.in_step) == (RevisionState.STARTED, 2, False)
    here.apply(failing.replace("1 / 0", "1"))
    found = revision(here)
    assert found is not None
    assert (found.state, found.step) == (RevisionState.APPLIED, 3)
    assert len(here.ask("MATCH (s:Skill) RETURN s")) == 1


# schema


def test_a_schema_step_that_the_server_refuses_leaves_no_record(here: Graph) -> None:
    here.do("UNWIND [1, 2] AS n CREATE (:Skill {name: 'algebra'})")
    with pytest.raises(StepFailed, match="algebra"):
        here.apply(f"// migrate:up\n{SKILL};\n")
    assert revision(here) is None
    assert names(here) == []


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_schema_step_whose_commit_was_never_answered_is_looked_up(
    here: Graph, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    commits, real = 0, Transaction.commit

    def answer_is_lost(transaction: Transaction) -> None:
        nonlocal commits
        commits += 1
        if commits != 2 or is_committed:
            real(transaction)
        if commits == 2:  # the first is that of the record
            raise ConnectionLost("no data", in_commit=True)

    monkeypatch.setattr(Transaction, "commit", answer_is_lost)
    here.apply(f"// migrate:up\n{SKILL};\n")
    assert names(here) == ["skill"]
    found = revision(here)
    assert found is not None
    assert found.state is RevisionState.APPLIED
    # Begun, the schema once or twice, finished, and what the run leaves.
    assert commits == (4 if is_committed else 5)


def test_what_is_there_already_is_taken_for_nobody_elses(here: Graph) -> None:
    here.do(SKILL)
    with pytest.raises(StepFailed, match="exists already"):
        here.apply(f"// migrate:up\n{SKILL};\n")
    with pytest.raises(StepFailed, match="does not exist"):
        here.apply("// migrate:up\nDROP CONSTRAINT level;\n", "2")
    assert revision(here) is None
    assert names(here) == ["skill"]


def test_the_way_down_that_nobody_wrote_undoes_what_was_done(here: Graph) -> None:
    here.do("CREATE CONSTRAINT level FOR (l:Level) REQUIRE (l.name, l.scale) IS UNIQUE", SKILL)
    with here.session() as session:
        before = session.schema()
    text = (
        "// migrate:up\n"
        "CREATE CONSTRAINT skill IF NOT EXISTS FOR (s:Skill) REQUIRE s.name IS UNIQUE;\n"
        "DROP CONSTRAINT level;\n"
        "CREATE INDEX rank FOR (s:Skill) ON (s.rank);\n"
    )
    here.apply(text)
    assert names(here) == ["skill"]
    here.apply(text, direction=Direction.DOWN)
    with here.session() as session:
        assert session.schema() == before
    assert revision(here) is None


def test_a_way_back_that_nobody_knows_is_refused(here: Graph) -> None:
    text = f"// migrate:up\n{SKILL};\n"
    known = migration(text)
    here.do(SKILL)
    record(here, Revision(known.version, known.name, known.checksum, known.phase, owner="test"))
    with pytest.raises(Irreversible, match="there is no undo for step"):
        here.apply(text, direction=Direction.DOWN)
    assert names(here) == ["skill"]


@pytest.mark.parametrize("is_done", [True, False])
def test_a_schema_step_that_a_former_run_began_is_probed(here: Graph, is_done: bool) -> None:
    text = f"// migrate:up\n{SKILL};\n"
    here.apply(text)
    found = revision(here)
    assert found is not None
    if not is_done:
        here.do("DROP CONSTRAINT skill")
    record(here, replace(found, state=RevisionState.STARTED, step=0, in_step=True))
    told = here.apply(text)
    verdicts = [each.verdict for each in told if isinstance(each, StepProbed)]
    assert verdicts == [
        "constraint skill is there" if is_done else "constraint skill is not there: it runs again"
    ]
    assert names(here) == ["skill"]
    here.apply(text, direction=Direction.DOWN)  # what undoes it was recorded when it was begun
    assert names(here) == []


def test_an_index_is_online_when_the_next_step_begins(here: Graph) -> None:
    here.do("UNWIND range(1, 3000) AS n CREATE (:Skill {rank: n})")
    here.apply("// migrate:up\nCREATE INDEX rank FOR (s:Skill) ON (s.rank);\n")
    (index,) = here.ask("SHOW INDEXES YIELD name, state WHERE name = 'rank'")
    assert index["state"] == "ONLINE"


def test_what_needs_enterprise_is_refused_before_anything_runs(here: Graph) -> None:
    plain = migration("// migrate:up\nCREATE (:Made);\n", "1")
    demanding = migration(
        "// migrate:up\nCREATE CONSTRAINT k FOR (s:Skill) REQUIRE s.name IS NODE KEY;\n", "2"
    )
    with here.lease() as lease, pytest.raises(Refused, match="Enterprise"):
        list(lease.apply([Work(plain), Work(demanding)]))
    assert not here.ask("MATCH (n:Made) RETURN n")
    assert revision(here) is None


# statements that commit as they go

BATCHES = "MATCH (n:Made) WHERE n.done IS NULL CALL (n) { SET n.done = 10 / n.id } IN TRANSACTIONS OF 1 ROW"
REPEATABLE = '// seedbed: repeatable because "it takes what is left"\n'


def test_a_statement_that_failed_between_its_commits_waits_for_a_person(here: Graph) -> None:
    here.do("UNWIND [2, 1, 0] AS id CREATE (:Made {id: id})")
    text = f"// migrate:up\n{BATCHES};\n"
    with pytest.raises(OutcomeUnknown, match="by zero"):
        here.apply(text)
    found = revision(here)
    assert found is not None
    assert (found.state, found.in_step) == (RevisionState.STARTED, True)
    with pytest.raises(OutcomeUnknown, match="it is unknown how much"):
        here.apply(text)


def test_a_repeatable_statement_goes_on_after_it_failed(here: Graph) -> None:
    here.do("UNWIND [2, 1, 0] AS id CREATE (:Made {id: id})")
    text = f"{REPEATABLE}// migrate:up\n{BATCHES};\n"
    with pytest.raises(OutcomeUnknown, match="by zero"):
        here.apply(text)
    found = revision(here)
    assert found is not None
    assert (found.state, found.step, found.in_step) == (RevisionState.STARTED, 0, False)  # it may be mended
    here.do("MATCH (n:Made {id: 0}) SET n.id = 5")
    assert [each.resumed for each in here.apply(text) if isinstance(each, WorkStarted)] == [True]
    assert here.ask("MATCH (n:Made) RETURN n.done AS done ORDER BY done") == [
        {"done": 2},
        {"done": 5},
        {"done": 10},
    ]


def test_a_statement_that_never_began_leaves_no_record(here: Graph) -> None:
    with pytest.raises(StepFailed, match="nothing"):
        here.apply(
            "// migrate:up\nUNWIND [1] AS n CALL (n) { CREATE (:Made {id: nothing}) } IN TRANSACTIONS;\n"
        )
    assert revision(here) is None


# backfills


def test_a_backfill_walks_over_relationships_and_meets_each_key_once(here: Graph) -> None:
    here.do(
        "CREATE INDEX teaches FOR ()-[r:TEACHES]-() ON (r.level)",
        "UNWIND range(0, 99) AS n CREATE (:Tutor {id: n})-[:TEACHES {level: n % 10, visits: 0}]->(:Skill)",
    )
    told = here.apply(
        "// seedbed: backfill=[:TEACHES].level batch=3\n"
        "// migrate:up\n"
        "UNWIND $keys AS key MATCH ()-[r:TEACHES {level: key}]->() SET r.visits = r.visits + 1;\n"
    )
    assert [each.done for each in told if isinstance(each, WorkProgressed)] == [3, 6, 9, 10]
    assert here.ask("MATCH ()-[r:TEACHES]->() RETURN DISTINCT r.visits AS visits") == [{"visits": 1}]


BACKFILL = (
    "// seedbed: backfill=Tutor.id batch=2\n// migrate:up\n"
    "UNWIND $keys AS key MATCH (t:Tutor {id: key}) SET t.visits = coalesce(t.visits, 0) + 1;\n"
)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("CREATE (:Tutor {id: 1})", "no index leads to Tutor.id"),
        (
            "CREATE INDEX tutor FOR (t:Tutor) ON (t.id); CREATE (:Tutor), (:Tutor {id: 1})",
            "1 of Tutor have no id",
        ),
        (
            "CREATE INDEX tutor FOR (t:Tutor) ON (t.id); CREATE (:Tutor {id: 1}), (:Tutor {id: 'one'})",
            "of the types INTEGER, STRING",
        ),
        ("CREATE TEXT INDEX tutor FOR (t:Tutor) ON (t.id); CREATE (:Tutor {id: 'one'})", "no index leads"),
    ],
)
def test_a_backfill_that_could_miss_something_is_refused(here: Graph, before: str, words: str) -> None:
    here.do(*before.split("; "), "CALL db.awaitIndexes(60)")
    with pytest.raises(Refused, match=words):
        here.apply(BACKFILL)
    assert revision(here) is None
    assert not here.ask("MATCH (t:Tutor) WHERE t.visits IS NOT NULL RETURN t")


def test_a_backfill_that_fails_keeps_its_checkpoint_and_goes_on_after_it(here: Graph) -> None:
    here.do(
        "CREATE CONSTRAINT tutor FOR (t:Tutor) REQUIRE t.id IS UNIQUE",
        "UNWIND ['a', 'b', 'c', 'd', 'e'] AS id CREATE (:Tutor {id: id, visits: CASE id WHEN 'd' THEN 'x' ELSE 0 END})",
    )
    text = BACKFILL.replace("coalesce(t.visits, 0) + 1", "t.visits * 1 + 1")
    with pytest.raises(StepFailed):
        here.apply(text)
    found = revision(here)
    assert found is not None
    assert (found.state, found.checkpoint, found.in_step) == (RevisionState.STARTED, '"b"', False)
    here.do("MATCH (t:Tutor {id: 'd'}) SET t.visits = 0")
    here.apply(text)
    assert here.ask("MATCH (t:Tutor) RETURN DISTINCT t.visits AS visits") == [{"visits": 1}]


# snapshots


def test_a_contract_migration_keeps_what_its_snapshot_is_called(
    neo4j_settings: Settings, tmp_path: Path
) -> None:
    here = graph(neo4j_settings, tmp_path, snapshot=["echo", "copy-4711"])
    here.apply("// migrate:up\nCREATE (:Made);\n")
    here.apply("// seedbed: phase=contract\n// migrate:up\nMATCH (n:Made) DELETE n;\n", "2")
    found = [revision(here, version) for version in ("1", "2")]
    assert [each and each.snapshot for each in found] == ["", "copy-4711"]


def test_without_its_snapshot_a_contract_migration_does_not_begin(
    neo4j_settings: Settings, tmp_path: Path
) -> None:
    here = graph(neo4j_settings, tmp_path, snapshot=["false"])
    here.do("CREATE (:Made)")
    with pytest.raises(Refused):
        here.apply("// seedbed: phase=contract\n// migrate:up\nMATCH (n:Made) DELETE n;\n")
    assert len(here.ask("MATCH (n:Made) RETURN n")) == 1
    assert revision(here) is None
