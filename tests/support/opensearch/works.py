"""Migrations on a stage: parsed from texts, applied and reverted through a lease."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

from seedbed.engines.opensearch.files.parse import parse
from seedbed.engines.opensearch.store.lease import OpenSearchLease
from seedbed.model.event import Event
from seedbed.model.history import Revision, RevisionState
from seedbed.model.migration import Direction, Migration, MigrationFile, Phase, Source, Work, checksum
from tests.support.opensearch.stage import Stage

VERSION = "20260101000001"


def migration(text: str, version: str = VERSION) -> Migration:
    data = dedent(text).encode()
    path = f"migrations/{version}_some.http"
    return parse(MigrationFile(version, "some", Source(path, ".http", data), checksum(data)))


def run(lease: OpenSearchLease, *migrations: Migration, direction: Direction = Direction.UP) -> list[Event]:
    return list(lease.apply([Work(each, direction) for each in migrations]))


def apply(here: Stage, *migrations: Migration, direction: Direction = Direction.UP) -> list[Event]:
    with here.lease() as lease:
        return run(lease, *migrations, direction=direction)


def revision(here: Stage, version: str = VERSION) -> Revision | None:
    return here.session.history().revision(version)


def begun(text: Migration, *, step: int = 0, checkpoint: str | None = None) -> Revision:
    """Return what a runner that was killed inside `step` leaves."""
    return Revision(
        text.version,
        text.name,
        text.checksum,
        Phase.EXPAND,
        RevisionState.STARTED,
        step=step,
        in_step=True,
        checkpoint=checkpoint,
        owner="ghost",
    )


def indexes(here: Stage) -> set[str]:
    """Return the names of all indexes that are not the server's or seedbed's own."""
    found: dict[str, Any] = here.client.call("GET", "/_all", params={"expand_wildcards": "all"})
    return {each for each in found if not each.startswith((".", "migrations_history"))}


def aliases(here: Stage) -> dict[str, str]:
    """Return the index of each alias that is not seedbed's own."""
    found: dict[str, Any] = here.client.call("GET", "/_all/_alias", params={"expand_wildcards": "all"})
    return {
        alias: index
        for index, each in found.items()
        for alias in each["aliases"]
        if not alias.startswith("migrations_history")
    }


@contextmanager
def killed() -> Iterator[None]:
    """Let a run die here as a process does: nothing of it tidies up but the lease."""
    try:
        yield
    except Killed:
        return
    raise AssertionError("it was not killed")


class Lossy(ThreadingHTTPServer):
    """A proxy before a cluster that passes every request on, and loses the answers to those it is told of.

    `loses`: a part of "METHOD /path", with plain names -> how many answers.
    """

    daemon_threads = True

    def __init__(self, endpoint: str, loses: Mapping[str, int], prefix: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.behind = urlsplit(endpoint).netloc
        self._prefix = prefix
        self.loses = dict(loses)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def is_lost(self, request: str) -> bool:
        request = request.replace(self._prefix, "")
        found = next((each for each, left in self.loses.items() if left and each in request), None)
        if found:
            self.loses[found] -= 1
        return found is not None


class _Passage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Lossy
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = HTTPConnection(self.server.behind, timeout=60)
        server.request(self.command, self.path, body, dict(self.headers))
        answer = server.getresponse()
        text = answer.read()
        server.close()
        if self.server.is_lost(f"{self.command} {self.path}"):
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _pass


@contextmanager
def lossy(settings: Mapping[str, str], loses: Mapping[str, int]) -> Iterator[Mapping[str, str]]:
    """Yield the settings of the same cluster behind a `Lossy`."""
    with Lossy(settings["endpoint"], loses, settings.get("prefix", "")) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        yield {**settings, "endpoint": proxy.endpoint}
        proxy.shutdown()
        assert not any(proxy.loses.values()), f"not all of it was asked for: {proxy.loses}"


class Killed(BaseException):
    """The process is gone."""
