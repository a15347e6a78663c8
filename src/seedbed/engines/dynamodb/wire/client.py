"""A thin client of DynamoDB's JSON protocol: signed, retried, counted, and stoppable from another thread."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedbed.aws import faults
from seedbed.aws.keys import Chain
from seedbed.engines.dynamodb.wire import shapes
from seedbed.engines.dynamodb.wire.errors import (
    CONFLICTS,
    PASSING_REASONS,
    SERVER_SIDE,
    THROTTLES,
    TRANSACTION_CANCELED,
    LineLost,
    NoAnswer,
    ServiceError,
)
from seedbed.engines.dynamodb.wire.values import InvalidValue
from seedbed.engines.kit.touched import Touched
from seedbed.errors import AccessRefused, SeedbedError
from seedbed.support.typed import UNREADABLE
from seedbed.wire.answers import Answer
from seedbed.wire.connection import Broken, Untrusted
from seedbed.wire.retrying import Policy, retrying
from seedbed.wire.signing import Signer
from seedbed.wire.transport import Transport, TransportClient

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

VERSION = "DynamoDB_20120810"
CONNECT_TIMEOUT = 5.0  # seconds
READ_TIMEOUT = 30.0  # seconds, for each piece of an answer
MAX_ATTEMPTS = 10
BASE, CAP = 0.05, 10.0  # seconds; how long a retry waits
# Seconds after which there is no further attempt, twice the time for an answer where that is longer: a server that
# lets everybody in and says nothing is given up then. Ten throttled attempts take 33.
PATIENCE = 40.0
GRACE = 3.0  # seconds that a write which is under way may still take when we are interrupted
LONGEST = 1 << 26  # bytes; DynamoDB's longest answer has 16 MB
_TYPE = "application/x-amz-json-1.0"

_encoder = msgspec.json.Encoder()
_decode = msgspec.json.Decoder(dict[str, Any]).decode

T = TypeVar("T")
OnThrottle = Callable[[], None]
Before = Callable[[], None]


class Client(TransportClient):
    """Thread-safe; connections are shared among threads, one call each at a time.

    `on_throttle` is told of every throttled attempt, whoever made it.
    """

    def __init__(
        self,
        cloud: Cloud,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        on_throttle: OnThrottle | None = None,
        connect_timeout: float = 0.0,
        read_timeout: float = 0.0,
    ) -> None:
        """Both times in seconds; 0 is the usual one."""
        self.cloud = cloud
        self.throttles = 0  # attempts that were throttled so far
        connect, read = connect_timeout or CONNECT_TIMEOUT, read_timeout or READ_TIMEOUT
        self.policy = Policy(
            attempts=max_attempts, deadline=max(PATIENCE, 2 * read), base=BASE, cap=CAP, when=_passes
        )
        self._on_throttle = on_throttle
        self._chain = Chain(cloud)
        self._transport = _transport(cloud, connect, read)
        end = self._transport.endpoint
        self._path = end.path
        self._signer = Signer(host=end.authority, region=cloud.region, service="dynamodb")
        self._lock = threading.Lock()
        self.touched: Touched | None = None  # counts what is written to tables other than `own`
        self.own = ""

    def sheltered(self) -> Client:
        """Return another client of the same place that this one's `interrupt` does not reach (to release a lease)."""
        connect, read = self._transport.timeouts
        other = Client(
            self.cloud,
            max_attempts=self.policy.attempts,
            on_throttle=self._on_throttle,
            connect_timeout=connect,
            read_timeout=read,
        )
        self.attach(other)
        return other

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
            raise InvalidValue(f"what {operation} is to send is not valid JSON", because=str(error)) from None
        return self.post(
            operation,
            encoded,
            shapes.decoder(operation, body),
            idempotent=idempotent,
            on_throttle=on_throttle,
            before=before,
            is_record=_tables(body) == {self.own},
        )

    def post(
        self,
        operation: str,
        body: bytes,
        decode: Callable[[bytes], T],
        *,
        idempotent: bool = True,
        on_throttle: OnThrottle | None = None,
        before: Before | None = None,
        is_record: bool = False,
    ) -> T:
        """Do as `call` does, with a body that is JSON already, and return the answer's body as `decode` reads it.

        An answer that it cannot read came from somebody else: the call's own is lost. `is_record`: it changes only
        what is seedbed's own, and does not count as touching anything.
        """
        target = {"Content-Type": _TYPE, "X-Amz-Target": f"{VERSION}.{operation}"}

        def headers() -> Mapping[str, str]:
            return self._signer.signed("POST", self._path, target, body, self._chain.keys())

        renewed = False
        before, undo = self._counted(before, counts=operation not in READS and not is_record)
        for attempt in retrying(self.policy, sleep=self.sleep):
            try:
                answer = self._transport.ask(
                    "POST",
                    self._path,
                    headers,
                    body,
                    is_write=operation not in READS,
                    may_repeat=idempotent,
                    before=before,
                )
            except Broken as error:
                if not error.was_sent:
                    undo()
                attempt.failed(self._lost(operation, error, idempotent=idempotent))
                continue
            except Untrusted as error:
                raise self._untrusted(error) from None
            if answer.status == 200:
                try:
                    return decode(answer.body)
                except UNREADABLE as error:
                    what = f"what answered is not DynamoDB: {error}"
                    strange = Broken(what, was_sent=True, has_answered=True)
                    attempt.failed(self._lost(operation, strange, idempotent=idempotent))
                    continue
            failure = self._refusal(operation, answer)
            if not _may_stand(failure):
                undo()
            if isinstance(failure, faults.ExpiredCredentials) and not renewed and self._chain.renew():
                renewed = True
                continue
            self._require_known_outcome(failure, idempotent=idempotent)
            if _passes(failure) and isinstance(failure, ServiceError) and failure.is_throttle:
                self._throttled(on_throttle)
            attempt.failed(failure)
        raise AssertionError("attempts end by an answer or an error")

    def _counted(self, before: Before | None, *, counts: bool) -> tuple[Before | None, Callable[[], None]]:
        """Return what to call before each attempt, and after one that left nothing, so that what stays is counted."""
        if self.touched is None or not counts:
            return before, _nothing
        return self.touched.before(before)

    # What went wrong

    def _lost(self, operation: str, error: Broken, *, idempotent: bool) -> SeedbedError:
        """Return what a broken connection means after the last attempt; NoAnswer where there must be no other."""
        place = faults.where(self.cloud)
        if error.was_sent and not idempotent:
            return _no_answer(operation, place, str(error))
        return LineLost(
            f"DynamoDB does not answer in {place}",
            because=f"{operation}: {error}",
            try_="check the network, HTTPS_PROXY, and AWS_ENDPOINT_URL where it is set",
        )

    def _untrusted(self, error: Untrusted) -> AccessRefused:
        return AccessRefused(
            f"DynamoDB does not prove who it is in {faults.where(self.cloud)}",
            because=str(error),
            try_="check AWS_ENDPOINT_URL, and AWS_CA_BUNDLE if a proxy on the way has certificates of its own",
        )

    def _refusal(self, operation: str, answer: Answer) -> SeedbedError:
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
        causes = [_object(each) for each in _list(said.get("CancellationReasons"))]
        codes = [str(each.get("Code") or "None") for each in causes]
        reasons = ["" if each == "None" else each for each in codes]
        items = [_object(each.get("Item")) for each in causes or [said]]
        message = str(said.get("message") or said.get("Message") or "")
        return ServiceError(code, message, reasons, operation=operation, items=items)

    @staticmethod
    def _require_known_outcome(failure: SeedbedError, *, idempotent: bool) -> None:
        if isinstance(failure, ServiceError) and failure.code in SERVER_SIDE and not idempotent:
            raise _no_answer(failure.operation, "the server", failure.because)

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
        "ExecuteStatement",  # a SELECT is all that is sent with it
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


def _transport(cloud: Cloud, connect: float, read: float) -> Transport:
    """Return what reaches DynamoDB; the authorities to trust are the system's, or those that AWS tools are told of."""
    bundle = os.environ.get("AWS_CA_BUNDLE", "")
    try:
        return Transport(
            cloud.endpoint or endpoint(cloud.region),
            server="DynamoDB",
            connect=connect,
            read=read,
            grace=GRACE,
            authorities=bundle,
            longest=LONGEST,
            check=_require_whole,
        )
    except OSError as error:
        raise AccessRefused(
            "the CA bundle for AWS cannot be read",
            because=f"AWS_CA_BUNDLE: {error}",
            try_="check that it names a file with PEM certificates",
        ) from None


def _require_whole(answer: Answer) -> None:
    """Raise ValueError for an answer that is not what DynamoDB sent."""
    if (crc := answer.headers.get("x-amz-crc32")) and crc != str(zlib.crc32(answer.body)):
        raise ValueError("the answer's checksum is wrong")


def _passes(failure: BaseException) -> bool:
    """Return whether another attempt may find it gone: a throttle, a conflict, a failure of the server or the line."""
    if not isinstance(failure, ServiceError):
        return isinstance(failure, LineLost)
    if failure.code == TRANSACTION_CANCELED:
        given = {each for each in failure.reasons if each}
        return bool(given) and given <= PASSING_REASONS
    return failure.code in SERVER_SIDE | THROTTLES | CONFLICTS


def _nothing() -> None:
    """Take back nothing: a read, or a record of our own."""


def _may_stand(failure: SeedbedError) -> bool:
    """Return whether a write that was answered with `failure` may have taken effect all the same."""
    return isinstance(failure, ServiceError) and failure.code in SERVER_SIDE


def _tables(body: Mapping[str, Any]) -> set[str]:
    """Return the tables that a request names."""
    actions = [next(iter(each.values())) for each in body.get("TransactItems", ())]
    return {each["TableName"] for each in (body, *actions) if "TableName" in each} | {
        *body.get("RequestItems", ())
    }


def _said(answer: Answer) -> tuple[str, dict[str, Any]]:
    """Return the error code and what the body says; a code of its own where a proxy answered in DynamoDB's place."""
    try:
        said = _decode(answer.body)
    except UNREADABLE:
        said = {}
    kind = str(said.get("__type") or answer.headers.get("x-amzn-errortype") or "")
    code = kind.rpartition("#")[2].partition(":")[0]
    if not code or (answer.status >= 500 and code not in THROTTLES | CONFLICTS):
        said.setdefault("message", f"HTTP {answer.status} {code}".strip())
        code = "InternalServerError" if answer.status >= 500 else f"HTTP{answer.status}"
    return code, said


def _object(value: object) -> dict[str, Any]:
    """Return `value`, or an empty object for what a stranger put in the place of one."""
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _no_answer(operation: str, place: str, why: str) -> NoAnswer:
    return NoAnswer(
        f"it is unknown whether {operation} took effect",
        because=f"it was sent to {place}, and its answer was lost: {why}",
        try_="look at the table, then run again",
    )
