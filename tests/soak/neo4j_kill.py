"""`kill -9` at random moments of the platform's graph refactoring: a level that is a property becomes a node.

``SOAK_NEO4J_RELATIONSHIPS=200000 SOAK_NEO4J_KILLS=20 python -m tests.soak.neo4j_kill``

The migration is the platform's own (story 7), in smaller batches, and with a line that is not idempotent: each Level
counts how many were moved to it. So a batch that took effect twice, or whose checkpoint was kept without it, shows. It
runs once undisturbed, and once killed again and again; the last stretch is left to two runners that start together, of
whom one works and the other finds nothing to do. Both graphs have to be the same, to the last relationship. Then all of
it is reverted, killed as often, and judged again.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import neo4j

from seedbed.engines.neo4j.sandbox import embedded
from seedbed.model.migration import Direction
from seedbed.testing.bench import Runner
from seedbed.testing.runner import Order, Text
from tests.soak.common import Tally, amount, say

MIGRATION = "20260518090000_levels_from_teaches"
FILE = (
    Path(__file__).resolve().parents[2]
    / f"edtech/services/tutor-matching/neo4j/migrations/{MIGRATION}.cypher"
)
PLATFORM_BATCH = "batch=200"
SKILLS = 200
EACH = 40  # skills that a tutor teaches
PATIENCE = 900.0  # seconds for a run that nobody kills
LEASE = 2.0  # seconds without a sign of life until a lease is taken over
COUNTED = {
    "up": "  ON CREATE SET at.since = r.since\nSET l.moved = coalesce(l.moved, 0) + 1;",
    "down": "MATCH (:Tutor {id: key})-[at:TEACHES_AT]->(l:Level)\nSET l.moved = l.moved - 1\nDELETE at;",
}
WRITTEN = {
    "up": "  ON CREATE SET at.since = r.since;",
    "down": "MATCH (:Tutor {id: key})-[at:TEACHES_AT]->(:Level)\nDELETE at;",
}
SETUP = (
    "CREATE CONSTRAINT tutor_id FOR (t:Tutor) REQUIRE t.id IS UNIQUE",
    "CREATE CONSTRAINT skill_slug FOR (s:Skill) REQUIRE s.slug IS UNIQUE",
    "CREATE CONSTRAINT level_id FOR (l:Level) REQUIRE l.id IS UNIQUE",
)
FILL = """
UNWIND range($first, $last) AS n
CREATE (t:Tutor {id: 'tutor-' + right('00000' + n, 6)})
WITH t, n
UNWIND range(1, $each) AS at
MATCH (s:Skill {slug: 'skill-' + ((n * 7 + at * 3) % $skills)})
CREATE (t)-[:TEACHES {level: ['beginner', 'intermediate', 'advanced'][(n + at) % 3], since: date('2026-01-01') + duration({days: at})}]->(s)
"""
# Everything that the migration has to do with, a line each; in no order.
LOOKS = (
    "MATCH (t:Tutor)-[r:TEACHES]->(s:Skill) RETURN t.id + ' ' + s.slug + ' ' + r.level + ' ' + toString(r.since) AS line",
    "MATCH (t:Tutor)-[r:TEACHES_AT]->(l:Level) RETURN t.id + ' at ' + l.id + ' ' + toString(r.since) AS line",
    "MATCH (l:Level) RETURN l.id + ' ' + l.code + ' ' + l.rank + ' ' + l.moved AS line",
    "MATCH (l:Level)-[:OF]->(s:Skill) RETURN l.id + ' of ' + s.slug AS line",
)


class GraphTarget:
    """A graph that is filled, migrated and looked at."""

    def __init__(self, settings: Mapping[str, str], relationships: int, batch: int) -> None:
        self.settings = settings
        self.tutors = relationships // EACH
        self.text = Text(MIGRATION.partition("_")[0], "levels_from_teaches", ".cypher", _text(batch))
        self._driver = neo4j.GraphDatabase.driver(settings["uri"], auth=None)

    def close(self) -> None:
        self._driver.close()

    def ask(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        with self._driver.session() as session:
            return session.run(statement, parameters).data()

    def fill(self) -> None:
        """Begin anew: nothing but tutors, skills, and who teaches what at which level."""
        self.ask("MATCH ()-[r]->() CALL (r) { DELETE r } IN TRANSACTIONS OF 5000 ROWS")
        self.ask("MATCH (n) CALL (n) { DELETE n } IN TRANSACTIONS OF 5000 ROWS")
        for each in self.ask("SHOW CONSTRAINTS YIELD name"):
            self.ask(f"DROP CONSTRAINT `{each['name']}`")
        for statement in SETUP:
            self.ask(statement)
        self.ask("UNWIND range(0, $skills - 1) AS n CREATE (:Skill {slug: 'skill-' + n})", skills=SKILLS)
        for first in range(0, self.tutors, 250):
            last = min(first + 250, self.tutors) - 1
            self.ask(FILL, first=first, last=last, each=EACH, skills=SKILLS)

    def digest(self) -> str:
        """Return a digest of all that the migration has to do with."""
        found = sha256()
        for statement in LOOKS:
            for line in sorted(each["line"] for each in self.ask(statement)):
                found.update(line.encode() + b"\n")
        return found.hexdigest()

    def stands(self) -> int:
        """Return how many relationships are moved by now."""
        return int(self.ask("MATCH (:Tutor)-[r:TEACHES_AT]->() RETURN count(r) AS n")[0]["n"])

    @contextmanager
    def runner(self, direction: Direction, who: str) -> Iterator[Runner]:
        """Yield a process that migrates, or waits for who does."""
        order = Order(
            "seedbed.engines.neo4j:engine",
            dict(self.settings),
            {"lease_seconds": LEASE},
            [self.text],
            direction.value,
            who,
            PATIENCE,
        )
        with Runner(order) as running:
            yield running


def _text(batch: int) -> str:
    text = FILE.read_text(encoding="utf-8")
    for way, written in WRITTEN.items():
        if text.count(written) != 1 or text.count(PLATFORM_BATCH) != 1:
            raise RuntimeError(f"{FILE.name} is not as this soak knows it: {way}")
        text = text.replace(written, COUNTED[way])
    return text.replace(PLATFORM_BATCH, f"batch={batch}")


def is_over(runner: Runner) -> bool:
    return bool(runner.told("done") or runner.told("error"))


def until(runner: Runner, kind: str, count: int = 1) -> None:
    """Wait for the `count`th event `kind`, or the runner's end. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while len(runner.told(kind)) < count and not is_over(runner):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {kind} in {PATIENCE:g} s")
        time.sleep(0.002)


def killed_again_and_again(
    graph: GraphTarget, direction: Direction, kills: int, batches: int, seconds: float, rng: Random
) -> int:
    """Kill a run in the middle of its work, `kills` times; return how many kills met one.

    `seconds`: what all `batches` take undisturbed.
    """
    done, pace = 0, seconds / batches
    most = int(1.4 * batches / (kills + 2))  # batches of one run: in the end two thirds of all are through
    while done < kills:
        with graph.runner(direction, f"number {done + 1}") as runner:
            until(runner, "work_started")
            until(runner, "work_progressed", rng.randint(0, most))
            time.sleep(rng.uniform(0.0, 1.5 * pace))  # anywhere within a batch
            if is_over(runner):
                return done
            runner.kill()
            done += 1
    return done


def by_two(graph: GraphTarget, direction: Direction) -> list[str]:
    """Let two runners finish what is left; return what was wrong: one works, the other finds nothing to do."""
    with graph.runner(direction, "ana") as ana, graph.runner(direction, "ben") as ben:
        for each in (ana, ben):
            until(each, "done")
            if error := each.finish():
                return [f"a runner ended with {error}: {each.told('error')}"]
        worked = [each for each in (ana, ben) if each.told("work_started")]
        waited = [each for each in (ana, ben) if each.told("lease_awaited")]
    if len(worked) != 1:
        return [f"{len(worked)} of two runners worked"]
    return [] if any(each is not worked[0] for each in waited) else ["nobody waited for the other"]


def undisturbed(graph: GraphTarget, direction: Direction) -> tuple[str, float]:
    """Run one way; return the digest of what it left, and the seconds that it took."""
    with graph.runner(direction, "undisturbed") as runner:
        until(runner, "lease_taken")
        began = time.monotonic()
        until(runner, "done")
        seconds = time.monotonic() - began
        if error := runner.finish():
            raise RuntimeError(f"the undisturbed run ended with {error}: {runner.told('error')}")
    return graph.digest(), seconds


def soak(graph: GraphTarget, kills: int, batches: int, rng: Random) -> int:
    tally = Tally("ways")
    wanted, took = {}, {}
    graph.fill()
    say(f"{graph.tutors * EACH} relationships in {batches} batches")
    for direction in Direction:
        wanted[direction], took[direction] = undisturbed(graph, direction)
        tally.add(f"{direction} undisturbed", took[direction], [])
    graph.fill()
    for direction in Direction:
        began = time.monotonic()
        met = killed_again_and_again(graph, direction, kills, batches, took[direction], rng)
        stood = graph.stands()
        problems = by_two(graph, direction)
        if met < kills:
            problems.append(f"only {met} of {kills} kills met a run that was at work")
        if graph.digest() != wanted[direction]:
            problems.append("the graph is not the one that an undisturbed run leaves")
        detail = f"{met} kills, {stood} relationships were moved when the two took over"
        tally.add(f"{direction} killed", time.monotonic() - began, problems, detail)
    return tally.close(f"{graph.tutors * EACH} relationships, {kills} kills each way")


def main() -> int:
    relationships, kills = amount("SOAK_NEO4J_RELATIONSHIPS", 200_000), amount("SOAK_NEO4J_KILLS", 20)
    tutors = relationships // EACH
    batch = max(tutors // (10 * (kills + 2)), 1)
    seed = amount("SOAK_SEED", int(time.time()))
    say(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="seedbed-soak-") as home, embedded(Path(home)) as servers:
        graph = GraphTarget(servers.settings("tutor-matching/neo4j"), relationships, batch)
        try:
            return soak(graph, kills, -(-tutors // batch), Random(seed))
        finally:
            graph.close()


if __name__ == "__main__":
    sys.exit(main())
