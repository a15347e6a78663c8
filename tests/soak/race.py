"""Several `seedbed apply` started together on one empty database: all succeed, every migration is applied once.

``SOAK_RACES=100 python -m tests.soak.race``

That a migration was applied twice would show in a table without any uniqueness, into which each of them writes
a line; that it was left out would show there and in the history.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.common import Site, Tally, amount, own_server, say, site
from tests.support.projects import ProjectFiles, Ran

MIGRATIONS = 200
PROCESSES = (2, 4, 16)


@dataclass(frozen=True, slots=True)
class Race:
    """How one race went. `workers`: how many of the processes applied something."""

    seconds: float
    workers: int
    problems: tuple[str, ...]


def write_migrations(files: ProjectFiles, count: int) -> None:
    """Write `count` migrations that each make a table and log that they ran."""
    for number in range(1, count + 1):
        version = f"2026010100{number:04d}"
        log = "CREATE TABLE applied_log (version text NOT NULL);\n" if number == 1 else ""
        files.migration(
            f"{version}_t{number}",
            f"{log}CREATE TABLE t{number} (id bigint PRIMARY KEY, name text NOT NULL);\n"
            f"INSERT INTO applied_log (version) VALUES ('{version}');",
            f"DROP TABLE t{number};",
        )


def race(server: EmbeddedServer, processes: int, migrations: int) -> Race:
    """Start `processes` runs together on a fresh database and look what became of it."""
    with site(server, "dev-race") as (place, files):
        write_migrations(files, migrations)
        began = time.monotonic()
        with ExitStack() as children:
            started = [children.enter_context(place.start("apply")) for _ in range(processes)]
            ends = [each.wait() for each in started]
        seconds = time.monotonic() - began
        workers = place.value("SELECT count(DISTINCT owner) FROM seedbed.migrations_history")
        return Race(seconds, workers, (*_failures(ends), *_miscounts(place, migrations)))


def _failures(ends: list[Ran]) -> list[str]:
    return [f"a process left with {each.code}: {each.everything[-400:]}" for each in ends if each.code != 0]


def _miscounts(place: Site, migrations: int) -> list[str]:
    logged = dict(place.rows("SELECT version, count(*) FROM applied_log GROUP BY version"))
    recorded = place.rows("SELECT version, state FROM seedbed.migrations_history")
    problems = [f"{version} was applied {times} times" for version, times in logged.items() if times != 1]
    if len(logged) != migrations:
        problems.append(f"{len(logged)} of {migrations} migrations were applied")
    if {version for version, _ in recorded} != logged.keys():
        problems.append("the history and the log name different migrations")
    return problems + [f"{version} is {state}" for version, state in recorded if state != "applied"]


def main() -> int:
    tally = Tally("races")
    began = time.monotonic()
    by_size: dict[int, list[float]] = {size: [] for size in PROCESSES}
    with own_server() as server:
        for number in range(amount("SOAK_RACES", 100)):
            processes = PROCESSES[number % len(PROCESSES)]
            result = race(server, processes, MIGRATIONS)
            by_size[processes].append(result.seconds)
            label = f"race {number + 1:3d}: {processes:2d} processes, {MIGRATIONS} migrations"
            tally.add(label, result.seconds, result.problems, f"{result.workers} of them worked")
    for size, seconds in by_size.items():
        if seconds:
            say(
                f"{size:2d} processes: median {sorted(seconds)[len(seconds) // 2]:.2f} s, longest {max(seconds):.2f} s"
            )
    return tally.close(f"wall clock {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
