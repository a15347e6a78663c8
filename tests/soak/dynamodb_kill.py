"""`kill -9` at random moments of a transformation that is not idempotent, while others write: each item exactly once.

``SOAK_DYNAMODB_ITEMS=50000 SOAK_DYNAMODB_KILLS=30 python -m tests.soak.dynamodb_kill``

The transformation adds one to a counter and turns a title into a map by language. Meanwhile a writer inserts items
of the new form and updates items of both, and keeps a journal of what was acknowledged. After each kill the run is
started again. In the end the journal says what every item has to be: an item that was transformed twice or never, or
that lost a write, differs. Then all of it is reverted, the writer still writing, and judged again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO, Any

from seedbed.engines.dynamodb.sandbox.local import dynamodb_local
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.errors import SeedbedError
from seedbed.model.event import to_dict
from seedbed.model.migration import Direction, Work
from tests.soak.common import Tally, amount, say
from tests.support.dynamodb.tables import COURSES, Stage, migration, opened, stage
from tests.support.forked import Forked

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0  # seconds for a run that nobody kills
PACE = 100.0  # writes a second of the writer
SECONDS = 2.0  # without a sign of life until a lease is taken over
VERSIONED, PAGED = "from=1 to=2", ""
TRANSFORMATION = '''\
"""Titles by language, and one more."""
# seedbed: phase=migrate table=courses {directives}


def up(item):
    item["counter"] += 1
    item["title"] = dict(en=item["title"])
    return item


def down(item):
    item["counter"] -= 1
    item["title"] = item["title"]["en"]
    return item
'''


# The run that is killed


def carry_out(
    endpoint: str,
    account: str,
    service: str,
    directives: str,
    direction: str,
    wait: float,
    limits: dict[str, Any],
) -> int:
    """Transform, telling every event as a line of JSON; what the process of `Runner` does. Returns its exit code."""
    work = Work(migration(TRANSFORMATION.format(directives=directives)), Direction(direction))
    with opened(World(endpoint, Path(), 0, account), service, COURSES, **limits) as there:
        _tell_of_collisions(there.client)
        try:
            with there.lease(who=f"pid {os.getpid()}", wait=wait) as lease:
                _say({"event": "lease_taken"})
                if not is_done(there, work.direction):
                    for event in lease.apply([work]):
                        _say(to_dict(event))
        except SeedbedError as error:
            _say({"event": "error", "type": type(error).__name__, "text": str(error)})
            return int(error.exit_code)
    _say({"event": "done"})
    return 0


def is_done(there: Stage, direction: Direction) -> bool:
    recorded = there.recorded().get("1", "")
    return recorded == ("applied" if direction is Direction.UP else "")


def _tell_of_collisions(client: Client) -> None:
    original = client.call

    def call(operation: str, body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        try:
            return original(operation, body, **options)
        except ServiceError as error:
            if error.is_condition:
                _say({"event": "collision"})
            raise

    client.call = call  # type: ignore[method-assign]


def _say(data: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


class Runner:
    """A process that transforms. What it tells is read in a thread, so that it never waits for us."""

    def __init__(self, there: Stage, directives: str, direction: Direction, **limits: float) -> None:
        cloud = there.database.cloud
        order = [
            cloud.endpoint,
            cloud.access_key,
            there.database.service,
            directives,
            direction.value,
            PATIENCE,
            limits,
        ]
        self.told: list[dict[str, Any]] = []
        self.process = Forked(
            [sys.executable, "-m", "tests.soak.dynamodb_kill", "run", json.dumps(order)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            if line.endswith("\n"):  # the last one may be half of one
                self.told.append(json.loads(line))

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.told if each["event"] == kind]

    def until(self, kind: str, count: int = 1) -> None:
        """Wait for the event `kind`, or the end of the process."""
        deadline = time.monotonic() + PATIENCE
        while len(self.events(kind)) < count and self.process.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {kind} in {PATIENCE:g} s")
            time.sleep(0.005)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> bool:
        """Kill it, and return whether that is what ended it."""
        self.process.kill()
        return self.wait() == -9

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    @property
    def error(self) -> str:
        return "; ".join(each["text"] for each in self.events("error"))


@contextmanager
def running(there: Stage, directives: str, direction: Direction, **limits: float) -> Iterator[Runner]:
    """Yield a runner that does not outlive us."""
    runner = Runner(there, directives, direction, **limits)
    try:
        yield runner
    finally:
        runner.kill()


# The writer and its journal


@dataclass(slots=True)
class Wanted:
    """What the journal says of one item; `transformed` is what a transformation adds to the counter."""

    counter: int
    title: str
    views: int = 0
    is_new: bool = False  # came in the new form


@dataclass
class Writer:
    """Writes as an application does that knows both forms, and journals what was acknowledged."""

    there: Stage
    journal: dict[str, Wanted]
    rng: Random
    pace: float = PACE
    inserts: bool = True
    writes: int = 0
    problems: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Writer:
        # Of an item, only one thread writes: so the order in the journal is the order in the table.
        for part in range(2):
            ids = [each for at, each in enumerate(self.journal) if at % 2 == part]
            thread = threading.Thread(
                target=self._write, args=(part, ids, Random(self.rng.random())), daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join(60)

    def _write(self, part: int, ids: list[str], rng: Random) -> None:
        number = 0
        with Client(self.there.database.cloud) as client:
            while not self._over.wait(2 / self.pace):
                number += 1
                try:
                    if self.inserts and rng.random() < 0.2:
                        ids.append(self._insert(client, f"new-{part}-{number}", number))
                    else:
                        self._update(client, rng.choice(ids), f"{part}-{number}", rng.randint(1, 9))
                    self.writes += 1
                except SeedbedError as error:
                    self.problems.append(f"the writer failed: {error}")
                    return

    def _insert(self, client: Client, name: str, number: int) -> str:
        item = {"id": name, "v": 2, "counter": number, "title": {"en": name}, "views": 0}
        client.call("PutItem", {"TableName": self._table, "Item": to_item(item)})
        self.journal[name] = Wanted(number, name, is_new=True)
        return name

    def _update(self, client: Client, name: str, title: str, more: int) -> None:
        """Change title, counter and views in the form that the item has right now."""
        key = {"TableName": self._table, "Key": to_item({"id": name})}
        while True:
            found = from_item(client.call("GetItem", {**key, "ConsistentRead": True})["Item"])
            is_new = isinstance(found["title"], dict)
            database = "title.en" if is_new else "title"
            body = {
                **key,
                "UpdateExpression": f"SET {database} = :title ADD #counter :more, #views :one",
                "ConditionExpression": "attribute_type(title, :form)",
                "ExpressionAttributeNames": {"#counter": "counter", "#views": "views"},
                "ExpressionAttributeValues": to_item(
                    {":title": title, ":more": more, ":one": 1, ":form": "M" if is_new else "S"}
                ),
            }
            try:
                client.call("UpdateItem", body)
            except ServiceError as error:
                if error.is_condition:
                    continue
                raise
            wanted = self.journal[name]
            wanted.title, wanted.counter, wanted.views = title, wanted.counter + more, wanted.views + 1
            return

    @property
    def _table(self) -> str:
        return self.there.database.physical("courses")


def fill(there: Stage, items: int, directives: str = VERSIONED) -> dict[str, Wanted]:
    """Write `items` items of the old form, at least half of them without a version, and return their journal."""
    journal = {f"c-{number}": Wanted(number, f"title {number}") for number in range(items)}
    there.fill(
        "courses",
        [
            {
                "id": name,
                "counter": each.counter,
                "title": each.title,
                "views": 0,
                "text": "x" * (number % 300),
                **({"v": 1} if number % 2 and directives == VERSIONED else {}),
            }
            for number, (name, each) in enumerate(journal.items())
        ],
    )
    return journal


def judge(
    there: Stage, journal: Mapping[str, Wanted], direction: Direction, directives: str = VERSIONED
) -> list[str]:
    """Return in what the table differs from what the journal says it has to be, at most ten lines."""
    problems = []
    found = {each["id"]: each for each in there.items("courses")}
    problems += [f"{name} is gone" for name in journal.keys() - found.keys()]
    problems += [f"{name} came from nowhere" for name in found.keys() - journal.keys()]
    for name, wanted in journal.items():
        item = found.get(name, {})
        if direction is Direction.UP:
            form: dict[str, Any] = {"v": 2 if directives else None, "title": {"en": wanted.title}}
            counter = wanted.counter + (0 if wanted.is_new else 1)
        else:
            form = {"v": 1 if directives else None, "title": wanted.title}
            counter = wanted.counter - (1 if wanted.is_new else 0)
        expected = {**form, "counter": counter, "views": wanted.views}
        actual = {key: item.get(key) for key in expected}
        if actual != expected:
            problems.append(f"{name} is {actual}, not {expected}")
    return problems[:10]


# Kills


@dataclass(frozen=True, slots=True)
class Way:
    """How one way up or down went, judged."""

    label: str
    seconds: float
    problems: list[str]
    detail: str


@dataclass(slots=True)
class Course:
    """How one way went: kills that met a run, leases lost, collisions with the writer as far as they were told."""

    kills: int = 0
    lost: int = 0
    runs: int = 0
    collisions: int = 0
    problems: list[str] = field(default_factory=list)


def killed_again_and_again(
    there: Stage,
    directives: str,
    direction: Direction,
    kills: int,
    rng: Random,
    items: int,
    rate: float = 500.0,
) -> Course:
    """Run one way until it is through, `kills` times ended by SIGKILL at a random moment of its work.

    `rate`: items a second that are expected at first; then it is what was seen.
    """
    course, worked, left = Course(), 0.0, items
    while True:
        course.runs += 1
        mean = max(left, items / 20) / rate / (kills - course.kills + 1)
        with running(there, directives, direction) as runner:
            runner.until("lease_taken")
            began = time.monotonic()
            if course.kills < kills:
                _sleep_unless_over(runner, rng.uniform(0.0, 2 * mean))
                if runner.process.poll() is None and runner.kill():
                    course.kills += 1
                    worked += time.monotonic() - began
                    course.collisions += len(runner.events("collision"))
                    left = _left(there, direction)
                    rate = max((items - left) / worked, 50.0)
                    continue
            code = runner.wait()
            course.collisions += len(runner.events("collision"))
        # On a machine that is busy, a lease of seconds expires under a run. It ends as it has to, and the next goes on.
        if code == 5 and "the lease of" in runner.error and course.lost < kills:
            course.lost += 1
            continue
        if code != 0:
            course.problems.append(f"a run ended with {code}: {runner.error}")
        return course


def _sleep_unless_over(runner: Runner, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and runner.process.poll() is None:
        time.sleep(0.002)


def _left(there: Stage, direction: Direction) -> int:
    """Return how many items are still in the old form."""
    body: dict[str, Any] = {
        "TableName": there.database.physical("courses"),
        "Select": "COUNT",
        "FilterExpression": "attribute_type(title, :form)",
        "ExpressionAttributeValues": to_item({":form": "S" if direction is Direction.UP else "M"}),
    }
    count = 0
    while True:
        page = there.client.call("Scan", body)
        count += page["Count"]
        if "LastEvaluatedKey" not in page:
            return int(count)
        body["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def leftovers(there: Stage) -> list[str]:
    """Return what a finished way may not leave behind: checkpoints."""
    found = history.checkpoints(there.database, "1")
    return [f"checkpoint of segment {each} is still there" for each in found]


def there_and_back(
    there: Stage, directives: str, items: int, kills: int, rng: Random, *, pace: float = PACE
) -> Iterator[Way]:
    """Transform and revert, each with `kills` kills, the writer writing; yield how each went, judged.

    `pace`: writes a second.
    """
    journal = fill(there, items, directives)
    for direction in Direction:
        began = time.monotonic()
        # What comes in the new form while all of it goes back, or where nothing tells it from the old, has no place.
        inserts = directives == VERSIONED and direction is Direction.UP
        with Writer(there, journal, rng, pace=pace, inserts=inserts) as writer:
            course = killed_again_and_again(there, directives, direction, kills, rng, items)
        problems = (
            course.problems
            + writer.problems
            + judge(there, journal, direction, directives)
            + leftovers(there)
        )
        if course.kills < kills:
            problems.append(f"it was through after {course.kills} of {kills} kills")
        if not is_done(there, direction):
            problems.append(f"the history says {there.recorded()}")
        detail = (
            f"{course.kills} kills, {course.lost} leases lost, {course.runs} runs, {writer.writes} writes by others, "
            f"{course.collisions} collisions, {len(journal)} items"
        )
        label = f"{'versioned' if directives else 'paged'} {direction.value}"
        yield Way(label, time.monotonic() - began, problems, detail)


# A runner that slept


def overslept(there: Stage, items: int) -> list[str]:
    """Stop a runner beyond its lease, let another one finish, wake it: return what it did that it must not."""
    journal = fill(there, items)
    with running(
        there, VERSIONED, Direction.UP, write_units=items / 10
    ) as sleeper:  # so that it takes ten seconds
        sleeper.until("lease_taken")
        while _left(there, Direction.UP) > items * 0.8 and sleeper.process.poll() is None:
            time.sleep(0.05)
        sleeper.signal(signal.SIGSTOP)
        try:
            with running(there, VERSIONED, Direction.UP) as successor:
                if successor.wait() != 0:
                    return [f"the successor failed: {successor.error}"]
            before = _everything(there)
        finally:
            sleeper.signal(signal.SIGCONT)
        code = sleeper.wait()
    problems = judge(there, journal, Direction.UP) + leftovers(there)
    if _everything(there) != before:
        problems.append("the sleeper changed something after the successor was done")
    if code != 5 or "lease" not in sleeper.error:
        problems.append(f"the sleeper left with {code}: {sleeper.error or 'not a word'}")
    if not successor.events("lease_taken"):
        problems.append("the successor never had the lease")
    return problems


def _everything(there: Stage) -> list[str]:
    """Return all items of all tables, those of the history too."""
    found = []
    for table in ("courses", "migrations_history"):
        page = there.client.call(
            "Scan", {"TableName": there.database.physical(table), "ConsistentRead": True}
        )
        found += [json.dumps(each, sort_keys=True) for each in page["Items"]]
    return sorted(found)


def main() -> int:
    if sys.argv[1:2] == ["run"]:
        return carry_out(*json.loads(sys.argv[2]))
    items, kills = amount("SOAK_DYNAMODB_ITEMS", 50_000), amount("SOAK_DYNAMODB_KILLS", 30)
    seed = amount("SOAK_SEED", 20261123)
    tally = Tally("ways")
    say(f"{items} items, {kills} kills each way, SOAK_SEED={seed}")
    with tempfile.TemporaryDirectory(prefix="seedbed-soak-") as home, dynamodb_local(Path(home)) as world:
        with stage(world, COURSES, lease_seconds=SECONDS) as there:
            began = time.monotonic()
            problems = overslept(there, 400)
            tally.add("overslept", time.monotonic() - began, problems)
        for directives, share in ((VERSIONED, 1), (PAGED, 5)):
            with stage(world, COURSES, lease_seconds=SECONDS) as there:
                for way in there_and_back(there, directives, items // share, kills // share, Random(seed)):
                    tally.add(way.label, way.seconds, way.problems, way.detail)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
