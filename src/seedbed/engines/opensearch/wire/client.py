"""A thin client of OpenSearch's REST API: retried where that is safe, signed where it has to be, and stoppable."""

from __future__ import annotations

import base64
import random
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from seedbed.engines.opensearch.rest import Params, query
from seedbed.engines.opensearch.wire.errors import NoAnswer, failed
from seedbed.errors import Interrupted, StepFailed, Unreachable
from seedbed.support.backoff import backoff

if TYPE_CHECKING:
    import urllib3

    from seedbed.aws.cloud import Cloud
    from seedbed.engines.opensearch.address import Address

CONNECT_TIMEOUT = 5.0  # seconds
MAX_ATTEMPTS = 8
BASE, CAP = 0.05, 5.0  # seconds; how long a retry waits
GRACE = 1.5  # seconds that a write which is under way may still take when we are interrupted
MAX_IDLE = 32  # connections
_READS = frozenset({"GET", "HEAD"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

Before = Callable[[], None]


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body decoded, or as text where it is no JSON; None where it is empty."""
        if not self.body:
            return None
        try:
            return _decode(self.body)
        except msgspec.DecodeError:
            return self.body.decode("utf-8", "replace")


class Client:
    """Thread-safe; connections are shared among threads, one request each at a time."""

    def __init__(
        self,
        address: Address,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = 0.0,
        rng: random.Random | None = None,
    ) -> None:
        self.address = address
        self._attempts = max_attempts
        self._rng = rng or random.Random()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._busy: dict[Any, bool] = {}  # connections under way, and whether they write
        self._timeouts = (connect_timeout, read_timeout or address.request_timeout)
        self._prefix = urlsplit(address.endpoint).path
        self._headers = _headers(address)
        self._sign = _signer(address)
        self._pool = _pool(address, self)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is idle; calls under way end by themselves."""
        self._pool.close()

    def sheltered(self, *, max_attempts: int = 3, timeout: float = 0.0) -> Client:
        """Return another client of the same place that this one's `interrupt` does not reach (to keep a lease)."""
        connect, read = self._timeouts
        return Client(
            self.address,
            max_attempts=max_attempts,
            connect_timeout=min(connect, timeout or connect),
            read_timeout=timeout or read,
        )

    @property
    def is_interrupted(self) -> bool:
        return self._stopped.is_set()

    def interrupt(self) -> None:
        """Make every call raise Interrupted, those under way and those that wait for a retry, from any thread.

        A read is cut off at once; a write that was sent has a moment to be answered, so that it is known whether
        it took effect.
        """
        self._stopped.set()
        self._abort(writes=False)
        with self._lock:
            is_writing = any(self._busy.values())
        if is_writing:
            timer = threading.Timer(GRACE, self._abort)
            timer.daemon = True
            timer.start()

    def sleep(self, seconds: float) -> None:
        """Sleep, unless interrupted. Raises Interrupted."""
        if self._stopped.wait(max(seconds, 0.0)):
            raise _interrupted()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        opaque_id: str = "",
        idempotent: bool | None = None,
        timeout: float = 0.0,
        before: Before | None = None,
    ) -> Any:
        """Send `body` (anything that is JSON; bytes are NDJSON, or JSON as it is) and return the answer, decoded.

        `idempotent`: whether the request may be sent again when its answer was lost; reads are. `opaque_id` names
        the task that it starts. `timeout` in seconds, where the usual one is not enough. `before` is called before
        every attempt and may raise. The answer is not judged: see `outcome`.
        Raises RequestFailed, NoAnswer where the outcome is open, Unreachable, Interrupted.
        """
        ndjson = isinstance(body, bytes)
        own = dict(headers or {})
        if opaque_id:
            own["X-Opaque-Id"] = opaque_id
        answer = self.ask(
            method,
            path,
            encoded(body),
            params=params,
            headers=own,
            ndjson=ndjson,
            idempotent=idempotent,
            timeout=timeout,
            before=before,
        )
        if answer.status >= 300:
            raise failed(answer.status, answer.data, f"{method} {path}")
        return answer.data

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        params: Params | None = None,
        ndjson: bool = False,
        idempotent: bool | None = None,
        before: Before | None = None,
    ) -> bytes:
        """Do as `call` does, with a body that is bytes already, and return the answer's body, undecoded."""
        answer = self.ask(
            method, path, body, params=params, ndjson=ndjson, idempotent=idempotent, before=before
        )
        if answer.status >= 300:
            raise failed(answer.status, answer.data, f"{method} {path}")
        return answer.body

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        ndjson: bool = False,
        idempotent: bool | None = None,
        timeout: float = 0.0,
        before: Before | None = None,
    ) -> Answer:
        """Send and return the answer whatever its status.

        429 is tried again: nothing was done. 502, 503, 504 and lost answers are where that is harmless.
        Raises NoAnswer, Unreachable, Interrupted.
        """
        may_repeat = method in _READS if idempotent is None else idempotent
        url, sent = self._prefix + path + query(params), {**self._headers, **(headers or {})}
        if body:
            sent["Content-Type"] = "application/x-ndjson" if ndjson else "application/json"
        attempt = 0
        while True:
            attempt += 1
            if self._stopped.is_set():
                raise _interrupted()
            if before:
                before()
            try:
                answer = self._once(method, url, body, sent, timeout)
            except _Broken as error:
                self._require_another_attempt(
                    f"{method} {path}", error, may_repeat=may_repeat, attempt=attempt
                )
            else:
                passes = answer.status == 429 or (may_repeat and answer.status in {502, 503, 504})
                if not passes or attempt >= self._attempts:
                    return self._let_in(answer)
            with self._lock:
                delay = backoff(attempt, base=BASE, cap=CAP, rng=self._rng)
            self.sleep(delay)

    # one attempt

    def _once(self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        from urllib3 import Timeout
        from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

        connect, read = self._timeouts
        sent = self._sign(method, url, headers, body) if self._sign else headers
        try:
            answer = self._pool.urlopen(
                method,
                url,
                body=body or None,
                headers=sent,
                retries=False,
                redirect=False,
                timeout=Timeout(connect=connect, read=timeout or read),
            )
        except (ConnectTimeoutError, NewConnectionError) as error:
            raise _Broken(str(error).rpartition("): ")[2], was_sent=False) from None
        except SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Unreachable(
                    f"{self.address} does not prove who it is",
                    because=str(error),
                    try_="OPENSEARCH_CA names a file with the certificates to trust",
                ) from None
            raise _Broken(str(error), was_sent=True) from None
        except (HTTPError, OSError) as error:
            raise _Broken(f"{type(error).__name__}: {error}", was_sent=True) from None
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, found, answer.data)

    def _let_in(self, answer: Answer) -> Answer:
        if answer.status in {400, 401, 403} and self._sign and self.address.cloud:
            _require_known(self.address.cloud, answer, f"{self.address.service}:ESHttp")
        if answer.status == 401:
            raise Unreachable(
                f"{self.address} does not know us",
                because=f"it answered 401 to auth={self.address.auth}",
                try_="check user and password, or the credentials that requests are signed with",
            )
        return answer

    def _require_another_attempt(
        self, request: str, error: _Broken, *, may_repeat: bool, attempt: int
    ) -> None:
        """Return where the request may be sent once more; raise what its loss means otherwise."""
        if self._stopped.is_set() and (may_repeat or not error.was_sent):
            raise _interrupted()
        if error.was_sent and not may_repeat:
            raise NoAnswer(
                f"nobody knows whether {request} took effect",
                because=f"it was sent to {self.address}, and its answer was lost: {error}",
                try_="run the same command again: it looks first",
            )
        if attempt >= self._attempts:
            raise Unreachable(
                f"OpenSearch does not answer at {self.address}",
                because=str(error),
                try_="check the network, and OPENSEARCH_ENDPOINT",
            )

    # interruption

    def enters(self, connection: Any, *, is_write: bool) -> None:
        """Note that a request is under way on `connection`. Raises Interrupted."""
        with self._lock:
            if self._stopped.is_set():
                raise _interrupted()
            self._busy[connection] = is_write

    def leaves(self, connection: Any) -> None:
        with self._lock:
            self._busy.pop(connection, None)

    def _abort(self, *, writes: bool = True) -> None:
        with self._lock:
            for connection, is_write in self._busy.items():
                if (writes or not is_write) and (line := getattr(connection, "sock", None)):
                    with suppress(OSError):
                        line.shutdown(socket.SHUT_RDWR)


class _Broken(Exception):
    """A connection failed; `was_sent`: the server may have got the request."""

    def __init__(self, why: str, *, was_sent: bool) -> None:
        super().__init__(why)
        self.was_sent = was_sent


def encoded(body: Any) -> bytes:
    """Return `body` as JSON; bytes as they are. Raises StepFailed for what is no JSON."""
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    try:
        return _encode(body)
    except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise StepFailed("what is to be sent is no JSON", because=str(error)) from None


def _headers(address: Address) -> dict[str, str]:
    headers = {"User-Agent": "seedbed", "Accept-Encoding": "identity"}
    if address.auth == "basic":
        password = address.password.reveal() if address.password else ""
        login = base64.b64encode(f"{address.user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    return headers


def _require_known(cloud: Cloud, answer: Answer, action: str) -> None:
    """Raise what AWS itself, in front of the cluster, has against our signature; nothing where it has nothing."""
    from seedbed.aws import faults

    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    said = answer.data
    message = str((said.get("message") or said.get("Message") or "") if isinstance(said, dict) else said)
    date = answer.headers.get("date", "")
    if code and (named := faults.of_code(code, message, cloud, action=action, server_date=date)):
        raise named


_Sign = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]


def _signer(address: Address) -> _Sign | None:
    """Return what signs a request, where requests are signed."""
    if address.auth != "aws" or address.cloud is None:
        return None
    from seedbed.aws.keys import Chain
    from seedbed.wire.signing import Signer

    host = urlsplit(address.endpoint).netloc
    signer = Signer(host=host, region=address.cloud.region, service=address.service)
    chain = Chain(address.cloud)

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return signer.signed(method, url, headers, body, chain.keys())

    return sign


def _pool(address: Address, client: Client) -> urllib3.HTTPConnectionPool:
    """Return a pool whose connections tell `client` when a request is under way on them."""
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Plain(HTTPConnection):
        def request(self, method: str, *args: Any, **named: Any) -> None:
            client.enters(self, is_write=method not in _READS)
            super().request(method, *args, **named)

        def getresponse(self) -> Any:
            try:
                return super().getresponse()
            finally:
                client.leaves(self)

        def close(self) -> None:
            client.leaves(self)
            super().close()

    class Tls(HTTPSConnection):
        def request(self, method: str, *args: Any, **named: Any) -> None:
            client.enters(self, is_write=method not in _READS)
            super().request(method, *args, **named)

        def getresponse(self) -> Any:
            try:
                return super().getresponse()
            finally:
                client.leaves(self)

        def close(self) -> None:
            client.leaves(self)
            super().close()

    parts = urlsplit(address.endpoint)
    host = parts.hostname or ""
    if parts.scheme == "http":
        plain = urllib3.HTTPConnectionPool(host, parts.port or 80, maxsize=MAX_IDLE)
        plain.ConnectionCls = Plain
        return plain
    tls = urllib3.HTTPSConnectionPool(
        host, parts.port or 443, maxsize=MAX_IDLE, cert_reqs="CERT_REQUIRED", ca_certs=address.ca or None
    )
    tls.ConnectionCls = Tls
    return tls


def _interrupted() -> Interrupted:
    return Interrupted("a request to OpenSearch was interrupted", because="it was asked to stop")
