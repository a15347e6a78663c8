"""A thin client of OpenSearch's REST API: retried where that is safe, signed where it has to be, and stoppable."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import convert

from seedbed.engines.kit.touched import Touched
from seedbed.engines.opensearch.prefix.names import Names
from seedbed.engines.opensearch.prefix.translator import Sent, answered, sent
from seedbed.engines.opensearch.rest import Params, query
from seedbed.engines.opensearch.schema.names import HISTORY
from seedbed.engines.opensearch.wire.errors import LineLost, NoAnswer, failed
from seedbed.errors import AccessRefused, SeedbedError, StepFailed
from seedbed.support.typed import UNREADABLE, ready
from seedbed.wire.answers import Answer
from seedbed.wire.connection import Broken, Untrusted
from seedbed.wire.endpoint import encoded as encoded_target
from seedbed.wire.retrying import Policy, retrying
from seedbed.wire.transport import Transport, TransportClient

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud
    from seedbed.engines.opensearch.address import Address

CONNECT_TIMEOUT = 5.0  # seconds
MAX_ATTEMPTS = 8
BASE, CAP = 0.05, 5.0  # seconds; how long a retry waits
# Seconds after which there is no further attempt, twice the time for an answer where that is longer: a server that
# lets everybody in and says nothing is given up then.
PATIENCE = 40.0
GRACE = 1.5  # seconds that a write which is under way may still take when we are interrupted
MAX_IDLE = 32  # connections
_READS = frozenset({"GET", "HEAD"})
# Last segments of what is asked with POST or DELETE, and changes nothing that anybody has written.
_LOOKS = frozenset(
    {"_search", "_msearch", "_count", "_mget", "_refresh", "_flush", "_analyze", "point_in_time", "_cancel"}
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

Before = Callable[[], None]


class Reply(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body decoded, or as text where it is not valid JSON; None where it is empty."""
        if not self.body:
            return None
        try:
            return _decode(self.body)
        except UNREADABLE:
            return self.body.decode("utf-8", "replace")


class Client(TransportClient):
    """Thread-safe; connections are shared among threads, one request each at a time."""

    def __init__(
        self,
        address: Address,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        connect_timeout: float = 0.0,
        read_timeout: float = 0.0,
    ) -> None:
        """Both times in seconds; 0 is the usual one."""
        self.address = address
        connect, read = connect_timeout or CONNECT_TIMEOUT, read_timeout or address.request_timeout
        self.policy = Policy(
            attempts=max_attempts, deadline=max(PATIENCE, 2 * read), base=BASE, cap=CAP, when=_passes
        )
        self._headers = _headers(address)
        self._transport = _transport(address, connect, read)
        self._prefix = self._transport.endpoint.path.rstrip("/")
        self._sign = _signer(address, self._transport.endpoint.authority)
        self._names = Names(address.prefix) if address.prefix else None  # whoever asks has plain ones
        self.touched: Touched | None = None  # counts what is written to anything but seedbed's own

    def sheltered(self, *, max_attempts: int = 3, timeout: float = 0.0) -> Client:
        """Return another client of the same place that this one's `interrupt` does not reach (to keep a lease)."""
        connect, read = self._transport.timeouts
        other = Client(
            self.address,
            max_attempts=max_attempts,
            connect_timeout=min(connect, timeout or connect),
            read_timeout=timeout or read,
        )
        self.attach(other)
        return other

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
        shape: Any = None,
    ) -> Any:
        """Send `body` (anything that is JSON; bytes are NDJSON, or JSON as it is) and return the answer, decoded.

        `idempotent`: whether the request may be sent again when its answer was lost; reads are. `opaque_id` names
        the task that it starts. `timeout` in seconds, where the usual one is not enough. `before` is called before
        every attempt and may raise. The answer is not judged: see `outcome`. `shape`: the type, of `shapes`, that it
        has; what has another one did not come from OpenSearch.
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
        if shape is not None:
            with self.reading(method, path, idempotent=idempotent):
                convert(answer.data, ready(shape))
        return answer.data

    @contextmanager
    def reading(self, method: str, path: str, *, idempotent: bool | None = None) -> Iterator[None]:
        """Say of an answer that cannot be read in the context that it is not OpenSearch's.

        Raises Unreachable; NoAnswer for a write, which whoever answered may have passed on.
        """
        try:
            yield
        except UNREADABLE as error:
            strange = Broken(
                f"what answered {method} {path} is not OpenSearch: {error}", was_sent=True, has_answered=True
            )
            may_repeat = method in _READS if idempotent is None else idempotent
            raise self._lost(f"{method} {path}", strange, may_repeat=may_repeat) from None

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
    ) -> Reply:
        """Send and return the answer whatever its status.

        429 is tried again: nothing was done. 502, 503, 504 and lost answers are where that is harmless.
        On a domain that is shared, names are translated here, and nowhere else.
        Raises NoAnswer, Unreachable, Interrupted; Refused for what may reach beyond the prefix.
        """
        may_repeat = method in _READS if idempotent is None else idempotent
        asked = self._asked(path, body, params, headers)
        target, body = encoded_target(self._prefix + asked.path + query(asked.params)), asked.body
        named = {**self._headers, **asked.headers}
        named.pop("Accept-Encoding", None)  # of a migration's own: answers are read as they come
        if body:
            named["Content-Type"] = "application/x-ndjson" if ndjson else "application/json"

        def signed() -> Mapping[str, str]:
            return self._sign(method, target, named, body) if self._sign else named

        undo: Callable[[], None] | None = None
        if self.touched is not None and _may_change(method, path):
            before, undo = self.touched.before(before)
        for attempt in retrying(self.policy, sleep=self.sleep):
            try:
                answer = self._transport.ask(
                    method,
                    target,
                    signed,
                    body,
                    is_write=method not in _READS,
                    may_repeat=may_repeat,
                    timeout=timeout,
                    before=before,
                )
            except Broken as error:
                if undo and not error.was_sent:
                    undo()
                attempt.failed(self._lost(f"{method} {path}", error, may_repeat=may_repeat))
                continue
            except Untrusted as error:
                raise self._untrusted(error) from None
            if undo and _left_nothing(path, answer):
                undo()
            passes = answer.status == 429 or (may_repeat and answer.status in {502, 503, 504})
            if not passes or attempt.is_last:
                return self._let_in(self._plain(asked, Reply(*answer)))
            attempt.failed(LineLost(f"OpenSearch answered {answer.status}"))
        raise AssertionError("attempts end by an answer or an error")

    def _asked(
        self, path: str, body: bytes, params: Params | None, headers: Mapping[str, str] | None
    ) -> Sent:
        """Return the request as it is sent."""
        if self._names is None:
            return Sent(path, params or {}, headers or {}, body)
        return sent(self._names, path, body, params=params, headers=headers)

    def _plain(self, asked: Sent, answer: Reply) -> Reply:
        """Return the answer as whoever asked reads it."""
        if self._names is None:
            return answer
        return Reply(answer.status, answer.headers, answered(self._names, asked, answer.status, answer.body))

    def _let_in(self, answer: Reply) -> Reply:
        if answer.status in {400, 401, 403} and self._sign and self.address.cloud:
            _require_known(self.address.cloud, answer, f"{self.address.service}:ESHttp")
        if answer.status == 401:
            raise AccessRefused(
                f"{self.address} does not know us",
                because=f"it answered 401 to auth={self.address.auth}",
                try_="check user and password, or the credentials that requests are signed with",
            )
        return answer

    def _lost(self, request: str, error: Broken, *, may_repeat: bool) -> SeedbedError:
        """Return what a broken connection means after the last attempt; NoAnswer where there must be no other."""
        if error.was_sent and not may_repeat:
            return NoAnswer(
                f"it is unknown whether {request} took effect",
                because=f"it was sent to {self.address}, and its answer was lost: {error}",
                try_="run the same command again: it looks first",
            )
        return LineLost(
            f"OpenSearch does not answer at {self.address}",
            because=str(error),
            try_="check the network, HTTPS_PROXY, and OPENSEARCH_ENDPOINT",
        )

    def _untrusted(self, error: Untrusted) -> AccessRefused:
        return AccessRefused(
            f"{self.address} does not prove who it is",
            because=str(error),
            try_="OPENSEARCH_CA names a file with the certificates to trust",
        )


def _may_change(method: str, path: str) -> bool:
    """Return whether a request may change anything but seedbed's own documents."""
    if "/_rollover/" in path:  # of our own alias: a new index of a migration comes of it
        return True
    first, *_, last = path.split("/")[1:] * 2
    return not (method in _READS or last in _LOOKS or first.startswith(HISTORY))


def _left_nothing(path: str, answer: Answer) -> bool:
    """Return whether the cluster says that nothing of a request stays: it refused it, or each item of a `_bulk`."""
    if answer.status >= 300:
        return answer.status < 500
    return path.endswith("_bulk") and b'"status":20' not in answer.body


def _passes(failure: BaseException) -> bool:
    return isinstance(failure, LineLost)


def encoded(body: Any) -> bytes:
    """Return `body` as JSON; bytes as they are. Raises StepFailed for what is not valid JSON."""
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    try:
        return _encode(body)
    except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise StepFailed("what is to be sent is not valid JSON", because=str(error)) from None


def _headers(address: Address) -> dict[str, str]:
    if address.auth != "basic":
        return {}
    password = address.password.reveal() if address.password else ""
    return {"Authorization": f"Basic {base64.b64encode(f'{address.user}:{password}'.encode()).decode()}"}


def _require_known(cloud: Cloud, answer: Reply, action: str) -> None:
    """Raise what AWS itself, in front of the cluster, has against our signature; nothing where it has nothing."""
    from seedbed.aws import faults

    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    said = answer.data
    message = str((said.get("message") or said.get("Message") or "") if isinstance(said, dict) else said)
    date = answer.headers.get("date", "")
    if code and (named := faults.of_code(code, message, cloud, action=action, server_date=date)):
        raise named


_Sign = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]


def _signer(address: Address, host: str) -> _Sign | None:
    """Return what signs a request, where requests are signed."""
    if address.auth != "aws" or address.cloud is None:
        return None
    from seedbed.aws.keys import Chain
    from seedbed.wire.signing import Signer

    signer = Signer(host=host, region=address.cloud.region, service=address.service)
    chain = Chain(address.cloud)

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return signer.signed(method, url, headers, body, chain.keys())

    return sign


def _transport(address: Address, connect: float, read: float) -> Transport:
    try:
        return Transport(
            address.endpoint,
            server="OpenSearch",
            connect=connect,
            read=read,
            grace=GRACE,
            authorities=address.ca,
            max_idle=MAX_IDLE,
        )
    except OSError as error:
        raise AccessRefused(
            f"the authorities to trust for {address} cannot be read",
            because=f"OPENSEARCH_CA: {error}",
            try_="check that it names a file with PEM certificates",
        ) from None
