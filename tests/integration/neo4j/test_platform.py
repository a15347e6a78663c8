"""The platform's graph: every migration there and back and there again, with data of its time; seeds; the volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from seedbed.engines.neo4j.dump_restore.file_format import read
from seedbed.engines.neo4j.session import Neo4jSession
from seedbed.model.event import Event, SeedLoaded, WorkFinished
from seedbed.model.outcome import Outcome
from seedbed.model.platform import Database
from seedbed.model.seed import SeedKind
from seedbed.project import Project, Request, Run
from tests.support.neo4j.graphs import Graph, graph
from tests.support.postgres.platform import EDTECH, ENVIRONMENT
from tests.support.seeds import tables
from tests.support.servers import Settings


@dataclass(frozen=True, slots=True)
class Stage:
    """A graph around one migration: what deployed code wrote `before` it, and, once it is applied, `after`.

    `lost`: labels and types that the way back leaves or takes although it found them otherwise. `proof`: a query
    after the migration, and its answer.
    """

    before: Sequence[str] = ()
    after: Sequence[str] = ()
    lost: frozenset[str] = frozenset()
    proof: tuple[str, object] | None = None
    is_reversible: bool = True


TAUGHT = "MATCH ()-[r:TAUGHT]->() RETURN collect([r.hours, r.minutes]) AS n"
LEVELS = (
    "MATCH (t:Tutor)-[at:TEACHES_AT]->(l:Level)-[:OF]->(s:Skill) "
    "RETURN t.id + ' ' + l.id AS n, l.rank AS rank, toString(at.since) AS since ORDER BY n"
)
STAGES = {
    "20260204090000": Stage(),
    "20260206090000": Stage(
        before=(
            "UNWIND ['a', 'b'] AS slug CREATE (:Skill {slug: slug, name: 'Skill ' + slug, aliases: [slug]})"
            "-[:PART_OF]->(:Subject {slug: 'of ' + slug})",
            "MATCH (a:Skill {slug: 'a'}), (b:Skill {slug: 'b'}) CREATE (b)-[:REQUIRES {strength: 0.5}]->(a)",
        )
    ),
    "20260220090000": Stage(
        before=(
            "UNWIND range(1, 3) AS n CREATE (:Tutor {id: 't' + n, user_id: 'u' + n})",
            "UNWIND range(1, 2) AS n CREATE (:Student {id: 's' + n})",
            "MATCH (t:Tutor), (s:Skill {slug: 'a'}) CREATE (t)-[:TEACHES {level: 'beginner', since: date('2026-02-07')}]->(s)",
            "MATCH (t:Tutor {id: 't2'}), (s:Skill {slug: 'b'}) CREATE (t)-[:TEACHES {level: 'expert'}]->(s)",
            "MATCH (t:Tutor {id: 't3'}), (s:Skill {slug: 'b'}) CREATE (t)-[:TEACHES]->(s)",
            "MATCH (s:Student), (k:Skill) CREATE (s)-[:WANTS {asked_at: datetime('2026-02-10T00:00:00Z')}]->(k)",
            "MATCH (s:Student {id: 's2'})-[w:WANTS]->() SET w.asked_at = datetime('2024-12-31T23:59:59Z')",
        )
    ),
    "20260316090000": Stage(
        before=(
            "MATCH (t:Tutor {id: 't1'}), (s:Student) CREATE (t)-[:TAUGHT {hours: 0.1, last_at: datetime('2026-03-01T00:00:00Z')}]->(s)",
        )
    ),
    "20260413090000": Stage(proof=(TAUGHT, [{"n": [[0.1, 6], [0.1, 6]]}])),
    "20260504090000": Stage(),
    "20260518090000": Stage(
        before=(
            # New code, of both forms.
            "MATCH (t:Tutor {id: 't3'})-[r:TEACHES]->(s:Skill {slug: 'b'}) SET r.level = 'advanced', r.since = date('2026-05-05') "
            "CREATE (t)-[:TEACHES_AT {since: date('2026-05-05')}]->(:Level {id: 'b:advanced', code: 'advanced', rank: 3})-[:OF]->(s)",
        ),
        # The way back takes what new code has put into the new form; the old form says the same. Rungs stay.
        lost=frozenset({"Level", "OF", "TEACHES_AT"}),
        proof=(
            LEVELS,
            [
                {"n": "t1 a:beginner", "rank": 1, "since": "2026-02-07"},
                {"n": "t2 a:beginner", "rank": 1, "since": "2026-02-07"},
                {"n": "t2 b:expert", "rank": 3, "since": None},
                {"n": "t3 a:beginner", "rank": 1, "since": "2026-02-07"},
                {"n": "t3 b:advanced", "rank": 3, "since": "2026-05-05"},
            ],
        ),
    ),
    "20260615090000": Stage(
        proof=("MATCH ()-[r:TEACHES]->() RETURN count(r) AS n, count(r.level) AS levels", [{"n": 5, "levels": 0}])
    ),
    "20260629090000": Stage(proof=(TAUGHT, [{"n": [[None, 6], [None, 6]]}])),
    "20260803090000": Stage(
        is_reversible=False,
        proof=("MATCH (s)-[w:WANTS]->() RETURN s.id AS id, count(w) AS n", [{"id": "s1", "n": 2}]),
    ),
    "20260907090000": Stage(),
}  # fmt: skip


class PlatformGraph:
    """The platform's graph on a server; every call opens the project anew, as a command does."""

    def __init__(self, here: Graph) -> None:
        self.here = here
        self.told: list[Event] = []

    def apply(self, to: str | None = None) -> list[str]:
        return self._finished(lambda run: run.apply(Request(to=to)))

    def revert(self) -> list[str]:
        return self._finished(lambda run: run.revert(steps=1))

    def seed(self, *kinds: SeedKind) -> list[SeedLoaded]:
        self._call(lambda run: run.seed(kinds))
        return [each for each in self.told if isinstance(each, SeedLoaded)]

    def data(self, file: Path, lost: frozenset[str] = frozenset()) -> list[str]:
        """Return constraints, indexes, nodes and relationships as a dump has them, without those of `lost`."""
        project = self.project()
        with project.run(ENVIRONMENT, self._databases(project)) as run:
            (target,) = run.connected
            assert isinstance(target.session, Neo4jSession)
            list(target.session.dump(file))
        dump = read(file.read_bytes())
        file.unlink()
        nodes = [f"{each.labels} {each.properties}" for each in dump.nodes]
        found = list(dump.schema)
        found += [shown for shown, each in zip(nodes, dump.nodes, strict=True) if not lost & set(each.labels)]
        for each in dump.relationships:
            if each.kind not in lost:
                found.append(f"{nodes[each.start]} {each.kind} {each.properties} {nodes[each.end]}")
        return sorted(found)

    def project(self) -> Project:
        return Project.open(EDTECH, environ={"TUTOR_MATCHING_NEO4J_URI": self.here.settings["uri"]})

    def _databases(self, project: Project) -> Sequence[Database]:
        return project.catalog.databases(["tutor-matching"], ["neo4j"])

    def _finished(self, do: Callable[[Run], Outcome]) -> list[str]:
        self._call(do)
        return [each.version for each in self.told if isinstance(each, WorkFinished)]

    def _call(self, do: Callable[[Run], Outcome]) -> None:
        self.told.clear()
        project = self.project()
        with project.run(ENVIRONMENT, self._databases(project), listener=self.told.append, wait=60) as run:
            assert int(do(run).exit_code) == 0, self.told


@pytest.fixture
def platform_graph(neo4j_settings: Settings) -> PlatformGraph:
    return PlatformGraph(graph(neo4j_settings))


@pytest.mark.soak  # half a minute of a server that plans each statement anew
def test_every_migration_comes_back_to_the_same_graph(platform_graph: PlatformGraph, tmp_path: Path) -> None:
    project = Project.open(EDTECH)
    (database,) = project.catalog.databases(["tutor-matching"], ["neo4j"])
    assert [file.version for file in project.catalog.files(database)] == list(STAGES)
    file = tmp_path / "dump"
    for version, stage in STAGES.items():
        platform_graph.here.do(*stage.before)
        before = platform_graph.data(file, stage.lost)
        assert platform_graph.apply(to=version) == [version]
        if stage.is_reversible:
            after = platform_graph.data(file) if stage.proof else None
            assert platform_graph.revert() == [version]
            assert platform_graph.data(file, stage.lost) == before, (
                f"{version}: the way back leads to another graph"
            )
            assert platform_graph.apply(to=version) == [version]
            if after:
                assert platform_graph.data(file) == after, (
                    f"{version}: applied again, the graph is another one"
                )
        if stage.proof:
            assert platform_graph.here.ask(stage.proof[0]) == stage.proof[1], version
        platform_graph.here.do(*stage.after)


def test_seeds_are_loaded_once_and_a_second_load_changes_nothing(platform_graph: PlatformGraph) -> None:
    platform_graph.apply()
    loaded = platform_graph.seed(SeedKind.REFERENCE, SeedKind.FIXTURE)
    assert len(loaded) == 12
    assert all(each.inserted and not each.updated and not each.unchanged for each in loaded)
    again = platform_graph.seed(SeedKind.REFERENCE, SeedKind.FIXTURE)
    assert [each.unchanged for each in again] == [each.inserted for each in loaded]
    # Whom could Chiara ask about functions, and what has she to know before?
    found = platform_graph.here.ask(
        "MATCH (c:Student)-[w:WANTS]->(s:Skill {slug: 'functions'})<-[:OF]-(:Level {code: w.level})<-[:TEACHES_AT]-(t:Tutor) "
        "RETURN t.given_name AS tutor, [(s)-[:REQUIRES*]->(b) | b.slug] AS before, EXISTS { (t)-[:TAUGHT]->(c) } AS knows"
    )
    assert found == [{"tutor": "Bruno", "before": ["equations", "fractions", "arithmetic"], "knows": True}]


def test_the_volume_is_600_skills_and_40_000_relationships_and_always_the_same() -> None:
    project = Project.open(EDTECH)
    (database,) = project.catalog.databases(["tutor-matching"], ["neo4j"])
    first, second = (tables(project.catalog.dataset(database, SeedKind.VOLUME)) for _ in range(2))
    assert first == second
    counts = {each.table: len(each.rows) for each in first}
    assert counts == {
        "Subject": 12,
        "Skill": 600,
        "(:Skill)-[:PART_OF]->(:Subject)": 600,
        "(:Skill)-[:REQUIRES]->(:Skill)": 3_000,
        "(:Skill)-[:RELATED]->(:Skill)": 36_400,
    }
    skills, requirements = (each for each in first if each.table.startswith(("Skill", "(:Skill)-[:REQ")))
    order = {row[0]: number for number, row in enumerate(skills.rows)}
    assert all(order[row[0]] > order[row[1]] for row in requirements.rows)  # no circle
