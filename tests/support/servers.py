"""Clean Neo4j and OpenSearch servers for tests: one of each that all workers of a run share, one test at a time on it.

A server takes seconds to start, half a minute of a processor to be warm, and a fraction of a second to wipe. So a test
borrows the one, wiped, and gives it back. Who needs a second one at once gets it at once: nobody waits while holding
one, so nobody waits forever.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.engines.base import Embedded
from seedbed.servers import locks

FEW = 1  # server of a kind for all workers, where no test needs several at once: it takes a minute to be warm
FOUND = (
    "owners.lock",
    "start.lock",
    "supervisor.lock",
    "server.lock",
    "state.json",
    "port",
)  # by who starts it
RAM = Path("/dev/shm")
OURS = "migrations_history_key"
MANY = 10_000  # nodes that are removed at once
PATHS = os.pathsep.join([str(Path(__file__).parents[2] / "src"), *filter(None, sys.path)])

Settings = Mapping[str, str]
Wipe = Callable[[Settings, Collection[str]], None]
Lend = Callable[[Path, Collection[str], Collection[str]], None]
Run = Callable[[Path], AbstractContextManager[Embedded]]


class Pool:
    """Servers of one kind below `home`; each worker has a pool of its own, and the directory in common."""

    def __init__(self, home: Path, engine: str, run: Run, wipe: Wipe) -> None:
        self._home = home
        self._engine = engine
        self._run = run
        self._wipe = wipe
        self._closing = ExitStack()
        self._servers: Embedded | None = None
        self._borrowed = 0

    @contextmanager
    def borrowed(self, keep: Collection[str] = ()) -> Iterator[Settings]:
        """Yield the settings of a server that is empty, and that nobody else has meanwhile.

        `keep`: what may be there from tests before, by name: constraints of Neo4j, indexes of OpenSearch.
        """
        with self._wiped(keep) as (servers, database):
            yield servers.settings(database)

    @contextmanager
    def lent(self, home: Path, *directories: str) -> Iterator[None]:
        """Have `home`, on the same file system, hold a server that runs, is empty, and is in all these `directories`.

        Whatever finds a server of a sandbox there finds this one, by the files that it has in common with it, and is
        one more of its owners. It takes half a minute of a processor to bring a new one as far.
        """
        with self._wiped() as (servers, database), ExitStack() as removing:
            there = servers.directory(database)  # type: ignore[attr-defined]  # of those that are one for each
            for each in directories:
                (home / each).mkdir(mode=0o700)
                removing.callback(shutil.rmtree, home / each)
                for name in FOUND:
                    (home / each / name).hardlink_to(there / name)
            yield

    @contextmanager
    def _wiped(self, keep: Collection[str] = ()) -> Iterator[tuple[Embedded, str]]:
        """Yield what owns the servers, and the database of one that is empty, and that nobody else has meanwhile."""
        with self._slot() as number:
            if self._servers is None:
                self._servers = self._closing.enter_context(self._run(self._home))
            database = f"{number}/{self._engine}"
            self._wipe(self._servers.settings(database), keep)
            self._borrowed += 1
            try:
                yield self._servers, database
            finally:
                self._borrowed -= 1

    @contextmanager
    def _slot(self) -> Iterator[int]:
        self._home.mkdir(parents=True, exist_ok=True)
        held, number = self._take()
        try:
            yield number
        finally:
            os.close(held)

    def _take(self) -> tuple[int, int]:
        """Return a lock that is held, and the number of the server that goes with it."""
        while True:
            for number in range(100 if self._borrowed else FEW):
                held = locks.acquire(self._home / f"{self._engine}-{number}.lock", exclusive=True, seconds=0)
                if held is not None:
                    return held, number
            time.sleep(0.005)  # the next test of whoever gives it back asks within milliseconds

    def close(self) -> None:
        self._closing.close()


@contextmanager
def home_in_memory(near: Path) -> Iterator[Path]:
    """Yield a directory for servers' data that all workers with the same `near` share; the last one removes it.

    In memory where there is such a file system: servers that write to a disk safely are several times slower.
    """
    if not _has_room(RAM):
        yield near / "servers"
        return
    base = RAM / f"seedbed-tests-{os.geteuid()}"
    base.mkdir(exist_ok=True)
    base.chmod(0o711)  # a sandbox in it may run its PostgreSQL as another user
    _sweep(base)
    name = "-".join(near.parts[-2:])
    using = os.open(base / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(using, fcntl.LOCK_SH)
    try:
        (base / name).mkdir(exist_ok=True)
        yield base / name
    finally:
        os.close(using)
        _sweep(base)


def _has_room(folder: Path) -> bool:
    """Return whether a gigabyte can be written there: containers often have little."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize > 1 << 30


def quick_folder() -> Path:
    """Return a directory with a short path that anybody may write to: in memory, where programs may run there."""
    return RAM if _has_room(RAM) and not os.statvfs(RAM).f_flag & os.ST_NOEXEC else Path("/tmp")


def remove_soon(folder: Path, seconds: float = 60) -> None:
    """Remove `folder` once nothing is written there any more: a server that stops writes to the last."""
    until = time.monotonic() + seconds
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _sweep(base: Path) -> None:
    """Remove what no run uses any more: this one, and those that were killed."""
    for lock in base.glob("*.lock"):
        held = locks.acquire(lock, exclusive=True, seconds=0)
        if held is None:
            continue
        folder = lock.with_suffix("")
        for server in folder.glob("**/server.lock"):  # a server that stops still writes
            if (stopped := locks.acquire(server, exclusive=True, seconds=60)) is not None:
                os.close(stopped)
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(held)


def new_account() -> str:
    """Return an AWS account that nobody uses: the embedded servers keep accounts apart."""
    return str(random.randrange(10**11, 10**12))


def neo4j_pool(home: Path) -> Pool:
    from seedbed.engines.neo4j.sandbox import embedded

    return Pool(home, "neo4j", embedded, wipe_neo4j)


def opensearch_pool(home: Path) -> Pool:
    from seedbed.engines.opensearch.sandbox import embedded

    return Pool(home, "opensearch", embedded, wipe_opensearch)


def wipe_neo4j(settings: Settings, keep: Collection[str] = ()) -> None:
    """Remove all nodes, constraints and indexes but the constraints `keep`; end what a test left running.

    The constraint of seedbed's own history stays where a test made it, with the lease and the fence as they are made
    with it: each change of the schema makes the server plan all its statements anew, which takes it longer than most
    tests. So the schema is changed last, at once, and only where it has to be.
    """
    import neo4j

    with neo4j.GraphDatabase.driver(settings["uri"], auth=None) as driver, driver.session() as session:

        def rows(statement: str) -> list[dict[str, Any]]:
            return session.run(statement).data()

        mine = "SHOW TRANSACTIONS YIELD transactionId AS id, currentQuery AS query"
        for each in rows(mine):
            if each["query"] != mine:
                rows(f"TERMINATE TRANSACTIONS '{each['id']}'")
        while rows(f"MATCH (n) WITH n LIMIT {MANY} DETACH DELETE n RETURN count(*) AS n")[0]["n"] == MANY:
            pass
        # Every constraint of the Community edition has an index, by its name.
        there = rows("SHOW INDEXES YIELD name, type, owningConstraint AS owner WHERE type <> 'LOOKUP'")
        if any(each["owner"] == OURS for each in there):
            rows("UNWIND ['lease', 'fence'] AS key CREATE (:migrations_history {key: key, token: 0})")
        drops = [
            f"DROP {'CONSTRAINT' if each['owner'] else 'INDEX'} `{each['name'].replace('`', '``')}`"
            for each in there
            if each["name"] not in {OURS, *keep}
        ]
        if drops:
            with session.begin_transaction() as transaction:
                for drop in drops:
                    transaction.run(drop)
                transaction.commit()


def wipe_opensearch(settings: Settings, keep: Collection[str] = ()) -> None:
    """Remove all indexes but `keep` with their aliases, templates, pipelines, stored scripts and settings."""
    import urllib3

    def call(method: str, path: str, body: object = None) -> Any:
        answer = web.request(
            method,
            settings["endpoint"] + path,
            body=None if body is None else json.dumps(body),
            headers={"content-type": "application/json"},
        )
        assert answer.status in {200, 404}, (method, path, answer.data)
        return answer.json()

    with urllib3.PoolManager() as web:
        for each in call("GET", "/_tasks?actions=*reindex,*byquery").get("nodes", {}).values():
            for task in each["tasks"]:
                call("POST", f"/_tasks/{task}/_cancel?wait_for_completion=true")
        call("DELETE", "/_search/point_in_time/_all")
        # One look tells what there is: to delete by a pattern takes the cluster ten times as long, also where nothing is.
        there = (
            "indices.*.state",
            "data_stream",
            "index_template",
            "component_template",
            "templates",
            "ingest",
        )
        look = ",".join(f"metadata.{each}" for each in (*there, "stored_scripts"))
        found = call("GET", f"/_cluster/state/metadata?filter_path={look}").get("metadata", {})
        if found.get("data_stream", {}).get("data_stream"):
            call("DELETE", "/_data_stream/*")
        names = [
            each for each in found.get("indices", {}) if each not in keep and not each.startswith(".ds-")
        ]
        if names:
            call("DELETE", f"/{','.join(names)}")
        for key, kind in (
            ("index_template", "_index_template"),
            ("component_template", "_component_template"),
            ("templates", "_template"),
            ("ingest", "_ingest/pipeline"),
        ):
            if any(found.get(key, {}).values()):
                call("DELETE", f"/{kind}/*")
        for name in call("GET", "/_search/pipeline"):
            call("DELETE", f"/_search/pipeline/{name}")
        for name in found.get("stored_scripts", {}):
            call("DELETE", f"/_scripts/{name}")
        if any(call("GET", "/_cluster/settings").values()):
            call("PUT", "/_cluster/settings", {"persistent": {"*": None}, "transient": {"*": None}})


OWNER = """
import importlib, json, sys
from pathlib import Path
module, home, database = sys.argv[1:]
with importlib.import_module(module).embedded(Path(home)) as servers:
    settings = servers.settings(database)
    directory = servers.directory(database)
    state = json.loads((directory / "state.json").read_text())
    print(json.dumps({**state, "settings": dict(settings), "directory": str(directory)}), flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Another process that owns a server: its pids, where it lives, and its settings."""

    process: subprocess.Popen[str]
    server: int
    supervisor: int
    directory: Path
    settings: Settings

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def owner(module: str, home: Path, database: str) -> Iterator[Owner]:
    """Start another process that owns the server of `database`; `module` has the `embedded` of its engine."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, module, str(home), database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PATHS},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, f"the owner ended with {process.wait()}"
        told = json.loads(line)
        yield Owner(process, told["server"], told["supervisor"], Path(told["directory"]), told["settings"])
    finally:
        process.kill()
        process.communicate()
