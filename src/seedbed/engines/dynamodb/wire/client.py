"""A thin client of DynamoDB's JSON protocol: signed, retried, counted, and stoppable from another thread."""

from __future__ import annotations

import os
import random
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from seedbed.aws import faults
from seedbed.aws.keys import Chain
from seedbed.engines.dynamodb.wire import http
from seedbed.engines.dynamodb.wire.errors import (
    CONFLICTS,
    PASSING_REASONS,
    SERVER_SIDE,
    THROTTLES,
    TRANSACTION_CANCELED,
    NoAnswer,
    ServiceError,
)
from seedbed.engines.dynamodb.wire.signing import Signer
from seedbed.engines.dynamodb.wire.values import Unfit
from seedbed.errors import Interrupted, SeedbedError, Unreachable
from seedbed.support.backoff import backoff
from seedbed.wire.signing import Keys

if TYPE_CHECKING:
    import ssl

    from seedbed.aws.cloud import Cloud

VERSION = "DynamoDB_20120810"
CONNECT_TIMEOUT = 5.0  # seconds
READ_TIMEOUT = 30.0  # seconds, for each piece of an answer
MAX_ATTEMPTS = 10
BASE, CAP = 0.05, 10.0  # seconds; how long a retry waits
GRACE = 3.0  # seconds that a write which is under way may still take when we are interrupted
MAX_IDLE = 64  # connections
_OLD = 50.0  # seconds; servers close idle connections after a minute or so

_encoder = msgspec.json.Encoder()
_decode = msgspec.json.Decoder().decode

OnThrottle = Callable[[], None]
Before = Callable[[], None]


class Client:
    """Thread-safe; connections are shared among threads, one call each at a time.

    `on_throttle` is told of every throttled attempt, whoever made it. `rng` spreads the retries.
    """

    def __init__(
        self,
        cloud: Cloud,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        on_throttle: OnThrottle | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        rng: random.Random | None = None,
    ) -> None:
        self.cloud = cloud
        self.throttles = 0  # attempts that were throttled so far
        self._attempts = max_attempts
        self._on_throttle = on_throttle
        self._timeouts = (connect_timeout, read_timeout)
        self._rng = rng or random.Random()
        self._chain = Chain(cloud)
        self._place = http.place(cloud.endpoint or endpoint(cloud.region))
        self._signer = Signer(
            host=self._place.authority,
            path=self._place.path,
            region=cloud.region,
            service="dynamodb",
            target=VERSION,
        )
        self._tls = _tls() if self._place.is_tls else None
        self._idle: deque[tuple[http.Connection, float]] = deque()
        self._busy: dict[http.Connection, bool] = {}  # whether a write is under way on it
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is idle; calls under way end by themselves."""
        while self._idle:
            self._idle.pop()[0].close()

    def interrupt(self) -> None:
        """Make every call raise Interrupted, those under way and those that wait for a retry, from any thread.

        A read is cut off at once; a write that was sent has a few seconds to be answered, so that it is known
        whether it took effect.
        """
        self._stopped.set()
        with self._lock:
            for connection, is_write in self._busy.items():
                if not is_write:
                    connection.abort()
            writes = any(self._busy.values())
        if writes:
            timer = threading.Timer(GRACE, self._abort)
            timer.daemon = True
            timer.start()

    @property
    def is_interrupted(self) -> bool:
        return self._stopped.is_set()

    def sheltered(self) -> Client:
        """Return another client of the same place that this one's `interrupt` does not reach (to release a lease)."""
        connect, read = self._timeouts
        return Client(
            self.cloud,
            max_attempts=self._attempts,
            on_throttle=self._on_throttle,
            connect_timeout=connect,
            read_timeout=read,
        )

    def sleep(self, seconds: float) -> None:
        """Sleep, unless interrupted. Raises Interrupted."""
        if self._stopped.wait(max(seconds, 0.0)):
            raise _interrupted()

    def call(
        self,
        operation: str,
        body: Mapping[str, Any],
        *,
        idempotent: bool = True,
        on_throttle: OnThrottle | None = None,
        before: Before | None = None,
    ) -> dict[str, Any]:
        """Call `operation` ("PutItem") and return its answer.

        What passes is retried: throttles, conflicts with other transactions, failures of the server or the line.
        `idempotent=False`: a call whose answer was lost is not sent again. A conditional write that is sent again
        may find its own work and fail its condition. `before` is called before every attempt, retries included, and
        may raise to keep it from being sent (a lease that was lost while we waited).
        Raises ServiceError; NoAnswer where the outcome is open; Unreachable, Interrupted, and what `faults` name.
        """
        try:
            encoded = _encoder.encode(body)
        except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
            raise Unfit(f"what {operation} is to send is no JSON", because=str(error)) from None
        answer = self.post(operation, encoded, idempotent=idempotent, on_throttle=on_throttle, before=before)
        found: dict[str, Any] = _decode(answer)
        return found

    def post(
        self,
        operation: str,
        body: bytes,
        *,
        idempotent: bool = True,
        on_throttle: OnThrottle | None = None,
        before: Before | None = None,
    ) -> bytes:
        """Do as `call` does, with a body that is JSON already, and return the answer's body."""
        attempt, renewed = 0, False
        while True:
            attempt += 1
            if self._stopped.is_set():
                raise _interrupted()
            failure: SeedbedError
            try:
                answer = self._once(operation, body, before, idempotent=idempotent)
            except http.Broken as error:
                failure = self._lost(operation, error, idempotent=idempotent)
            else:
                if answer.status == 200:
                    return answer.body
                failure = self._refusal(operation, answer)
                if isinstance(failure, faults.ExpiredCredentials) and not renewed and self._chain.renew():
                    attempt, renewed = attempt - 1, True
                    continue
                if not self._may_retry(failure, idempotent=idempotent):
                    raise failure
                if isinstance(failure, ServiceError) and failure.is_throttle:
                    self._throttled(on_throttle)
            if attempt >= self._attempts:
                raise failure
            with self._lock:
                delay = backoff(attempt, base=BASE, cap=CAP, rng=self._rng)
            self.sleep(delay)

    # One attempt

    def _once(self, operation: str, body: bytes, before: Before | None, *, idempotent: bool) -> http.Answer:
        """Send once and return the answer. Raises http.Broken.

        A connection that the server closed while it was idle is found out only by using it: then, and only if it
        answered nothing, the request is sent once more on a new one.
        """
        keys = self._chain.keys()
        connection = self._connection()
        try:
            return self._on(connection, operation, body, keys, before)
        except http.Broken as error:
            is_stale = connection.has_served and not error.has_answered
            if self._stopped.is_set() or not is_stale or (error.was_sent and not idempotent):
                raise
        return self._on(self._opened(), operation, body, keys, before)

    def _on(
        self, connection: http.Connection, operation: str, body: bytes, keys: Keys, before: Before | None
    ) -> http.Answer:
        head = self._signer.head(operation, body, keys)
        if before:
            try:
                before()
            except BaseException:
                connection.close()
                raise
        with self._lock:
            if self._stopped.is_set():
                connection.close()
                raise _interrupted()
            self._busy[connection] = operation not in READS
        try:
            answer = connection.post(head, body)
        finally:
            with self._lock:
                del self._busy[connection]
        if (crc := answer.headers.get("x-amz-crc32")) and crc != str(zlib.crc32(answer.body)):
            connection.close()
            raise http.Broken("the answer's checksum is wrong", was_sent=True, has_answered=True)
        if connection.is_open and len(self._idle) < MAX_IDLE:
            self._idle.append((connection, time.monotonic()))
        else:  # an interruption may have ended it after its answer came
            connection.close()
        return answer

    def _connection(self) -> http.Connection:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if time.monotonic() - since < _OLD and connection.is_fresh():
                return connection
            connection.close()
        return self._opened()

    def _opened(self) -> http.Connection:
        connect, read = self._timeouts
        try:
            return http.Connection(self._place, self._tls, connect=connect, read=read)
        except (OSError, ValueError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):  # the next attempt would find the same
                raise Unreachable(
                    f"DynamoDB does not prove who it is in {faults.where(self.cloud)}",
                    because=str(error),
                    try_="check AWS_ENDPOINT_URL, and AWS_CA_BUNDLE if a proxy on the way has certificates of its own",
                ) from None
            raise http.Broken(f"no connection: {error}", was_sent=False, has_answered=False) from None

    def _abort(self) -> None:
        with self._lock:
            for connection in self._busy:
                connection.abort()

    # What went wrong

    def _lost(self, operation: str, error: http.Broken, *, idempotent: bool) -> SeedbedError:
        """Return what a broken connection means after the last attempt. Raises it where there must be no other."""
        place = faults.where(self.cloud)
        if self._stopped.is_set() and (idempotent or not error.was_sent):
            raise _interrupted() from None
        if error.was_sent and not idempotent:
            raise _no_answer(operation, place, str(error)) from None
        return Unreachable(
            f"DynamoDB does not answer in {place}",
            because=f"{operation}: {error}",
            try_="check the network, and AWS_ENDPOINT_URL where it is set",
        )

    def _refusal(self, operation: str, answer: http.Answer) -> SeedbedError:
        """Return what an answer that is not 200 says."""
        code, said = _said(answer)
        if code not in THROTTLES:
            named = faults.of_code(
                code,
                str(said.get("message") or said.get("Message") or ""),
                self.cloud,
                action=f"dynamodb:{operation}",
                server_date=answer.headers.get("date", ""),
            )
            if named and code not in CONFLICTS:
                return named
        causes = said.get("CancellationReasons") or []
        reasons = ["" if (each.get("Code") or "None") == "None" else each["Code"] for each in causes]
        items = [each.get("Item") or {} for each in causes] if causes else [said.get("Item") or {}]
        message = str(said.get("message") or said.get("Message") or "")
        return ServiceError(code, message, reasons, operation=operation, items=items)

    @staticmethod
    def _may_retry(failure: SeedbedError, *, idempotent: bool) -> bool:
        if not isinstance(failure, ServiceError):
            return False
        if failure.code in SERVER_SIDE:
            if not idempotent:
                raise _no_answer(failure.operation, "the server", failure.because)
            return True
        if failure.code == TRANSACTION_CANCELED:
            given = {each for each in failure.reasons if each}
            return bool(given) and given <= PASSING_REASONS
        return failure.code in THROTTLES or failure.code in CONFLICTS

    def _throttled(self, on_throttle: OnThrottle | None) -> None:
        with self._lock:
            self.throttles += 1
        for each in (self._on_throttle, on_throttle):
            if each:
                each()


READS = frozenset(
    {
        "BatchGetItem",
        "DescribeContinuousBackups",
        "DescribeLimits",
        "DescribeTable",
        "DescribeTimeToLive",
        "GetItem",
        "ListTables",
        "Query",
        "Scan",
        "TransactGetItems",
    }
)


def endpoint(region: str) -> str:
    """Return the URL of DynamoDB in `region`."""
    for start, suffix in _SUFFIXES:
        if region.startswith(start):
            return f"https://dynamodb.{region}.{suffix}"
    return f"https://dynamodb.{region}.amazonaws.com"


_SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov"),
)


def _tls() -> ssl.SSLContext:
    """Return what verifies the server: the system's authorities, or those that AWS tools are told to trust instead."""
    import ssl

    bundle = os.environ.get("AWS_CA_BUNDLE", "")
    try:
        return ssl.create_default_context(cafile=bundle or None)
    except OSError as error:
        raise Unreachable(
            "the CA bundle for AWS cannot be read",
            because=f"AWS_CA_BUNDLE: {error}",
            try_="check that it names a file with PEM certificates",
        ) from None


def _said(answer: http.Answer) -> tuple[str, dict[str, Any]]:
    """Return the error code and what the body says; a code of its own where a proxy answered in DynamoDB's place."""
    try:
        said = _decode(answer.body)
    except msgspec.DecodeError:
        said = None
    if not isinstance(said, dict):
        said = {}
    kind = str(said.get("__type") or answer.headers.get("x-amzn-errortype") or "")
    code = kind.rpartition("#")[2].partition(":")[0]
    if not code or (answer.status >= 500 and code not in THROTTLES | CONFLICTS):
        said.setdefault("message", f"HTTP {answer.status} {code}".strip())
        code = "InternalServerError" if answer.status >= 500 else f"HTTP{answer.status}"
    return code, said


def _no_answer(operation: str, place: str, why: str) -> NoAnswer:
    return NoAnswer(
        f"nobody knows whether {operation} took effect",
        because=f"it was sent to {place}, and its answer was lost: {why}",
        try_="look at the table, then run again",
    )


def _interrupted() -> Interrupted:
    return Interrupted("a call to DynamoDB was interrupted", because="it was asked to stop")
