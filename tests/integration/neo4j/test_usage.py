"""What a server tells of the use of indexes, labels and properties that a contract removes."""

from __future__ import annotations

import time
from pathlib import Path, PurePath

import neo4j
import pytest

from seedbed.engines.neo4j import engine
from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.files.statements import body_of
from seedbed.engines.neo4j.options import Options
from seedbed.engines.neo4j.rules.elements import elements
from seedbed.engines.neo4j.rules.mentions import mentions_label, mentions_property
from seedbed.engines.neo4j.sandbox import embedded
from seedbed.model.migration import Migration, MigrationFile, Source, checksum
from seedbed.model.platform import Database
from seedbed.model.usage import Usage
from seedbed.planning.usage import Use, judged
from tests.support.neo4j.graphs import FORGET, Graph
from tests.support.neo4j.graphs import graph as graph_of
from tests.support.servers import Settings

COMMIT = "c" * 40
DATABASE = Database("tutor-matching", "neo4j", PurePath("."), Options())
LEVEL = "MATCH (:Tutor)-[r:TEACHES]->(:Skill) REMOVE r.level"
INDEX = "DROP INDEX skill_name"
OLD = "MATCH (s:Old) REMOVE s:Old"
FLUSHED = 12.0  # seconds after which an index tells that it was read


def contract(text: str) -> Migration:
    data = f"// seedbed: phase=contract\n// migrate:up\n{text};\n".encode()
    source = Source("migrations/1_contract.cypher", ".cypher", data)
    return engine.parse(MigrationFile("1", "contract", source, checksum(data)))


@pytest.mark.parametrize(
    ("text", "removed"),
    [
        (INDEX, ["index skill_name"]),
        ("DROP CONSTRAINT skill_id IF EXISTS", ["constraint skill_id"]),
        ("CREATE INDEX a FOR (n:A) ON (n.b)", []),
        (LEVEL, ["property TEACHES.level"]),
        ("MATCH (n:A|B) REMOVE n.level, n:Old:Older", ["property level", "label Old", "label Older"]),
        ("MATCH (t:Tutor {id: 1})-[r:TEACHES]->(s) SET s.x = 1, r.level = null", ["property TEACHES.level"]),
        ("MATCH (t:Tutor) REMOVE t['a' + 'b']", ["property Tutor"]),
        (
            "MATCH (:Student)-[w:WANTS]->(:Skill) CALL (w) { DELETE w } IN TRANSACTIONS",
            ["what is deleted of WANTS"],
        ),
        ("MATCH (a:A), (b:B|C) DETACH DELETE a, b", ["what is deleted of A", "what is deleted of"]),
        ("CALL apoc.periodic.iterate('', '', {})", ["what a procedure removes"]),
        ("MATCH (n:A) SET n.remove = 1", []),
        ("MATCH (n:A) WHERE n.`REMOVE` = 'REMOVE n.x' SET n.b = 1", []),
    ],
)
def test_what_a_migration_removes_is_read_from_its_statements(text: str, removed: list[str]) -> None:
    assert [str(each).strip() for each in engine.removals(contract(text), DATABASE)] == removed


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("MATCH (:Tutor)-[r:TEACHES]->(s) RETURN r.level", "yes"),
        ("MATCH (:Tutor)-[:TEACHES {level: 1}]->(s) RETURN s.name", "yes"),
        ("MATCH (:Tutor)-[r]->(s) RETURN r.level", "unclear"),
        ("MATCH (:Tutor)-[r:TEACHES]->(s) RETURN r", "unclear"),
        ("MATCH p = (:Tutor)-[:TEACHES]->(s) RETURN p", "unclear"),
        ("MATCH (:Tutor)-[r:TEACHES]->(s:Skill) RETURN *", "unclear"),
        ("MATCH (:Tutor)-[r:!KNOWS]->(s:Skill) RETURN r.level", "unclear"),
        ("CALL db.index.fulltext.queryRelationships('x', 'y')", "unclear"),
        ("not Cypher '", "unclear"),
        ("MATCH (t:Tutor)-[r:TEACHES]->(s:Skill) RETURN t.level, s, r.since", "yes"),  # named beside: no harm
        ("MATCH (s:Student) RETURN s.level", "no"),
        ("MATCH (t:Tutor)-[r:TEACHES]->(s:Skill) WHERE r.since > 1 RETURN t, s", "no"),
        ("MATCH (:Tutor)-[:TEACHES]->(s:Skill) RETURN s", "no"),
        ("RETURN 'TEACHES.level'", "no"),
        ("SHOW INDEXES", "no"),
        ("CALL db.labels()", "no"),
        ("MATCH (m:migrations_history) RETURN m.level, m", "no"),
    ],
)
def test_a_statement_is_read_for_the_property_that_goes(text: str, verdict: str) -> None:
    assert mentions_property(text, "TEACHES", "level") == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("MATCH (n:Old) RETURN n.a", "yes"),
        ("MATCH (n:A|Old) RETURN n.a", "yes"),
        ("MATCH (n) WHERE n:Old RETURN n.a", "yes"),
        ("MATCH (n:A) SET n:Old", "yes"),
        ("MATCH (n:A) RETURN labels(n)", "unclear"),
        ("MATCH (n:$($name)) RETURN n.a", "unclear"),
        ("MATCH (n:A) RETURN n.Old, 'Old'", "no"),
    ],
)
def test_a_statement_is_read_for_the_label_that_goes(text: str, verdict: str) -> None:
    assert mentions_label(text, "Old") == verdict


def test_the_elements_of_patterns_are_told_from_calls_and_expressions() -> None:
    (statement,) = split(
        "MATCH (t:Tutor)-[r:TEACHES|KNOWS*1..2]-(:Skill {a: 1}) WHERE (t.a + 1) > size(t.b) RETURN t"
    )
    found = [(each.variable, each.labels) for each in elements(body_of(statement))]
    assert found == [("t", ("Tutor",)), ("r", ("TEACHES", "KNOWS")), ("", ("Skill",))]


class Tutors:
    """A graph that applications use."""

    def __init__(self, here: Graph) -> None:
        self.here = here
        here.do(
            "CREATE INDEX skill_name IF NOT EXISTS FOR (s:Skill) ON (s.name)",
            "CREATE CONSTRAINT skill_id IF NOT EXISTS FOR (s:Skill) REQUIRE s.id IS UNIQUE",
            "CALL db.awaitIndexes(60)",
            "UNWIND range(1, 50) AS n MERGE (s:Skill:Old {id: n, name: toString(n)})"
            " MERGE (t:Tutor {id: n}) MERGE (t)-[r:TEACHES]->(s) SET r.level = n",
        )

    def look(self, text: str) -> Usage:
        with self.here.session() as session:
            return session.usage(engine.removals(contract(text), DATABASE))

    def judge(self, text: str, *statements: str, wait: float = 0.0) -> Use:
        before = self.look(text)
        self.here.do(*statements)
        time.sleep(wait)
        return judged([(before, self.look(text))], COMMIT)


@pytest.fixture
def tutors(neo4j_settings: Settings) -> Tutors:
    here = graph_of(neo4j_settings)
    here.do(*FORGET)
    return Tutors(here)


def test_what_statements_name_is_told_with_its_time(tutors: Tutors) -> None:
    used, whole = "MATCH (t:Tutor)-[r:TEACHES]->(s:Skill) RETURN r.level", "MATCH ()-[r:TEACHES]->() RETURN r"
    tutors.here.do(used)
    assert tutors.judge(LEVEL, "MATCH (t:Tutor) RETURN t.id") == Use(
        "none", "property TEACHES.level was not used"
    )
    assert tutors.judge(LEVEL, used, used) == Use("some", "property TEACHES.level was used 2 times")
    assert tutors.judge(LEVEL, whole).verdict == "unknown"
    assert tutors.judge(OLD, "MATCH (o:Old) RETURN count(*)").verdict == "some"
    assert tutors.judge(OLD, "MATCH (o:Skill) RETURN count(*)").verdict == "none"


def test_a_statement_that_has_not_ended_is_a_reader(tutors: Tutors) -> None:
    with (
        neo4j.GraphDatabase.driver(tutors.here.settings["uri"], auth=None) as driver,
        driver.session(fetch_size=1) as session,
        session.begin_transaction() as transaction,
    ):
        transaction.run("MATCH (:Tutor)-[r:TEACHES]->(:Skill) RETURN r.level").peek()
        use = tutors.judge(LEVEL)
    assert use == Use("some", "property TEACHES.level: 1 statement that runs now names it")


def test_statements_that_were_given_up_or_are_not_collected_hide_uses(tutors: Tutors) -> None:
    used = "MATCH (t:Tutor)-[r:TEACHES]->(s:Skill) RETURN r.level"
    cleared = tutors.judge(LEVEL, used, *FORGET)
    assert (cleared.verdict, "is not told any more" in cleared.text) == ("unknown", True), cleared
    tutors.here.do("CALL db.stats.stop('QUERIES')")
    try:
        stopped = tutors.judge(LEVEL)
    finally:
        tutors.here.do("CALL db.stats.collect('QUERIES')")
    assert (stopped.verdict, "CALL db.stats.collect" in stopped.text) == ("unknown", True), stopped


def test_what_nothing_counts_is_unknown(tutors: Tutors) -> None:
    assert "nothing counts who uses that" in tutors.judge("MATCH (s:Skill) DETACH DELETE s").text
    assert "what it enforces" in tutors.judge("DROP CONSTRAINT skill_id").text
    assert "it is not there" in tutors.judge("DROP INDEX nothing").text


@pytest.mark.soak
@pytest.mark.slow(120)
def test_a_server_that_was_started_anew_counts_anew(tmp_path: Path) -> None:
    used = "MATCH (s:Skill {name: '7'}) USING INDEX s:Skill(name) RETURN s.id"
    tmp_path.chmod(0o700)

    def looked(*statements: str, make: bool = False) -> Usage:
        with embedded(tmp_path) as servers:
            here = Graph(servers.settings("tutor-matching/neo4j"), Options(), PurePath("."))
            tutors = Tutors(here) if make else Tutors.__new__(Tutors)
            tutors.here = here
            time.sleep(FLUSHED if make else 0)
            found = tutors.look(f"{INDEX};\n{LEVEL}")
            here.do(*statements)
            return found

    before = looked(used, "MATCH (:Tutor)-[r:TEACHES]->() RETURN r.level", make=True)
    use = judged([(before, looked())], COMMIT)
    assert use.verdict == "unknown"
    assert use.text.count("counting began anew in between") == 2


@pytest.mark.soak
@pytest.mark.slow(40)
def test_an_index_tells_when_it_was_read(tutors: Tutors) -> None:
    used = "MATCH (s:Skill {name: '7'}) USING INDEX s:Skill(name) RETURN s.id"
    time.sleep(FLUSHED)  # an index that was just made does not tell since when it counts
    assert tutors.judge(INDEX) == Use("none", "index skill_name was not used")
    before = tutors.look(INDEX)
    tutors.here.do(used)
    time.sleep(FLUSHED)
    assert judged([(before, tutors.look(INDEX))], COMMIT) == Use("some", "index skill_name was used 1 time")
    tutors.here.do(used)  # it is told while the next window is open, and was before it
    assert tutors.judge(INDEX, wait=FLUSHED).verdict == "none"
