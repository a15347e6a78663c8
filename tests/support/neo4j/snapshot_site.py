"""`tutor-matching/neo4j` in staging, with ten tutors; a migration that takes a label away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seedbed.execution.stopping import Stop
from seedbed.project import Project
from seedbed.project.snapshots import ReleaseSnapshots
from tests.support.neo4j.graphs import graph
from tests.support.servers import Settings

RUNBOOK = Path(__file__).parents[3] / "docs" / "how-to" / "restore-a-snapshot.md"
FIRST = "// migrate:up\nCREATE CONSTRAINT tutor FOR (t:Tutor) REQUIRE t.id IS UNIQUE;\n// migrate:down\nDROP CONSTRAINT tutor;\n"
EXPECTED = """
[[expectations]]
name = "every tutor has an id"
database = "tutor-matching/neo4j"
query = "MATCH (t:Tutor) WHERE t.id IS NULL RETURN t.id"
"""
DROP = (
    '// seedbed: phase=contract\n// seedbed: irreversible because "who is senior is gone"\n'
    "// migrate:up\nMATCH (t:Senior) REMOVE t:Senior;\n"
)

GRAPH = (
    "UNWIND range(1, 10) AS n CREATE (:Tutor {id: n, since: date({year: 2000 + n})})",
    "MATCH (t:Tutor) WHERE t.id % 2 = 0 SET t:Senior",
    "MATCH (a:Tutor), (b:Tutor {id: a.id + 1}) CREATE (a)-[:KNOWS {how: 'well'}]->(b)",
)


class Site:
    """`tutor-matching/neo4j` in staging: ten tutors, every second one senior."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root, self.graph = root, graph(settings)
        self.migrations = root / "services" / "tutor-matching" / "neo4j" / "migrations"
        self.migrations.mkdir(parents=True)
        (root / "seedbed.toml").write_text(
            '[platform]\nname = "shop"\n[services.tutor-matching.neo4j]\n[environments.staging]\n' + EXPECTED
        )
        self.environ = {"NEO4J_URI": settings["uri"], "NEO4J_USER": "", "NEO4J_PASSWORD": ""}
        self.migration("20260101000001_tutors", FIRST)
        self.apply()
        self.graph.do(*GRAPH)

    def migration(self, name: str, text: str) -> None:
        (self.migrations / f"{name}.cypher").write_text(text)

    def senior(self) -> list[int]:
        return [each["id"] for each in self.graph.ask("MATCH (t:Senior) RETURN t.id AS id ORDER BY id")]

    def content(self) -> list[str]:
        """Return all that the graph holds and that constrains it, but copies and the history."""
        return self._lines("NOT n:restored_copy AND NOT n:migrations_history")

    def everything(self) -> list[str]:
        return self._lines("NOT n:migrations_history")

    def _lines(self, where: str) -> list[str]:
        queries = (
            f"MATCH (n) WHERE {where} RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS p",
            f"MATCH (n)-[r]->(m) WHERE {where} RETURN elementId(r) AS id, type(r) AS type, properties(r) AS p,"
            " elementId(n) AS n, elementId(m) AS m",
            "SHOW CONSTRAINTS YIELD name WHERE name <> 'restored_copy_key' RETURN name",
        )
        return sorted(str(each) for query in queries for each in self.graph.ask(query))

    def copied(self, label: str, prefix: str = "") -> list[dict[str, Any]]:
        """Return the properties of the nodes with a label, but the key of a copy."""
        found = self.graph.ask(f"MATCH (n:`{prefix}{label}`) RETURN properties(n) AS p ORDER BY n.id")
        return [{key: each["p"][key] for key in ("id", "since")} for each in found]

    def project(self, **more: str) -> Project:
        return Project.open(self.root, environ={**self.environ, **more})

    def snapshots(self, **more: str) -> ReleaseSnapshots:
        project = self.project(**more)
        where = project.catalog.environment("staging")
        return ReleaseSnapshots(project.targets, where, stop=Stop(), tell=lambda _: None)

    @property
    def database(self) -> Any:
        return self.project().catalog.databases()[0]

    def apply(self) -> None:
        with self.project().run("staging") as run:
            outcome = run.apply()
        assert outcome.exit_code == 0, [each.error for each in outcome.targets]

    def take(self, **more: str) -> Any:
        (result,) = self.snapshots(**more).take([self.database], 12)
        return result
