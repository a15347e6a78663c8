"""`kill -9` at every state of a reindex, before it is recorded and after, while applications write through the alias.

``SOAK_OPENSEARCH_DOCUMENTS=20000 SOAK_OPENSEARCH_PACE=200 python -m tests.soak.opensearch_reindex``

`lessons` goes from version 1 to version 2 on the server (`_reindex`), back again, and then through a function, while
writers index, update, delete, and make deleted documents again, `index.gc_deletes` being one second: a document that
is made again begins at version 1. They keep a journal of what was acknowledged. The run is killed at each state that
the code enumerates, and started again. In the end the index is what the journal says; no writer waited longer than
five seconds from its first 403 to its next success; and one request moved the alias.

SOAK_OPENSEARCH_ENVIRONMENTS of them (2) are at work at once on one domain, each below its prefix; 1 has it alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.prefix.names import prefix_of
from seedbed.engines.opensearch.running.reindex import job as jobs
from seedbed.engines.opensearch.running.reindex.checkpoint import from_text
from seedbed.engines.opensearch.running.reindex.states import ReindexState
from seedbed.errors import SeedbedError
from seedbed.model.event import to_dict
from seedbed.model.migration import Direction, Work
from tests.support.opensearch.searches import Stage, documents, migration, moves, opened

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0  # seconds for a run that nobody kills
SECONDS = 2.0  # without a sign of life until a lease is taken over
LONGEST = 5.0  # seconds that a writer may wait
THREADS = 4
DECLARED = """
[indexes.lessons]

[[indexes.lessons.versions]]
number = 1
settings = {number_of_shards = 2, number_of_replicas = 0, gc_deletes = "1s"}
[indexes.lessons.versions.mappings]
dynamic = "strict"
properties = {title = {type = "text"}, count = {type = "integer"}, length = {type = "integer"}}

[[indexes.lessons.versions]]
number = 2
settings = {number_of_shards = 1, number_of_replicas = 0, gc_deletes = "1s"}
[indexes.lessons.versions.mappings]
dynamic = "strict"
properties = {title = {type = "text", analyzer = "english"}, count = {type = "long"}, length = {type = "integer"}}
"""
COPY = moves("lessons", 2)
CODE = """\
# seedbed: index=lessons phase=migrate


def up(doc):
    doc["length"] = len(doc["title"])
    return doc


def down(doc):
    doc.pop("length", None)
    return doc
"""
BEFORE, AFTER, DURING = "before", "after", "during"
POINTS = [
    (state, when)
    for state in ReindexState
    for when in (
        BEFORE,
        AFTER,
        *([DURING] if state in {ReindexState.FILLING, ReindexState.COMPARING} else []),
    )
]


# The run that is killed


def carry_out(
    settings: Mapping[str, str],
    home: str,
    text: str,
    version: str,
    direction: str,
    state: str,
    when: str,
    lease_seconds: float,
) -> int:
    """Migrate, telling every event as a line of JSON, until the point of death; what `run_until` starts."""
    work = Work(migration(text, version), Direction(direction))
    with opened(settings, Path(home), lease_seconds=lease_seconds) as there:
        _die_at(state, when)
        try:
            with there.lease(f"pid {os.getpid()}", wait=PATIENCE) as lease:
                _say({"event": "lease_taken"})
                for event in lease.apply([work]):
                    _say(to_dict(event))
                    if when == DURING and state in str(to_dict(event).get("summary", "")):
                        os.kill(os.getpid(), 9)
        except SeedbedError as error:
            _say({"event": "error", "type": type(error).__name__, "text": str(error)})
            return int(error.exit_code)
    _say({"event": "done"})
    return 0


def _die_at(state: str, when: str) -> None:
    original = jobs.IndexJob.save
    reached: list[str] = []

    def save(job: jobs.IndexJob, checkpoint: str, *, anyway: bool = False) -> None:
        found = from_text(checkpoint)
        is_new = found is not None and found.state not in reached[-1:]
        if is_new and found is not None:
            reached.append(found.state)
            if (found.state, when) == (state, BEFORE):
                os.kill(os.getpid(), 9)
        original(job, checkpoint, anyway=anyway)
        if is_new and found is not None and (found.state, when) == (state, AFTER):
            os.kill(os.getpid(), 9)

    jobs.IndexJob.save = save  # type: ignore[method-assign,assignment]


def _say(data: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


@dataclass
class Ended:
    """How a run ended: its exit code (-9: killed), and what it told."""

    code: int
    told: list[dict[str, Any]]

    @property
    def error(self) -> str:
        return "; ".join(each["text"] for each in self.told if each["event"] == "error")


def run_until(
    settings: Mapping[str, str],
    home: Path,
    text: str,
    version: str,
    direction: Direction,
    point: tuple[str, str] = ("", ""),
    *,
    lease_seconds: float = SECONDS,
) -> Ended:
    """Run a migration in a process of its own, up to `point`."""
    order = [dict(settings), str(home), text, version, direction.value, *point, lease_seconds]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.soak.opensearch_reindex", "run", json.dumps(order)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(ran.returncode, [json.loads(each) for each in ran.stdout.splitlines() if each.endswith("}")])


# The writers and their journal


@dataclass
class Writers:
    """Applications that write through the alias, each to documents of its own, and journal what was acknowledged."""

    address: Address
    journal: dict[str, dict[str, Any]]
    seed: int
    pace: float
    writes: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    longest: float = 0.0
    problems: list[str] = field(default_factory=list)
    last_written: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Writers:
        ids = sorted(self.journal)
        for number in range(THREADS):
            mine = [each for each in ids if int(each[1:]) % THREADS == number]
            thread = threading.Thread(target=self._write, args=(number, mine), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join(30)

    def _write(self, number: int, mine: list[str]) -> None:
        rng, gone = Random(self.seed * 100 + number), list[str]()
        connection = HTTPConnection(urlsplit(self.address.endpoint).netloc, timeout=60)
        fresh = number + THREADS * (1 + self.seed % 1000) * 1_000_000
        due = time.monotonic()
        try:
            while not self._over.is_set():
                choice = rng.random()
                if choice < 0.2 and mine:
                    kind, id_ = "delete", mine.pop(rng.randrange(len(mine)))
                    gone.append(id_)
                elif choice < 0.4 and gone:
                    kind, id_ = "again", gone.pop(rng.randrange(len(gone)))
                    mine.append(id_)
                elif choice < 0.55:
                    fresh += THREADS
                    kind, id_ = "new", f"l{fresh}"
                    mine.append(id_)
                else:
                    kind, id_ = "update", rng.choice(mine)
                self._one(connection, kind, id_, rng)
                due = max(due + THREADS / self.pace, time.monotonic() - 0.5)
                self._over.wait(max(0.0, due - time.monotonic()))
        except Exception as error:
            self.problems.append(f"a writer ended: {error!r}")
        finally:
            connection.close()

    def _one(self, connection: HTTPConnection, kind: str, id_: str, rng: Random) -> None:
        """Write until it is acknowledged, as an application does that waits out a closed index."""
        document = {"title": f"{kind} {rng.getrandbits(40):x}", "count": rng.randrange(10**6)}
        body = None if kind == "delete" else json.dumps(document)
        method = "DELETE" if kind == "delete" else "PUT"
        first = 0.0
        while True:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, f"/{self.address.prefix}lessons/_doc/{id_}", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status in {200, 201}:
                break
            if answer.status == 403 and b"cluster_block_exception" in said:
                first = first or time.monotonic()
                with self._lock:
                    self.refused += 1
                time.sleep(0.02)
                continue
            raise AssertionError(f"{method} {id_}: {answer.status} {said[:300]!r}")
        now = time.monotonic()
        with self._lock:
            self.writes[kind] += 1
            self.last_written[id_] = now
            if first:
                self.longest = max(self.longest, now - first)
            if kind == "delete":
                self.journal.pop(id_, None)
            else:
                self.journal[id_] = document


def fill(there: Stage, count: int) -> dict[str, dict[str, Any]]:
    """Make `lessons` of version 1 with `count` documents; return them as a journal."""
    there.apply(moves("lessons", 1), "1")
    journal = {f"l{each}": {"title": f"lesson {each}", "count": each} for each in range(count)}
    ids = list(journal)
    for first in range(0, count, 5000):
        there.put("lessons", {each: journal[each] for each in ids[first : first + 5000]})
    return journal


def differences(there: Stage, journal: Mapping[str, Mapping[str, Any]], *, is_transformed: bool) -> list[str]:
    """Return where the index is not what the journal says."""
    found = documents(there.client, "lessons")
    problems = [f"{each} is missing" for each in journal.keys() - found.keys()]
    problems += [f"{each} is there and was deleted" for each in found.keys() - journal.keys()]
    for id_ in journal.keys() & found.keys():
        document = dict(found[id_])
        length = document.pop("length", None)
        if document != journal[id_]:
            problems.append(f"{id_} is {document}, and should be {journal[id_]}")
        elif length is not None and (not is_transformed or length != len(journal[id_]["title"])):
            problems.append(f"{id_} has a length of {length}")
    return sorted(problems)


@dataclass
class Way:
    """How one migration went."""

    label: str
    seconds: float
    problems: list[str]
    detail: str
    longest: float


def one_way(
    there: Stage,
    settings: Mapping[str, str],
    journal: dict[str, dict[str, Any]],
    order: tuple[str, str, Direction],
    points: Sequence[tuple[str, str]],
    *,
    pace: float,
    seed: int,
    longest: float | None = LONGEST,
) -> Way:
    """Carry out one migration, killed at all `points` one after the other, writers writing.

    `longest`: seconds that no writer may wait for longer; None where the machine has other work to do.
    """
    began, home, kills = time.monotonic(), Path(str(there.cluster.directory)), 0
    text, version, direction = order
    before = there.behind("lessons")
    problems: list[str] = []
    with Writers(there.cluster.address, journal, seed, pace) as writers:
        time.sleep(1.5)  # so that deletes are forgotten by the index before they are made again
        for point in points:
            ended = run_until(settings, home, text, version, direction, point)
            if ended.code == -9:
                kills += 1
            else:
                problems.append(f"it was not killed {point[1]} {point[0]}: {ended.code} {ended.error}")
                break
        ended = run_until(settings, home, text, version, direction)
        if ended.code != 0:
            problems.append(f"it ended with {ended.code}: {ended.error}")
        time.sleep(0.5)
    took = time.monotonic() - began
    after = there.behind("lessons")
    if len(after) != 1 or after == before:
        problems.append(f"lessons led to {before} and leads to {after}")
    problems += writers.problems
    problems += differences(there, journal, is_transformed=text == CODE and direction is Direction.UP)[:10]
    if longest is not None and writers.longest > longest:
        problems.append(f"a writer waited for {writers.longest:.1f} s")
    if not writers.refused:
        problems.append("no writer ever met the block")
    total = sum(writers.writes.values())
    detail = (
        f"{kills} kills, {len(journal)} documents, {total} writes ({total / took:.0f}/s; "
        f"{writers.writes['delete'] / total:.0%} deletes, {writers.writes['again'] / total:.0%} made again), "
        f"longest wait of a writer {writers.longest:.2f} s"
    )
    label = f"{'code' if text == CODE else 'copy'} {direction.value}"
    return Way(label, took, problems, detail, writers.longest)


@contextmanager
def own_cluster() -> Iterator[tuple[Mapping[str, str], Path]]:
    """Run an OpenSearch for one soak; yield its settings and an empty directory."""
    from seedbed.engines.opensearch.sandbox import embedded

    with tempfile.TemporaryDirectory(prefix="seedbed-soak-") as home, embedded(Path(home)) as cluster:
        directory = Path(home, "project")
        directory.mkdir()
        yield cluster.settings("ai/opensearch"), directory


def main() -> int:
    from tests.soak.common import Tally, amount, say  # late: a run that is killed has no time for drivers

    count, pace = amount("SOAK_OPENSEARCH_DOCUMENTS", 20_000), float(amount("SOAK_OPENSEARCH_PACE", 200))
    seed = amount("SOAK_SEED", 20261123)
    tally = Tally("ways")
    say(f"{count} documents, {pace:g} writes a second, {len(POINTS)} kills each way, SOAK_SEED={seed}")
    many = amount("SOAK_OPENSEARCH_ENVIRONMENTS", 2)
    with own_cluster() as (settings, home), ThreadPoolExecutor(many) as pool:
        parts = [{**settings, "prefix": prefix_of(f"dev-{each}", "ai")} for each in range(many)]
        ways = [
            pool.submit(all_ways, part, home / str(number), count, pace, seed + 10 * number)
            for number, part in enumerate(parts if many > 1 else [settings])
        ]
        longest = 0.0
        for number, each in enumerate(ways):
            for way in each.result():
                tally.add(f"{number} {way.label}", way.seconds, way.problems, way.detail)
                longest = max(longest, way.longest)
    return tally.close(f"longest wait of a writer {longest:.2f} s")


def all_ways(
    settings: Mapping[str, str],
    home: Path,
    count: int,
    pace: float,
    seed: int,
    points: Sequence[tuple[str, str]] = POINTS,
    longest: float | None = LONGEST,
) -> list[Way]:
    """Carry out every migration of one environment, there and back."""
    home.mkdir(exist_ok=True)
    orders = (
        (COPY, "2", Direction.UP),
        (COPY, "2", Direction.DOWN),
        (CODE, "3", Direction.UP),
        (CODE, "3", Direction.DOWN),
    )
    with opened(settings, home, lease_seconds=SECONDS) as there:
        there.declare(DECLARED)
        journal = fill(there, count)
        return [
            one_way(there, settings, journal, order, points, pace=pace, seed=seed + number, longest=longest)
            for number, order in enumerate(orders)
        ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        sys.exit(carry_out(*json.loads(sys.argv[2])))
    sys.exit(main())
