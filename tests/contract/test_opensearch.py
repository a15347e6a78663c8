"""OpenSearch keeps the contract, on a real cluster."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.client import HTTPConnection
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec.structs import replace

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.engines.opensearch import session  # noqa: E402
from seedbed.engines.opensearch.wire import client  # noqa: E402
from seedbed.engines.opensearch.wire.client import encoded  # noqa: E402
from seedbed.model.migration import Phase  # noqa: E402
from seedbed.testing import (  # noqa: E402
    Bench,
    BulkLoadContract,
    EngineContract,
    ExpiryContract,
    Harness,
    IdsContract,
    LossContract,
    OneOwnerContract,
    PresenceContract,
    QueryContract,
    ResetContract,
    SchemaContract,
    SilenceContract,
    TroubleContract,
    UnlockContract,
    UsageContract,
    VerifiedContract,
)
from seedbed.testing.runner import Text  # noqa: E402
from tests.support.opensearch import beside  # noqa: E402
from tests.support.opensearch.beside import beside_another  # noqa: E402
from tests.support.servers import Pool  # noqa: E402
from tests.support.wire.passage import answered, body_of, field_of, has_hung_up, head_of, said  # noqa: E402
from tests.support.wire.silent import SilentLine, over_tcp, silent_line  # noqa: E402

KEEP, DROP = "keep", "drop"  # what becomes of a request that knocked, once its sender has died
COLUMNS = '{"id": {"type": "long"}, "name": {"type": "keyword"}, "visits": {"type": "long"}}'
INDEXES = """
[indexes.users]
[[indexes.users.versions]]
number = 1
mappings = { properties = { id = { type = "long" }, name = { type = "keyword" }, visits = { type = "long" } } }
[[indexes.users.versions]]
number = 2
mappings = { properties = { id = { type = "long" }, name = { type = "keyword" }, visits = { type = "long" } } }
"""


_ANSWERS = {
    "denied": (
        "403 Forbidden",
        {"error": {"type": "security_exception", "reason": "no permissions for ana"}},
    ),
    "expired": (
        "401 Unauthorized",
        {"error": {"type": "security_exception", "reason": "the token is expired"}},
    ),
}


class Trouble:
    """What becomes of writes beyond the first `after`: "denied", "expired", or "lost" on its way.

    What seedbed writes into its own index goes through: a lease that is lost too would hide what is to be seen.
    """

    def __init__(self, kind: str, after: int, *, everywhere: bool = False, prefix: str = "") -> None:
        self._kind, self._is_everywhere = kind, everywhere
        self._own = f"/{prefix}migrations_history"
        self._after = after
        self._lock = threading.Lock()

    def meets(self, method: str, path: str) -> str:
        """Return what a request meets: its kind of trouble, "" where it goes through."""
        is_look = method in {"GET", "HEAD"} or path.partition("?")[0].endswith(
            ("_search", "_refresh", "_mget")
        )
        is_own = path.startswith(self._own) and "/_rollover/" not in path
        if is_look or (is_own and not self._is_everywhere):
            return ""
        with self._lock:
            self._after -= 1
            return "" if self._after >= 0 else self._kind


class Door(ThreadingTCPServer):
    """A proxy before a cluster that keeps requests which knock while it is closed.

    A kept request goes on its way when the door opens, even if its sender has died: a packet knows no owner.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.behind = urlsplit(endpoint).netloc
        self.is_closed = False
        self.inside = 0
        self.trouble: Trouble | None = None
        self.changed = threading.Condition()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def connected(self) -> socket.socket:
        host, _, port = self.behind.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=60)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients are killed here."""


class _Passage(StreamRequestHandler):
    """One connection, with one of its own to the server. What is said goes through as it is."""

    server: Door
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with ExitStack() as lines:
            behind: socket.socket | None = None
            while head := head_of(self.rfile):
                body = body_of(head, self.rfile)
                method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
                knock = field_of(head, b"x-knock")
                if knock and not self._wait() and knock == DROP:
                    return
                trouble = self.server.trouble
                met = trouble.meets(method, path) if trouble else ""
                if met in _ANSWERS:
                    status, told = _ANSWERS[met]
                    self.wfile.write(said(status, "application/json", json.dumps(told).encode()))
                    continue
                if met:
                    return
                if behind is None or has_hung_up(behind):
                    behind = lines.enter_context(self.server.connected())
                behind.sendall(head + body)
                self.wfile.write(answered(behind, method))

    def _wait(self) -> bool:
        """Wait until the door is open; return whether the sender is still there."""
        door, is_inside, is_alive = self.server, False, True
        with door.changed:
            while door.is_closed:
                is_alive = not has_hung_up(self.connection)
                if is_alive is not is_inside:
                    is_inside = is_alive
                    door.inside += 1 if is_alive else -1
                    door.changed.notify_all()
                door.changed.wait(0.02)
            if is_inside:
                door.inside -= 1
        return is_alive


class Inside:
    """A closed door."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def wait_until_inside(self, timeout: float) -> bool:
        with self._door.changed:
            return self._door.changed.wait_for(lambda: self._door.inside > 0, timeout)


class OpenSearchHarness:
    """A cluster of its own for every database. A thing is an index behind an alias, a pipeline, or a document."""

    entry_point = "seedbed.engines.opensearch:engine"
    suffix = ".http"
    comment = "#"
    options: Mapping[str, Any] = {"lease_seconds": 4}
    leaves_work = False  # what a killed runner sent last is fenced off

    def __init__(self, servers: Pool, closing: ExitStack, *, is_shared: bool = False) -> None:
        self._servers = servers
        self._closing = closing
        self._is_shared = is_shared
        self._doors: dict[str, Door] = {}

    def settings(self) -> Mapping[str, str]:
        self._closing.close()  # one target at a time: a second cluster would have to start, and to become warm
        settings: Mapping[str, str] = self._closing.enter_context(self._servers.borrowed())
        if self._is_shared:
            settings = self._closing.enter_context(beside_another(settings))
        door = self._closing.enter_context(_open(Door(settings["endpoint"])))
        self._doors[door.endpoint] = door
        return {**settings, "endpoint": door.endpoint}

    def nowhere(self) -> Mapping[str, str]:
        return {"endpoint": "http://127.0.0.1:9"}

    def creates(self, thing: str) -> str:
        return _file(_made(thing), f"DELETE /{thing}-1")

    def adds(self, table: str) -> str:
        return _file(f'POST /{table}/_doc?refresh\n\n{{"name": "one more"}}')

    def removes(self, table: str) -> str:
        everything = f'POST /{table}/_delete_by_query?refresh\n\n{{"query": {{"match_all": {{}}}}}}'
        return _file(f"POST /{table}/_refresh", everything)

    def fails(self, thing: str) -> str:
        return _file(_made(thing).replace('"long"', '"no such type"'))

    def fails_down(self, thing: str) -> str:
        mapping = '{"properties": {"more": {"type": "no such type"}}}'
        return _file(_made(thing), f"PUT /{thing}-1/_mapping\n\n{mapping}")

    def waits(self, thing: str) -> str:
        return _file(_made(thing, KEEP))

    def probeable(self, thing: str, on: str) -> str:
        pipeline = f"/_ingest/pipeline/{thing}\nX-Knock: {KEEP}"
        return _file(
            f'PUT {pipeline}\n\n{{"description": "of {on}", "processors": []}}', f"DELETE {pipeline}"
        )

    def unprovable(self, thing: str) -> str:
        body = '{"script": {"source": "ctx._source.times += 1"}, "upsert": {"times": 1}}'
        return _file(f"POST /things/_update/{thing}?refresh\nX-Knock: {DROP}\n\n{body}")

    def repeatable(self, table: str) -> str:
        request = f'PUT /{table}/_doc/1?refresh\nX-Knock: {KEEP}\n\n{{"id": 1, "name": "again"}}'
        return '# seedbed: repeatable because "it writes the same document"\n' + _file(request)

    def backfill(self, table: str, batch: int) -> str:
        settings = f"# seedbed: index={table} version=2 batch={batch}\n\n\n"
        return f'{settings}def up(doc):\n    doc["visits"] = doc.get("visits", 0) + 1\n    return doc\n'

    def prepares(self, table: str) -> Sequence[str]:
        return [_file(f"PUT /{table}-old")]

    def drops(self, table: str) -> str:
        return _file(f"DELETE /{table}-old")

    def drops_uncounted(self, table: str) -> str:
        return _file("DELETE /_scripts/some")

    def uses(self, settings: Mapping[str, str], table: str) -> None:
        self._ask(settings, "POST", f"/{table}-old/_search")

    def settles(self, settings: Mapping[str, str]) -> None:
        """A search is counted when it is answered."""

    def begins_anew(self, settings: Mapping[str, str], table: str) -> None:
        for verb in ("_close", "_open"):
            self._ask(settings, "POST", f"/{table}-old/{verb}")

    def finds(self, table: str, name: str) -> str:
        return f'GET {table}/_search\n\n{{"query": {{"term": {{"name": "{name}"}}}}}}'

    def counts(self, table: str) -> str:
        return f"GET /{table}/_count"

    def misspells(self, table: str) -> str:
        return f'GET /{table}/_search\n\n{{"query": {{"nothing": {{}}}}}}'

    def writes(self, table: str) -> Sequence[str]:
        return [
            f'POST /{table}/_doc\n\n{{"name": "written"}}',
            f'PUT /{table}/_doc/_search\n\n{{"name": "written"}}',
            f'POST /{table}/_delete_by_query\n\n{{"query": {{"match_all": {{}}}}}}',
            f"DELETE /{table}",
        ]

    def _ask(self, settings: Mapping[str, str], method: str, path: str, body: object = None) -> Any:
        """Ask the cluster itself, not through the door; None where it says that there is no such thing."""
        if prefix := settings.get("prefix"):
            with client_below(self._doors[settings["endpoint"]].behind, prefix) as asked:
                where, _, query = path.partition("?")
                said = asked.ask(method, where, encoded(body), params=dict(parse_qsl(query, True)))
            assert said.status < 300 or said.status == 404, said.data
            return None if said.status == 404 else said.data
        line = HTTPConnection(self._doors[settings["endpoint"]].behind, timeout=60)
        try:
            text = None if body is None else json.dumps(body)
            line.request(method, path, text, {"Content-Type": "application/json"})
            answer = line.getresponse()
            found = json.loads(answer.read() or b"{}")
        finally:
            line.close()
        if answer.status == 404:
            return None
        assert answer.status < 300, found
        return found

    def _documents(self, settings: Mapping[str, str], index: str) -> list[dict[str, Any]]:
        if self._ask(settings, "POST", f"/{index}/_refresh") is None:
            return []
        found = self._ask(settings, "POST", f"/{index}/_search", {"size": 10_000})
        return [each["_source"] | {"_id": each["_id"]} for each in found["hits"]["hits"]]

    def made(self, settings: Mapping[str, str]) -> Collection[str]:
        indexes = self._ask(settings, "GET", "/_all/_alias") or {}
        theirs = {
            name: found["aliases"]
            for name, found in indexes.items()
            if name != "things" and not name.startswith((".", "migrations_history"))
        }
        pipelines = self._ask(settings, "GET", "/_ingest/pipeline") or {}
        things = [each["_id"] for each in self._documents(settings, "things")]
        return [
            *(name for index, found in theirs.items() for name in (found or [index])),
            *pipelines,
            *things,
        ]

    def rows(self, settings: Mapping[str, str], table: str) -> Sequence[Mapping[str, Any]]:
        found = self._documents(settings, table)
        return [{"visits": 0, **{key: each[key] for key in each if key != "_id"}} for each in found]

    def audit(self, settings: Mapping[str, str]) -> Sequence[str]:
        found = self._documents(settings, "migrations_history")
        lines = [each for each in found if each["kind"] == "audit"]
        return [json.dumps(each) for each in sorted(lines, key=lambda each: str(each["key"]))]

    @contextmanager
    def hold(self, settings: Mapping[str, str]) -> Iterator[Inside]:
        door = self._doors[settings["endpoint"]]
        with door.changed:
            door.is_closed = True
        try:
            yield Inside(door)
        finally:
            with door.changed:
                door.is_closed = False
                door.changed.notify_all()

    @contextmanager
    def line(self, settings: Mapping[str, str]) -> Iterator[SilentLine]:
        with silent_line(over_tcp(urlsplit(settings["endpoint"]).port or 0)) as line:
            line.settings = {**settings, "endpoint": f"http://127.0.0.1:{line.port}"}
            yield line

    def break_lease(self, settings: Mapping[str, str]) -> None:
        """Do what another run does that takes it over: raise the token, then move the fence."""
        script = {"source": "ctx._source.token += 1; ctx._source.holder = ''", "lang": "painless"}
        change = "/migrations_history/_update/state?retry_on_conflict=20"
        self._ask(settings, "POST", change, {"script": script})
        standing = self._ask(settings, "GET", "/_alias/migrations_history_lease_*?expand_wildcards=all")
        ((index, found),) = standing.items()
        (fence,) = found["aliases"]
        after = f"migrations_history_lease_999_0_after_{fence.removeprefix('migrations_history_lease_')}"
        actions = [
            {"remove": {"index": index, "alias": fence, "must_exist": True}},
            {"add": {"index": "migrations_history", "alias": after}},
        ]
        self._ask(settings, "POST", "/_aliases", {"actions": actions})

    troubles = ("denied", "expired", "lost")

    @contextmanager
    def trouble(self, settings: Mapping[str, str], kind: str, after: int) -> Iterator[None]:
        door = self._doors[settings["endpoint"]]
        door.trouble = Trouble(kind, after, prefix=settings.get("prefix", ""))
        try:
            yield
        finally:
            door.trouble = None

    @contextmanager
    def reader(self, settings: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        door = self._doors[settings["endpoint"]]
        door.trouble = Trouble("denied", 0, everywhere=True)
        try:
            yield settings
        finally:
            door.trouble = None

    def age_lease(self, settings: Mapping[str, str]) -> None:
        script = {"source": "ctx._source.seconds = 0.0", "lang": "painless"}
        self._ask(
            settings, "POST", "/migrations_history/_update/state?retry_on_conflict=20", {"script": script}
        )

    def age_history(self, settings: Mapping[str, str]) -> None:
        script = {"source": "ctx._source.format += 1", "lang": "painless"}
        self._ask(settings, "POST", "/migrations_history/_update/state?refresh", {"script": script})

    def lose_identity(self, settings: Mapping[str, str]) -> None:
        fields = "for (f in ['platform', 'database', 'environment', 'bound_at']) { ctx._source.remove(f) }"
        script = {"source": fields, "lang": "painless"}
        self._ask(settings, "POST", "/migrations_history/_update/state?refresh", {"script": script})


def _file(up: str, down: str = "") -> str:
    return f"# migrate:up\n{up}\n" + (f"\n# migrate:down\n{down}\n" if down else "")


def _made(thing: str, knock: str = "") -> str:
    header = f"X-Knock: {knock}\n" if knock else ""
    body = f'{{"aliases": {{"{thing}": {{}}}}, "mappings": {{"properties": {COLUMNS}}}}}'
    return f"PUT /{thing}-1\n{header}\n{body}"


def client_below(behind: str, prefix: str) -> AbstractContextManager[client.Client]:
    return beside.client({"endpoint": f"http://{behind}"}, prefix)


@contextmanager
def _open(door: Door) -> Iterator[Door]:
    with door:
        threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True).start()
        yield door
        door.shutdown()


class OpenSearchBench(Bench):
    """A bench whose transformations are programs: this engine has migrations in two languages."""

    def text(self, body: str, *, phase: Phase = Phase.EXPAND) -> Text:
        found = super().text(body, phase=phase)
        return replace(found, suffix=".py") if "def up(" in body else found


class OnCluster:
    @pytest.fixture
    def harness(self, opensearch_servers: Pool) -> Iterator[OpenSearchHarness]:
        with ExitStack() as closing:
            yield OpenSearchHarness(opensearch_servers, closing)

    @pytest.fixture
    def bench(self, harness: Harness) -> Bench:
        return OpenSearchBench(harness)


@pytest.fixture(autouse=True)
def declared(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put indexes.toml where the contract's database has its directory; runners start where we are."""
    home = tmp_path_factory.mktemp("project")
    (home / "contract").mkdir()
    (home / "contract" / "indexes.toml").write_text(INDEXES)
    monkeypatch.chdir(home)


@pytest.fixture(autouse=True)
def _soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a write that an interruption meets, and whose door is closed, be given up soon."""
    monkeypatch.setattr(client, "GRACE", 0.3)


class TestOpenSearch(OnCluster, EngineContract): ...


class TestInTrouble(OnCluster, TroubleContract): ...


class TestFallsSilent(OnCluster, SilenceContract):
    def hurry(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(session, "_FIRST", 0.2)
        patch.setattr(client, "PATIENCE", 0.5)


class TestLeasesExpire(OnCluster, ExpiryContract): ...


class TestResets(OnCluster, ResetContract): ...


class TestUnlocks(OnCluster, UnlockContract): ...


class TestCountsLosses(OnCluster, LossContract): ...


class TestSchema(OnCluster, SchemaContract): ...


class TestLoadsInBulk(OnCluster, BulkLoadContract): ...


class TestReadsIds(OnCluster, IdsContract): ...


class TestHasOneOwner(OnCluster, OneOwnerContract): ...


class TestTellsWhatIsThere(OnCluster, PresenceContract): ...


class TestAnswersQueries(OnCluster, QueryContract): ...


class TestTellsWhatIsUsed(OnCluster, UsageContract): ...


class TestKeepsWhatVerifyFinds(OnCluster, VerifiedContract): ...


class OnSharedCluster(OnCluster):
    """Below a prefix, on a cluster that another environment shares, whose part nothing changes."""

    @pytest.fixture
    def harness(self, opensearch_servers: Pool) -> Iterator[OpenSearchHarness]:
        with ExitStack() as closing:
            yield OpenSearchHarness(opensearch_servers, closing, is_shared=True)


class TestResetsItsPart(OnSharedCluster, ResetContract): ...


class TestUnlocksItsPart(OnSharedCluster, UnlockContract): ...


@pytest.mark.soak
class TestPart(OnSharedCluster, EngineContract): ...


@pytest.mark.soak
class TestPartInTrouble(OnSharedCluster, TroubleContract): ...


@pytest.mark.soak
class TestLeasesOfPartsExpire(OnSharedCluster, ExpiryContract): ...


@pytest.mark.soak
class TestCountsLossesOfItsPart(OnSharedCluster, LossContract): ...


@pytest.mark.soak
class TestSchemaOfItsPart(OnSharedCluster, SchemaContract): ...


@pytest.mark.soak
class TestLoadsInBulkIntoItsPart(OnSharedCluster, BulkLoadContract): ...


@pytest.mark.soak
class TestReadsIdsOfItsPart(OnSharedCluster, IdsContract): ...


@pytest.mark.soak
class TestAsksItsPart(OnSharedCluster, QueryContract): ...


@pytest.mark.soak
@pytest.mark.soak
class TestTellsWhatIsUsedOfItsPart(OnSharedCluster, UsageContract): ...


@pytest.mark.soak
class TestKeepsWhatWasVerifiedOfItsPart(OnSharedCluster, VerifiedContract): ...
