"""`kill -9` at random moments of an apply, and at every point that has a name: the next run ends as if nothing had been.

``SOAK_KILLS=100 python -m tests.soak.kill``

After each kill the command is run again, with `repair` in between where it asks for it, until it succeeds. Then
schema and history equal those of an undisturbed database, the plan is empty, no transactional migration has run
twice (each writes a line into a table without uniqueness), and no row was converted twice (each counts).
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.event import Event
from seedbed.project import Project
from tests.soak.common import (
    Child,
    Site,
    Snapshot,
    Tally,
    amount,
    own_server,
    say,
    site,
    snapshot,
    wait_for,
)
from tests.support.postgres.databases import empty_database
from tests.support.projects import ProjectFiles, Ran

ENVIRONMENT = "dev-kill"
MIGRATIONS = 200
BIG_ROWS = 60_000
PEOPLE = 20_000
REPOSITORY = Path(__file__).resolve().parents[2]
MOST_RUNS = 8  # until a killed apply has to be through
ASKS = re.compile(r"seedbed repair (?:\S+ )*?(\d+) --applied")

_PLAIN = "CREATE TABLE t{n} (id bigint PRIMARY KEY, name text NOT NULL);"
_START = """
CREATE TABLE applied_log (version text NOT NULL);
CREATE TABLE big (id bigint PRIMARY KEY, a integer NOT NULL, b text NOT NULL);
INSERT INTO big SELECT n, n % 997, md5(n::text) FROM generate_series(1, {rows}) AS n;
CREATE TABLE people (id bigint PRIMARY KEY, first text NOT NULL, last text NOT NULL, whole text, touched integer NOT NULL DEFAULT 0);
INSERT INTO people SELECT n, 'f' || n, 'l' || n FROM generate_series(1, {people}) AS n;
"""
_INDEXES = """
CREATE INDEX CONCURRENTLY big_a_{n} ON big (a, id);
CREATE INDEX CONCURRENTLY big_b_{n} ON big (b);
COMMENT ON INDEX big_a_{n} IS 'by a';
"""
_SWAP = """
CREATE UNIQUE INDEX CONCURRENTLY big_new_{n} ON big (id, b);
DROP INDEX CONCURRENTLY big_new_{n};
"""
_NAP = "SELECT pg_sleep(0.1);\n" + _PLAIN
# What a DO block did, no catalogue can tell in general: seedbed has to ask. This one leaves a table.
_UNPROVABLE = """
DO $$ BEGIN PERFORM pg_sleep(0.15); CREATE TABLE unprovable_{n} (id bigint PRIMARY KEY); END $$;
"""
_BACKFILL = """
UPDATE people SET whole = first || ' ' || last, touched = touched + 1 WHERE id BETWEEN $1 AND $2;
"""


def version(number: int) -> str:
    return f"2026010100{number:04d}"


def write_corpus(files: ProjectFiles, migrations: int, *, rows: int = BIG_ROWS, people: int = PEOPLE) -> None:
    """Write `migrations` migrations: most transactional, and some of every other kind, spread over the run."""
    for number in range(1, migrations + 1):
        place = number * 40 // migrations  # 0 to 40: where in the run
        kind = place if place != (number - 1) * 40 // migrations else 0
        _write(files, number, kind, rows, people)


def _write(files: ProjectFiles, number: int, kind: int, rows: int, people: int) -> None:
    name = f"{version(number)}_m{number}"
    if number == 1:
        _transactional(files, number, _START.format(rows=rows, people=people))
    elif kind in {6, 18, 30}:
        files.migration(name, _INDEXES.format(n=number), options="transaction:false")
    elif kind in {10, 34}:
        files.migration(name, _SWAP.format(n=number), options="transaction:false")
    elif kind in {14, 38}:
        files.migration(name, _UNPROVABLE.format(n=number), options="transaction:false")
    elif kind == 22:
        files.migration(name, _BACKFILL, directives="phase=migrate backfill=people.id batch=1000")
    elif kind == 26:
        _transactional(files, number, _NAP.format(n=number))
    else:
        _transactional(files, number, _PLAIN.format(n=number))


def _transactional(files: ProjectFiles, number: int, body: str) -> None:
    log = f"INSERT INTO applied_log VALUES ('{version(number)}');"
    files.migration(f"{version(number)}_m{number}", f"{body}\n{log}")


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a run that nobody killed leaves behind, and how many seconds it takes."""

    seconds: float
    after: Snapshot
    logged: frozenset[str]
    unconverted: int


@dataclass(slots=True)
class Recovery:
    """What it took to get through after a kill: runs, and decisions by a person."""

    runs: int = 0
    repairs: list[str] = field(default_factory=list)
    probed: int = 0
    problems: list[str] = field(default_factory=list)


def undisturbed(place: Site) -> Undisturbed:
    """Apply everything on an empty database and take down how it ends."""
    began = time.monotonic()
    ran = place.run("apply")
    assert ran.code == 0, ran.everything
    seconds = time.monotonic() - began
    logged = frozenset(each for (each,) in place.rows("SELECT version FROM applied_log"))
    return Undisturbed(seconds, snapshot(place), logged, _unconverted(place))


def _unconverted(place: Site) -> int:
    """Return how many rows were not converted exactly once: none, where the corpus has a backfill."""
    count = "SELECT count(*) FROM people WHERE touched <> 1 OR whole IS DISTINCT FROM first || ' ' || last"
    return int(place.value(count))


def recover(place: Site) -> Recovery:
    """Run until it succeeds, with `repair` where it is asked for."""
    recovery = Recovery()
    while recovery.runs < MOST_RUNS:
        recovery.runs += 1
        ran = place.run("apply")
        recovery.probed += ran.everything.count(" step ")
        if ran.code == 0:
            return recovery
        if not _repaired(place, ran, recovery):
            return recovery
    recovery.problems.append(f"not through after {MOST_RUNS} runs")
    return recovery


def _repaired(place: Site, ran: Ran, recovery: Recovery) -> bool:
    asked = ASKS.search(ran.everything)
    if ran.code != 5 or asked is None:
        recovery.problems.append(f"the next run left with {ran.code}: {ran.everything[-600:]}")
        return False
    there = place.value(f"SELECT to_regclass('unprovable_{int(asked[1][-4:])}') IS NOT NULL")
    decision = "applied" if there else "not-applied"
    recovery.repairs.append(decision)
    done = place.run("repair", asked[1], f"--{decision}", "--because", "the catalogue was looked at")
    if done.code != 0:
        recovery.problems.append(f"repair left with {done.code}: {done.everything[-600:]}")
    return done.code == 0


def compare(place: Site, wanted: Undisturbed) -> list[str]:
    """Return in what a database differs from one that nobody disturbed."""
    problems = snapshot(place).differences(wanted.after)
    logged = dict(place.rows("SELECT version, count(*) FROM applied_log GROUP BY version"))
    problems += [f"{each} was applied {times} times" for each, times in logged.items() if times != 1]
    problems += [f"{each} left no trace" for each in wanted.logged - logged.keys()]
    if (left := _unconverted(place)) != wanted.unconverted:
        problems.append(f"{left} rows were not converted exactly once")
    plan = place.run("plan", "--exit-code")
    if plan.code != 0:
        problems.append(f"the plan afterwards leaves with {plan.code}: {plan.everything[-400:]}")
    return problems


# Random moments


@dataclass(frozen=True, slots=True)
class Killed:
    """One random kill: what it met, what it took to recover, what was wrong."""

    moment: float
    met: str
    recovery: Recovery
    problems: tuple[str, ...]


def kill_at(place: Site, wanted: Undisturbed, moment: float, *, companion: bool) -> Killed:
    """Kill a run `moment` seconds after its start; a `companion` waits for its lease meanwhile."""
    with place.start("apply") as victim:
        beside = place.start("apply") if companion else None
        time.sleep(max(0.0, victim.began + moment - time.monotonic()))
        killed = victim.kill()
        met = _met(place) if killed else "the end"
        problems = _companion_problems(beside) if beside else []
    recovery = recover(place)
    return Killed(moment, met, recovery, (*problems, *recovery.problems, *compare(place, wanted)))


def _companion_problems(beside: Child) -> list[str]:
    with beside:
        ran = beside.wait()
    asks = ran.code == 5 and ASKS.search(ran.everything)
    return [] if ran.code == 0 or asks else [f"the waiting run left with {ran.code}: {ran.everything[-600:]}"]


def _met(place: Site) -> str:
    """Return in a word where the killed run stood, as far as the history tells."""
    if place.value("SELECT to_regclass('seedbed.migrations_history') IS NULL"):
        return "nothing yet"
    rows = place.rows("SELECT state, in_step, checkpoint IS NOT NULL FROM seedbed.migrations_history")
    open_ = [(in_step, checkpoint) for state, in_step, checkpoint in rows if state == "started"]
    if not open_:
        return "between or inside transactions"
    in_step, checkpoint = open_[0]
    return "inside a step" if in_step else "a backfill" if checkpoint else "between steps"


@contextmanager
def prepared(
    server: EmbeddedServer, migrations: int, *, rows: int = BIG_ROWS, people: int = PEOPLE
) -> Iterator[tuple[Site, Undisturbed]]:
    """Yield a project with the corpus, and what it leads to; the second of two runs is the one that is timed."""
    with tempfile.TemporaryDirectory(prefix="seedbed-soak-") as root:
        files = ProjectFiles(Path(root))
        write_corpus(files, migrations, rows=rows, people=people)
        place = Site(server, files.root, {}, ENVIRONMENT)
        wanted = [_on_fresh_database(place) for _ in range(2)]
        assert wanted[1].unconverted == 0
        yield place, wanted[1]


def _on_fresh_database(place: Site) -> Undisturbed:
    with empty_database(place.server) as database:
        return undisturbed(replace(place, databases={"user": database}))


def random_kill(place: Site, wanted: Undisturbed, rng: Random, *, companion: bool) -> Killed:
    """Kill a run on a fresh database at any moment of its life, from its first to shortly after its last."""
    with empty_database(place.server) as database:
        here = replace(place, databases={"user": database})
        return kill_at(here, wanted, rng.uniform(0, wanted.seconds * 1.05), companion=companion)


# Points with a name. Each function kills once, at its own point, and returns what is wrong afterwards.


@contextmanager
def small(server: EmbeddedServer, body: str, options: str = "") -> Iterator[tuple[Site, Undisturbed]]:
    """Yield a project of four migrations, the third of which is `body`, and what it leads to."""
    with site(server, ENVIRONMENT) as (place, files):
        _transactional(files, 1, _START.format(rows=2000, people=10))
        _transactional(files, 2, _PLAIN.format(n=2))
        if options:
            files.migration(f"{version(3)}_m3", body, options=options)
        else:
            _transactional(files, 3, body)
        _transactional(files, 4, _PLAIN.format(n=4))
        yield place, _on_fresh_database(place)


def recovered(place: Site, wanted: Undisturbed) -> list[str]:
    recovery = recover(place)
    return [*recovery.problems, *compare(place, wanted)]


def dying(place: Site, event: str, of: str) -> Child:
    """Start a run through the public API that kills itself when it is told `event` of version `of`."""
    call = [sys.executable, "-m", "tests.soak.kill", "die", str(place.root), place.environment, event, of]
    return Child(call, REPOSITORY, place.variables)


def die(root: str, environment: str, event: str, of: str) -> None:
    def listener(told: Event) -> None:
        if type(told).__name__ == event and getattr(told, "version", "") == of:
            os.kill(os.getpid(), signal.SIGKILL)

    project = Project.open(Path(root))
    with project.run(environment, listener=listener) as run:
        run.apply()


def before_begin(server: EmbeddedServer) -> list[str]:
    """When a migration was announced and nothing of it has been sent."""
    with small(server, _PLAIN.format(n=3)) as (place, wanted):
        _apply_two(place)
        return [*_after_death(place, "WorkStarted", recorded=2), *recovered(place, wanted)]


def after_commit(server: EmbeddedServer) -> list[str]:
    """When a migration is committed and nobody has been told."""
    with small(server, _PLAIN.format(n=3)) as (place, wanted):
        _apply_two(place)
        problems = _after_death(place, "WorkFinished", recorded=3)
        return [*problems, *recovered(place, wanted)]


def _apply_two(place: Site) -> None:
    ran = place.run("apply", "--to", version(2))
    assert ran.code == 0, ran.everything


def _after_death(place: Site, event: str, *, recorded: int) -> list[str]:
    """Let a run die at `event` of the third migration; at least (before: exactly) `recorded` are in the history."""
    with dying(place, event, version(3)) as victim:
        ran = victim.wait()
    _settled(place)
    found = place.value("SELECT count(*) FROM seedbed.migrations_history")
    right = found == recorded if event == "WorkStarted" else found >= recorded
    problems = [] if ran.code == -9 else [f"it did not die but left with {ran.code}: {ran.everything[-400:]}"]
    return problems if right else [*problems, f"{found} migrations are recorded, not {recorded}"]


def inside_a_transaction(server: EmbeddedServer) -> list[str]:
    """In the middle of a migration's transaction, the table made and the commit not there yet."""
    with small(server, f"{_PLAIN.format(n=3)} SELECT pg_sleep(1.5);") as (place, wanted):
        with place.start("apply") as victim:
            wait_for(lambda: _at_work(place, "PgSleep"), "the migration to sleep")
            victim.kill()
        _settled(place)
        left = place.value(
            f"SELECT count(*) FROM seedbed.migrations_history WHERE version = '{version(3)}' "
            "UNION ALL SELECT 1 WHERE to_regclass('t3') IS NOT NULL ORDER BY 1 DESC LIMIT 1"
        )
        problems = ["something of the killed transaction stayed"] if left else []
        return [*problems, *recovered(place, wanted)]


def inside_a_concurrent_build(server: EmbeddedServer) -> list[str]:
    """While CREATE INDEX CONCURRENTLY waits for another transaction: it leaves an invalid index."""
    with small(server, _INDEXES.format(n=3), "transaction:false") as (place, wanted):
        _kill_in_build(place, release_first=False)
        invalid = place.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
        problems = [] if invalid == 1 else [f"{invalid} invalid indexes were left, not 1"]
        return [*problems, *recovered(place, wanted)]


def inside_a_concurrent_build_that_went_on(server: EmbeddedServer) -> list[str]:
    """As before, but the server finishes the index before it notices that its client is gone."""
    with small(server, _INDEXES.format(n=3), "transaction:false") as (place, wanted):
        _kill_in_build(place, release_first=True)
        return recovered(place, wanted)


def _kill_in_build(place: Site, *, release_first: bool) -> None:
    _apply_two(place)
    with place.connected() as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO big VALUES (0, 0, '')")
        with place.start("apply") as victim:
            wait_for(lambda: _at_work(place, "virtualxid"), "the index build to wait")
            victim.kill()
        if not release_first:
            _settled(place)
        other.execute("ROLLBACK")
    _settled(place)


def inside_an_unprovable_step(server: EmbeddedServer) -> list[str]:
    """In a DO block that is ended at once: a person has to say that it did not take effect."""
    with small(server, _UNPROVABLE.format(n=3), "transaction:false") as (place, wanted):
        return _kill_unprovable(place, wanted, "not-applied")


def inside_an_unprovable_step_that_went_on(server: EmbeddedServer) -> list[str]:
    """In a DO block that the server finishes all the same: a person has to say that it did."""
    with small(server, _UNPROVABLE.format(n=3), "transaction:false") as (place, wanted):
        return _kill_unprovable(place, wanted, "applied")


def _kill_unprovable(place: Site, wanted: Undisturbed, decision: str) -> list[str]:
    with place.start("apply") as victim:
        wait_for(lambda: _at_work(place, "PgSleep"), "the block to sleep", every=0.002)
        victim.kill()
    if decision == "not-applied":
        place.rows(f"SELECT pg_terminate_backend(pid) {_RUNS}")
    _settled(place)
    recovery = recover(place)
    problems = [*recovery.problems, *compare(place, wanted)]
    if recovery.repairs != [decision]:
        problems.append(f"the decisions were {recovery.repairs}, not {decision} once")
    return problems


_RUNS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'seedbed%' "
    "AND pid <> pg_backend_pid()"
)


def _at_work(place: Site, wait_event: str) -> bool:
    return bool(place.value(f"SELECT count(*) {_RUNS} AND wait_event = '{wait_event}'"))


def _settled(place: Site) -> None:
    """Return once no session of a run is left on the server."""
    wait_for(lambda: not place.value(f"SELECT count(*) {_RUNS}"), "the killed run's session to end")


POINTS: tuple[Callable[[EmbeddedServer], list[str]], ...] = (
    before_begin,
    inside_a_transaction,
    after_commit,
    inside_a_concurrent_build,
    inside_a_concurrent_build_that_went_on,
    inside_an_unprovable_step,
    inside_an_unprovable_step_that_went_on,
)


def main() -> int:
    if sys.argv[1:2] == ["die"]:
        die(*sys.argv[2:6])
        return 0
    seed = amount("SOAK_SEED", 20260101)
    tally, rng, met, decisions = Tally("kills"), Random(seed), Counter[str](), Counter[str]()
    kills = amount("SOAK_KILLS", 100)
    with own_server() as server:
        for point in POINTS:
            began = time.monotonic()
            problems = point(server)
            tally.add(f"point {point.__name__}", time.monotonic() - began, problems)
        with prepared(server, MIGRATIONS) as (place, wanted):
            say(
                f"{MIGRATIONS} migrations take {wanted.seconds:.2f} s undisturbed; {kills} kills, SOAK_SEED={seed}"
            )
            for number in range(kills):
                began = time.monotonic()
                result = random_kill(place, wanted, rng, companion=number % 4 == 3)
                met[result.met] += 1
                decisions.update(result.recovery.repairs)
                detail = f"met {result.met}; {result.recovery.runs} more runs; {', '.join(result.recovery.repairs)}"
                label = f"kill {number + 1:3d} at {result.moment:5.2f} s"
                tally.add(label, time.monotonic() - began, result.problems, detail.rstrip("; "))
    say(f"met: {dict(met)}; asked for repair: {sum(decisions.values())} times, decided {dict(decisions)}")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
