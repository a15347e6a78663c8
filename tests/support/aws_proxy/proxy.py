"""The proxy itself: a thread for each connection of a client, each with a connection of its own to the server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.support.aws_proxy import faults
from tests.support.aws_proxy.calls import KEPT_BYTES, KEPT_CALLS, Call, consumed, recognised
from tests.support.aws_proxy.http import Closed, Request, Response, Wire
from tests.support.aws_proxy.rules import (
    Answer,
    Delay,
    Drop,
    Dropped,
    Held,
    Match,
    Passage,
    Rewrite,
    Rule,
    Unprocess,
    When,
    throttling,
)

CONNECT_SECONDS = 30.0

AnyRule = TypeVar("AnyRule", bound=Rule)


class Proxy:
    """See the package. `endpoint` is for clients; `upstream` is the server's, untouched by any rule."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        where = urlsplit(upstream)
        self._server = (where.hostname or "127.0.0.1", where.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._rules: list[Rule] = []
        self._served: list[Answer] = []
        self._calls: list[Call] = []
        self._wires: set[Wire] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name="aws-proxy", daemon=True)
        self._acceptor.start()

    # --- what happened

    @property
    def calls(self) -> Sequence[Call]:
        """All calls whose fate is decided, in that order; of very many, the older ones without what they said."""
        return tuple(self._calls)

    def of(self, match: Match) -> Sequence[Call]:
        """Return the calls that fit."""
        fits = Rule(match).match
        return [each for each in self.calls if fits(each)]

    def forget(self) -> None:
        """Begin a new list of calls."""
        self._calls = []

    # --- what shall happen

    def add(self, rule: AnyRule) -> AnyRule:
        """Apply a rule of any kind, after those that there are."""
        self._rules = [each for each in self._rules if each.active] + [rule]
        return rule

    def hold(self, match: Match, *, when: When = "asked", times: int | None = None) -> Held:
        """Stop calls before the server is asked, or their answers when it has answered."""
        return self.add(Held(match, when, times))

    def throttle(self, match: Match, *, times: int | None = None, share: float = 1.0, code: str = "") -> Rule:
        """Refuse calls as one too many, by default with the code that is usual for the service."""
        return self.add(Answer(match, throttling(code), times, share))

    def refuse(
        self,
        match: Match,
        code: str,
        message: str = "",
        *,
        status: int = 400,
        times: int | None = None,
        **more: Any,
    ) -> Rule:
        """Refuse calls with an error of AWS; `more` are further fields of its JSON, such as CancellationReasons."""
        return self.answer(match, lambda call: faults.fault(call, code, message, status, **more), times=times)

    def answer(self, match: Match, answer: Callable[[Call], Response], *, times: int | None = None) -> Rule:
        """Answer calls instead of the server."""
        return self.add(Answer(match, answer, times, 1.0))

    def serve(self, match: Match, answer: Callable[[Call], Response]) -> Rule:
        """Stand in for the server behind all rules: what they do to its answers, they do to these."""
        served = Answer(match, answer, None, 1.0)
        self._served = [*(each for each in self._served if each.active), served]
        return served

    def expire(self, match: Match = "", *, times: int | None = None) -> Rule:
        """Treat credentials as expired, for `times` calls or from now on."""
        return self.add(Answer(match, faults.expired, times, 1.0))

    def unprocess(self, count: int, *, times: int | None = None, share: float = 1.0) -> Rule:
        """Give the last `count` writes of each BatchWriteItem back as unprocessed."""
        return self.add(Unprocess(count, times, share))

    def drop(self, match: Match, *, when: When = "asked", times: int | None = 1) -> Rule:
        """Hang up, before the server was asked or when it has answered."""
        return self.add(Drop(match, when, times))

    def delay(self, match: Match, seconds: float, *, times: int | None = None) -> Rule:
        """Let the server be asked only after `seconds`."""
        return self.add(Delay(match, seconds, times))

    def unreachable(self, service: str) -> Rule:
        """Hang up on everything that a service is asked."""
        return self.add(Drop(lambda call: call.service == service, "asked", None))

    def rewrite(
        self, match: Match, change: Callable[[Call, Response], Response], *, times: int | None = None
    ) -> Rule:
        """Change what the server answers."""
        return self.add(Rewrite(match, change, times))

    # --- how

    def clear(self) -> None:
        """Let everything through again, what is held as well."""
        for rule in self._rules:
            rule.release() if isinstance(rule, Held) else rule.remove()

    def close(self) -> None:
        """Hang up on everybody, and end all threads."""
        self.clear()
        listening = Wire(self._listener)
        listening.abort()
        self._acceptor.join()
        listening.close()
        with self._lock:
            for wire in self._wires:
                wire.abort()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="aws-proxy", daemon=True)
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with self._wire(connection) as client, self._connection() as server:
            try:
                while self._one(client, server):
                    pass
            except (Closed, Dropped):
                pass

    def _one(self, client: Wire, server: Connection) -> bool:
        """Carry one call there and back, and return whether the client may ask for more."""
        request = client.request()
        call = recognised(request)
        try:
            response = self._through(self._rules, call, client, server, request)
            call.status = response.status
            call.answer = response.body if len(response.body) <= KEPT_BYTES else b""
        finally:  # before the client knows: it would look for the call at once
            call.seconds = time.monotonic() - call.at
            self._calls.append(call)
            if len(self._calls) > KEPT_CALLS:
                self._calls[-KEPT_CALLS - 1].lighten()
        client.send(response.encoded())
        return request.headers.get("connection", "").lower() != "close"

    def _through(
        self, rules: Sequence[Rule], call: Call, client: Wire, server: Connection, request: Request
    ) -> Response:
        """Lead a call through the rules that are left, and then to the server. Raises Dropped, Closed."""
        for number, rule in enumerate(rules, 1):
            if rule.applies(call):

                def onward(changed: Request, left: Sequence[Rule] = rules[number:]) -> Response:
                    return self._through(left, call, client, server, changed)

                return rule.act(Passage(call, client.peer_is_gone, onward, server.ask))
        return self._forward(call, server, request)

    def _forward(self, call: Call, server: Connection, request: Request) -> Response:
        call.forwarded = True
        for each in self._served:
            if each.applies(call):
                return each.answer(call)
        response = server.ask(request)
        if call.service == "dynamodb":
            call.units += consumed(response)
        return response

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        connection = Connection(self._server, self._wire)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _wire(self, connection: socket.socket) -> Iterator[Wire]:
        wire = Wire(connection)
        with self._lock:
            self._wires.add(wire)
        try:
            yield wire
        finally:
            with self._lock:
                self._wires.discard(wire)
            wire.close()


class Connection:
    """The way to the server, opened when it is needed and kept."""

    def __init__(
        self, server: tuple[str, int], wire: Callable[[socket.socket], AbstractContextManager[Wire]]
    ) -> None:
        self._server = server
        self._opened = wire
        self._stack = ExitStack()
        self._wire: Wire | None = None

    def ask(self, request: Request) -> Response:
        """Return what the server answers. Raises Closed where it does not: nothing is ever sent twice."""
        if self._wire is None or self._wire.peer_is_gone():
            self.close()
            try:
                connection = socket.create_connection(self._server, CONNECT_SECONDS)
            except OSError as error:
                raise Closed from error
            self._wire = self._stack.enter_context(self._opened(connection))
        self._wire.send(request.encoded())
        response = self._wire.response(request.method)
        if response.headers.get("connection", "").lower() == "close":
            self.close()
        return response

    def close(self) -> None:
        self._stack.close()
        self._wire = None


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """Run a proxy in front of the server at the URL `upstream`."""
    found = Proxy(upstream)
    try:
        yield found
    finally:
        found.close()
