"""`kill -9` and Ctrl-C of `seedbed verify`, while it reads and within the grace: nothing is recorded that it did not find.

``SOAK_VERIFY_KILLS=30 python -m tests.soak.verify_kill``

A lock on a table, or a long grace, keeps it where it is to be ended. Afterwards no database has a record of it, the
directory for temporary files is empty, and the next run finds the one orphan. At a random moment, a record may be
there: then it says that the reference is broken.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.common import Child, Site, Tally, amount, own_server, wait_for
from tests.support.postgres.databases import empty_database
from tests.support.projects import ProjectFiles, command

ENVIRONMENT = "dev-verify"
ROWS = 100_000  # ids of what refers; the first megabyte of them is kept in memory
KILLED, INTERRUPTED = -signal.SIGKILL, 130
MOMENTS = ("from", "to", "grace")  # what is read when it ends, or that it waits
ENDS = ("kill", "ctrl-c", "ctrl-c twice")
_GRACE = {"from": "0s", "to": "0s", "grace": "1h"}
_LOCKED = {"from": ("order", "orders"), "to": ("user", "users")}
_IDS = (
    "SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(x), 12, '0'))::uuid FROM generate_series({}, {}) AS x"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A platform of two services with one orphan between them, and a directory for temporary files of its own."""

    place: Site
    files: ProjectFiles
    temporary: Path

    def declare(self, grace: str) -> None:
        reference = (
            f'from = "order/postgres:orders.user_id"\nto = "user/postgres:users.id"\ngrace = "{grace}"\n'
        )
        self.files.manifest(["order", "user"], f"[[references]]\n{reference}")

    def verify(self) -> Child:
        environment = {**self.place.variables, "TMPDIR": str(self.temporary)}
        return Child(command("verify", "-e", ENVIRONMENT), self.place.root, environment)

    def records(self) -> list[str]:
        """Return what both databases keep of `verify`."""
        query = "SELECT record FROM seedbed.migrations_verified"
        return [each for service in ("order", "user") for (each,) in self.place.rows(query, service)]

    def spilled(self, victim: Child) -> list[str]:
        """Return the files in the directory for temporary files that a process has open, names or not."""
        found = []
        for name in os.listdir(f"/proc/{victim.process.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{victim.process.pid}/fd/{name}")
            except FileNotFoundError:  # closed meanwhile
                continue
            found += [target] * target.startswith(str(self.temporary))
        return found


@contextmanager
def prepared(server: EmbeddedServer, rows: int = ROWS) -> Iterator[Stage]:
    with ExitStack() as stack:
        root, temporary = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"seedbed-{each}-")))
            for each in ("soak", "spill")
        )
        databases = {each: stack.enter_context(empty_database(server)) for each in ("order", "user")}
        files = ProjectFiles(root)
        found = Stage(Site(server, root, databases, ENVIRONMENT), files, temporary)
        found.declare("0s")
        users, orders = _IDS.format(1, rows), _IDS.format(2, rows + 1)
        files.migration(
            "20260101000001_users", f"CREATE TABLE users AS {users.replace('::uuid', '::uuid AS id')};"
        )
        files.migration(
            "20260101000001_orders",
            f"CREATE TABLE orders AS {orders.replace('::uuid', '::uuid AS user_id')};",
            service="order",
        )
        ran = found.place.run("apply")
        assert ran.code == 0, ran.everything
        yield found


def ended(stage: Stage, moment: str, end: str) -> list[str]:
    """End a run by `end` at `moment`, and return what is wrong then, and after the next run."""
    stage.declare(_GRACE[moment])
    problems = []
    with ExitStack() as stack:
        if moment in _LOCKED:
            service, table = _LOCKED[moment]
            other = stack.enter_context(stage.place.connected(service))
            other.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        with stage.verify() as victim:
            _wait_until(stage, victim, moment)
            if moment != "from" and not stage.spilled(victim):
                problems.append("no ids are in a temporary file: nothing of that is tried")
            _end(victim, end)
            ran = victim.wait()
        wanted = {"kill": {KILLED}, "ctrl-c": {INTERRUPTED}, "ctrl-c twice": {INTERRUPTED, -signal.SIGINT}}
        if ran.code not in wanted[end]:
            problems.append(f"it left with {ran.code}: {ran.out[-400:]}")
        problems += left(stage)
        problems += [f"recorded: {each}" for each in stage.records()]
    return [*problems, *next_run(stage)]


def _wait_until(stage: Stage, victim: Child, moment: str) -> None:
    if moment == "grace":
        wait_for(lambda: "looked up again in" in victim.output(), "it to wait for the grace")
        return
    service, table = _LOCKED[moment]
    waits = f"SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND NOT granted"
    wait_for(lambda: stage.place.value(waits, service), f"it to wait for {table}")


def _end(victim: Child, end: str) -> None:
    if end == "kill":
        victim.process.kill()
        return
    victim.process.send_signal(signal.SIGINT)
    if end == "ctrl-c twice":
        time.sleep(0.05)  # the first has to have been heard
        victim.process.send_signal(signal.SIGINT)


def left(stage: Stage) -> list[str]:
    return [f"left in the directory for temporary files: {each.name}" for each in stage.temporary.iterdir()]


def next_run(stage: Stage) -> list[str]:
    """Return what is wrong with a run that nobody ends; what it keeps is removed again."""
    stage.declare("0s")
    with stage.verify() as run:
        ran = run.wait()
    problems = left(stage)
    if ran.code != 6 or "1 orphan" not in ran.out:
        problems.append(f"the next run left with {ran.code}: {ran.out[-400:]}")
    kept = stage.records()
    if len(kept) != 2 or not all('"broken"' in each for each in kept):
        problems.append(f"the next run recorded {kept}")
    for service in ("order", "user"):
        with stage.place.connected(service) as connection:
            connection.execute("DELETE FROM seedbed.migrations_verified")
    return problems


def at_random(stage: Stage, rng: Random, longest: float) -> tuple[float, list[str]]:
    """End a run at a random moment; return the moment, in seconds, and what is wrong."""
    stage.declare("1s")
    moment = rng.uniform(0, longest)
    with stage.verify() as victim:
        time.sleep(moment)
        _end(victim, rng.choice(ENDS))
        victim.process.wait()
    kept = [each for each in stage.records() if '"broken"' not in each]
    return moment, [*(f"recorded: {each}" for each in kept), *left(stage), *next_run(stage)]


def main() -> int:
    tally = Tally("ends of verify")
    rng = Random(amount("SOAK_SEED", 1))
    with own_server() as server, prepared(server) as stage:
        for moment, end in product(MOMENTS, ENDS):
            began = time.monotonic()
            problems = ended(stage, moment, end)
            tally.add(f"{end} at {moment}", time.monotonic() - began, problems)
        began = time.monotonic()
        assert next_run(stage) == []
        longest = time.monotonic() - began
        for number in range(1, amount("SOAK_VERIFY_KILLS", 30) + 1):
            began = time.monotonic()
            after, problems = at_random(stage, rng, longest)
            tally.add(f"{number}", time.monotonic() - began, problems, f"after {after:.2f} s")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
