"""One connection to a server, perhaps through a proxy: made, used, and cut off from another thread."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.errors import AccessRefused, Unreachable
from seedbed.wire.answers import Answer, Answers
from seedbed.wire.endpoint import Endpoint
from seedbed.wire.proxies import Proxy

if TYPE_CHECKING:
    import ssl

_AT_ONCE = 1 << 16  # bytes of a body that are copied behind the head rather than sent by themselves
# An answer that has begun has so many times the wait for a piece, and a second for so many bytes: else it never ended.
_SLOW, _PACE = 4, 10_000
_LOOK = 100  # milliseconds between two looks whether to stop, while a connection is made
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR, errno.EALREADY})
_PASSING = frozenset(
    {408, 429, 500, 502, 503, 504}
)  # a proxy's answers after which another attempt may succeed


class Broken(OSError):
    """The connection ended, or said what is not HTTP.

    `was_sent`: the whole request may have arrived. `has_answered`: some of an answer came.
    """

    def __init__(self, why: str, *, was_sent: bool, has_answered: bool) -> None:
        super().__init__(why)
        self.was_sent = was_sent
        self.has_answered = has_answered


class Untrusted(Exception):
    """The server does not prove who it is."""


class Route(Struct, frozen=True):
    """Where to connect, through what, and what the server has to prove (None: nothing, in the clear)."""

    endpoint: Endpoint
    proxy: Proxy | None = None
    tls: ssl.SSLContext | None = None


class Connection:
    """Used by one thread at a time, which opens it first; `abort` may be called by any."""

    def __init__(self, route: Route, *, connect: float, read: float, longest: int) -> None:
        """`connect`, `read`: seconds to wait at most, the second for an answer's first piece and for each other one.

        All of an answer has a few times `read`, and what its length takes at a slow pace. `longest`: bytes of it.
        """
        self._route = route
        self._connect = connect
        self._timeout = read
        self._longest = longest
        self._socket: socket.socket | None = None
        self._is_aborted = False
        self._is_hurried = False  # the next piece had less time than `read`
        self._began, self._received = 0.0, 0  # of the answer under way, and its bytes
        self.is_open = False
        self.has_served = False

    # making it

    def open(self) -> None:
        """Connect. Raises Broken, Untrusted, and Unreachable where the proxy refuses."""
        try:
            self._open()
        except (OSError, ValueError, EOFError) as error:
            self.close()
            if self._route.tls and is_untrusted(error):
                raise Untrusted(str(error)) from None
            through = f" to the proxy {self._route.proxy}" if self._route.proxy else ""
            raise Broken(
                f"no connection{through}: {in_words(error)}", was_sent=False, has_answered=False
            ) from None
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        end, through = self._route.endpoint, self._route.proxy
        host, port = (through.host, through.port) if through else (end.host, end.port)
        self._use(_connected(host, port, self._connect, self._require_wanted))
        assert self._socket
        self._socket.settimeout(self._connect)
        if through and end.is_tls:
            self._tunnel(self._socket, end, through)
        if self._route.tls:
            self._use(
                self._route.tls.wrap_socket(
                    self._socket, server_hostname=end.host, do_handshake_on_connect=False
                )
            )
            self._socket.do_handshake()  # type: ignore[attr-defined]  # it is TLS's own now
        self._require_wanted()
        self._socket.settimeout(self._timeout)
        self._answers = Answers(self._receive, self._longest)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self.is_open = True

    def _use(self, line: socket.socket) -> None:
        self._socket = line
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def _require_wanted(self) -> None:
        if self._is_aborted:
            raise ConnectionAbortedError("it was asked to stop")

    def _tunnel(self, line: socket.socket, end: Endpoint, through: Proxy) -> None:
        """Let the proxy connect us to the server. Raises Unreachable where it says no for good."""
        name = f"[{end.host}]:{end.port}" if ":" in end.host else f"{end.host}:{end.port}"
        login = f"Proxy-Authorization: {through.login}\r\n" if through.login else ""
        line.sendall(
            f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: seedbed\r\n{login}\r\n".encode()
        )
        status, reason = _tunnelled(Answers(line.recv, self._longest), self._connect)
        if status in _PASSING:
            raise OSError(f"it answered {status} {reason} to CONNECT {name}".replace("  ", " "))
        if not 200 <= status < 300:
            raise refused(through, name, status, reason)

    # using it

    def is_fresh(self) -> bool:
        """Return whether an idle connection still stands: it has nothing to say, and did not end."""
        return self.is_open and not self._answers.left and not self._poll.poll(0)

    def ask(self, method: str, head: bytes, body: bytes, *, timeout: float = 0.0) -> Answer:
        """Send a request and return the answer. Raises Broken, after which the connection is closed."""
        was_sent = False
        answers, line = self._answers, self._socket
        answers.has_heard, self._received = False, 0
        assert line
        try:
            if self._is_hurried or (timeout and timeout != self._timeout):
                self._timeout, self._is_hurried = timeout or self._timeout, False
                line.settimeout(self._timeout)
            try:
                if len(body) <= _AT_ONCE:
                    line.sendall(head + body)
                else:
                    line.sendall(head)
                    line.sendall(body)
            except (BrokenPipeError, ConnectionResetError) as error:
                return self._early(method, error)
            was_sent = True
            answer, is_last = answers.next(method)
        except (OSError, ValueError, EOFError) as error:
            self.close()
            raise Broken(in_words(error), was_sent=was_sent, has_answered=answers.has_heard) from None
        except BaseException:  # Ctrl-C in the middle: what comes next would be the answer to this
            self.close()
            raise
        self.has_served = True
        if is_last:
            self.close()
        return answer

    def _receive(self, size: int) -> bytes:
        """Return what comes next. Raises TimeoutError where nothing does, or so little that it might go on for ever."""
        line = self._socket
        assert line
        if self._received:
            left = self._began + _SLOW * self._timeout + self._received / _PACE - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if left < self._timeout:
                self._is_hurried = True
                line.settimeout(left)
        part = line.recv(size)
        if not self._received:
            self._began = time.monotonic()
        self._received += len(part)
        return part

    def _early(self, method: str, error: OSError) -> Answer:
        """Return what the server said before it hung up on a body that was too long for it; raise `error` otherwise."""
        try:
            answer, _ = self._answers.next(method)
        except (OSError, ValueError, EOFError):
            raise error from None
        self.close()
        return answer

    # ending it

    def abort(self) -> None:
        """End whatever waits on this connection, from any thread."""
        self._is_aborted = True
        self.is_open = False
        if line := self._socket:
            try:
                # Not the TLS socket's own, which forgets its cipher first: a thread that sends went on in the clear.
                socket.socket.shutdown(line, socket.SHUT_RDWR)
            except (OSError, ValueError):  # it is gone already
                return

    def close(self) -> None:
        self.is_open = False
        if self._socket:
            self._socket.close()


def refused(through: Proxy, name: str, status: int, reason: str = "") -> AccessRefused | Unreachable:
    """Return what a proxy's refusal to lead to `name` means."""
    if status == 407:
        try_ = f"{through.variable}=http://user:password@{through}"
        because = "it accepts no such login" if through.login else "it asks for a login, and the URL has none"
        return AccessRefused(
            f"the proxy {through} does not let us through", because=f"407: {because}", try_=try_
        )
    return Unreachable(
        f"the proxy {through} does not connect us to {name}",
        because=f"it answered {status} {reason}".rstrip(),
        try_=f"let it through there, or write the server's name into NO_PROXY; {through.variable} names the proxy",
    )


def is_untrusted(error: BaseException) -> bool:
    from seedbed.wire import tls

    return tls.is_untrusted(error)


def in_words(error: BaseException) -> str:
    """Return what a broken connection's error says."""
    if isinstance(error, TimeoutError):
        return "no answer came in time"
    return str(error) or type(error).__name__


def _tunnelled(answers: Answers, seconds: float) -> tuple[int, str]:
    """Return status and reason of the answer to CONNECT, which has no body where it is a yes."""
    data, end = answers.more(), time.monotonic() + seconds
    while b"\r\n\r\n" not in data:
        if time.monotonic() > end:
            raise TimeoutError
        if len(data) > _AT_ONCE:
            raise ValueError("the head of the proxy's answer never ends")
        data += answers.more()
    first = data.partition(b"\r\n")[0].decode("latin-1")
    version, _, rest = first.partition(" ")
    status, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or not status.isdecimal():
        raise ValueError("the proxy's answer is not HTTP")
    return int(status), reason.strip()


def _connected(host: str, port: int, seconds: float, require_wanted: Callable[[], None]) -> socket.socket:
    """Return a connection to the first address of `host` that answers. Raises OSError, that of the last one."""
    last = OSError(f"{host} has no address")
    for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        line = socket.socket(family, kind, protocol)
        try:
            _reach(line, where, seconds, require_wanted)
        except OSError as error:
            line.close()
            require_wanted()
            last = error
        except BaseException:
            line.close()
            raise
        else:
            return line
    raise last


def _reach(line: socket.socket, where: object, seconds: float, require_wanted: Callable[[], None]) -> None:
    """Connect `line`, looking now and then whether it is still wanted."""
    line.setblocking(False)
    code = line.connect_ex(where)  # type: ignore[arg-type]  # an address as getaddrinfo gave it
    if code in _UNDER_WAY:
        end, poll = time.monotonic() + seconds, select.poll()
        poll.register(line, select.POLLOUT)
        while not poll.poll(_LOOK):
            require_wanted()
            if time.monotonic() >= end:
                raise TimeoutError(f"nothing answered within {seconds:g} s")
        code = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
