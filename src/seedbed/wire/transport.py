"""Requests to one server: connections that are kept, shared among threads, and stopped from another one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Self
from weakref import WeakSet

from seedbed.errors import Interrupted, UsageError
from seedbed.wire import proxies, tls
from seedbed.wire.answers import Answer
from seedbed.wire.connection import Broken, Connection, Route, refused
from seedbed.wire.endpoint import Endpoint, endpoint

_OLD = 50.0  # seconds; servers close idle connections after a minute or so
_OWN = "Accept-Encoding: identity\r\n"  # no answer is decompressed

Before = Callable[[], None]


class Transport:
    """Thread-safe; connections are shared among threads, one request each at a time."""

    def __init__(
        self,
        url: str,
        *,
        server: str,
        connect: float,
        read: float,
        grace: float,
        authorities: str = "",
        max_idle: int = 64,
        longest: int = 1 << 30,
        check: Callable[[Answer], None] | None = None,
    ) -> None:
        """`server` names it in messages. `connect`, `read`: seconds to wait, the second for each piece of an answer.

        `grace`: seconds that a write under way may still take once we are interrupted. `authorities`: a file, where
        not the system's own are to be trusted. `longest`: bytes of an answer. `check` may raise ValueError for an
        answer that is not as it was sent. Raises UsageError for a proxy that cannot be used, OSError for authorities
        that cannot be read.
        """
        self.endpoint: Endpoint = endpoint(url)
        self.server = server
        self.timeouts = (connect, read)
        self._grace = grace
        self._max_idle = max_idle
        self._longest = longest
        self._check = check
        self._proxy = proxies.proxy(self.endpoint)
        self._route = Route(
            self.endpoint, self._proxy, tls.context(authorities) if self.endpoint.is_tls else None
        )
        is_relayed = self._proxy is not None and not self.endpoint.is_tls
        self._absolute = f"http://{self.endpoint.authority}" if is_relayed else ""
        login = self._proxy.login if self._proxy and is_relayed else ""
        self._own = f"{_OWN}Proxy-Authorization: {login}\r\n" if login else _OWN
        self._idle: deque[tuple[Connection, float]] = deque()
        self._busy: dict[Connection, bool] = {}  # whether a write is under way on it
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._attached: WeakSet[Transport] = WeakSet()

    def close(self) -> None:
        """Close what is idle; requests under way end by themselves."""
        while self._idle:
            self._idle.pop()[0].close()

    # being stopped

    @property
    def is_interrupted(self) -> bool:
        return self._stopped.is_set()

    def interrupt(self) -> None:
        """Make every request raise Interrupted, those under way and those that wait for a retry, from any thread.

        A read is cut off at once, and so is what has not been sent yet; a write that was sent has a few seconds to be
        answered, so that it is known whether it took effect.
        """
        self._stopped.set()
        with self._lock:
            for connection, is_write in self._busy.items():
                if not is_write:
                    connection.abort()
            writes = any(self._busy.values())
        if writes:
            timer = threading.Timer(self._grace, self._abort)
            timer.daemon = True
            timer.start()

    def attach(self, other: Transport) -> None:
        """Let `abandon` reach `other` as well, which `interrupt` does not."""
        self._attached.add(other)

    def abandon(self) -> None:
        """Cut off every request under way, whatever it is, and let none begin; from any thread."""
        for each in (self, *self._attached):
            each._stopped.set()
            each._abort()

    def sleep(self, seconds: float) -> None:
        """Sleep, unless interrupted. Raises Interrupted."""
        if self._stopped.wait(max(seconds, 0.0)):
            raise self.interrupted()

    def interrupted(self) -> Interrupted:
        return Interrupted(f"a request to {self.server} was interrupted", because="it was asked to stop")

    # asking

    def ask(
        self,
        method: str,
        target: str,
        headers: Callable[[], Mapping[str, str]],
        body: bytes = b"",
        *,
        is_write: bool,
        may_repeat: bool,
        timeout: float = 0.0,
        before: Before | None = None,
    ) -> Answer:
        """Send once and return the answer, whatever its status.

        `target`: path and query, encoded. `headers` is called when the request is about to be sent, `before` after it,
        and either may raise. `may_repeat`: it does no harm to send it twice.

        A connection that the server closed while it was idle is found out only by using it: then, and only if it
        answered nothing, the request is sent once more on a new one.
        Raises Broken, Untrusted, Interrupted, Unreachable (a proxy's refusal), UsageError for a head that no request
        can have.
        """
        if self._stopped.is_set():
            raise self.interrupted()

        def on(connection: Connection) -> Answer:
            return self._on(
                connection, method, target, headers, body, is_write=is_write, timeout=timeout, before=before
            )

        connection = self._connection()
        try:
            try:
                return on(connection)
            except Broken as error:
                is_stale = connection.has_served and not error.has_answered
                if self._stopped.is_set() or not is_stale or (error.was_sent and not may_repeat):
                    raise
            return on(self._new())
        except Broken as error:
            if self._stopped.is_set() and (may_repeat or not error.was_sent):
                raise self.interrupted() from None
            raise

    def _on(
        self,
        connection: Connection,
        method: str,
        target: str,
        headers: Callable[[], Mapping[str, str]],
        body: bytes,
        *,
        is_write: bool,
        timeout: float,
        before: Before | None,
    ) -> Answer:
        try:
            if not connection.is_open:
                self._mark(connection, is_write=False)
                connection.open()
            head = self._head(method, target, headers(), body)
            if before:
                before()
            self._mark(connection, is_write=is_write)
            answer = connection.ask(method, head, body, timeout=timeout or self.timeouts[1])
            self._require_whole(answer)
        except BaseException:
            connection.close()
            raise
        finally:
            with self._lock:
                self._busy.pop(connection, None)
        if self._absolute and self._proxy and answer.status == 407:
            connection.close()
            raise refused(self._proxy, self.endpoint.authority, 407)
        if connection.is_open and len(self._idle) < self._max_idle:
            self._idle.append((connection, time.monotonic()))
        else:  # an interruption may have ended it after its answer came
            connection.close()
        return answer

    def _require_whole(self, answer: Answer) -> None:
        if self._check:
            try:
                self._check(answer)
            except ValueError as error:
                raise Broken(str(error), was_sent=True, has_answered=True) from None

    def _head(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the head of a request, up to and with the empty line. Raises UsageError for what none can carry."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or not lines.isascii():
            raise UsageError(
                "a request has a header that cannot be sent",
                because="headers have neither line ends nor anything that is not ASCII",
                try_="correct its value",
            )
        if not target.isascii() or not target.isprintable() or " " in target:
            raise UsageError("a request has a path that cannot be sent", because="it has blanks or line ends")
        host = "" if "Host" in headers else f"Host: {self.endpoint.authority}\r\n"
        agent = "" if "User-Agent" in headers else "User-Agent: seedbed\r\n"
        length = f"Content-Length: {len(body)}\r\n" if body or method not in _BODILESS else ""
        return f"{method} {self._absolute}{target} HTTP/1.1\r\n{host}{lines}{agent}{self._own}{length}\r\n".encode()

    def _mark(self, connection: Connection, *, is_write: bool) -> None:
        """Note what is under way on `connection`. Raises Interrupted."""
        with self._lock:
            if self._stopped.is_set():
                raise self.interrupted()
            self._busy[connection] = is_write

    def _connection(self) -> Connection:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if time.monotonic() - since < _OLD and connection.is_fresh():
                return connection
            connection.close()
        return self._new()

    def _new(self) -> Connection:
        connect, read = self.timeouts
        return Connection(self._route, connect=connect, read=read, longest=self._longest)

    def _abort(self) -> None:
        with self._lock:
            for connection in self._busy:
                connection.abort()


class TransportClient:
    """What every client of one server can do besides its requests: all of it is its transport's."""

    _transport: Transport

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is idle; calls under way end by themselves."""
        self._transport.close()

    @property
    def is_interrupted(self) -> bool:
        return self._transport.is_interrupted

    def interrupt(self) -> None:
        """Make every call raise Interrupted, as `Transport.interrupt` does; a write under way has its grace."""
        self._transport.interrupt()

    def attach(self, other: TransportClient) -> None:
        """Let `abandon` reach `other` as well, which `interrupt` does not."""
        self._transport.attach(other._transport)

    def abandon(self) -> None:
        """Cut off every call under way; whether a write took effect is unknown then."""
        self._transport.abandon()

    def sleep(self, seconds: float) -> None:
        """Sleep, unless interrupted. Raises Interrupted."""
        self._transport.sleep(seconds)


_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})  # without a body, they say no length
