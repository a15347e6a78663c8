"""What may happen to a call on its way: rules, which are asked in the order in which they were made."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

from tests.support.aws_proxy import faults
from tests.support.aws_proxy.calls import Call
from tests.support.aws_proxy.http import Request, Response

PATIENCE = 60.0
POLL_SECONDS = 0.01

Match = str | Callable[[Call], bool]
When = Literal["asked", "answered"]


class Dropped(Exception):
    """The connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A call on its way: `onward` carries it to the next rule and at last to the server.

    `aside` asks the server something of our own, which no rule and no list of calls gets to see.
    """

    call: Call
    client_is_gone: Callable[[], bool]
    onward: Callable[[Request], Response]
    aside: Callable[[Request], Response]


def on(
    operation: str = "", *, table: str = "", service: str = "", containing: str = ""
) -> Callable[[Call], bool]:
    """Return what is true of calls that fit everything that is given; `containing` is looked for in the body."""

    def fits(call: Call) -> bool:
        return (
            operation in ("", call.operation)
            and service in ("", call.service)
            and (not table or table in call.tables)
            and (not containing or containing.encode() in call.request.body)
        )

    return fits


class Rule:
    """Applies `act` to the calls that fit `match`: to all, to the first `times`, to an even `share` of them."""

    def __init__(self, match: Match, *, times: int | None = None, share: float = 1.0) -> None:
        self.match = on(match) if isinstance(match, str) else match
        self.hits = 0
        self._left = times
        self._share = share
        self._owed = 0.0
        self._changed = threading.Condition()
        self.active = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Apply to nothing any more."""
        with self._changed:
            self.active = False
            self._changed.notify_all()

    def wait(self, hits: int = 1, timeout: float = PATIENCE) -> None:
        """Wait until the rule has been applied `hits` times. Raises TimeoutError."""
        self._wait(lambda: self.hits >= hits, f"{hits} calls", timeout)

    def applies(self, call: Call) -> bool:
        """Return whether it applies to `call`, and count that."""
        if not self.active or not self.match(call):
            return False
        with self._changed:
            if self._left == 0:
                return False
            self._owed += self._share
            if self._owed < 1.0 - 1e-9:
                return False
            self._owed -= 1.0
            self._left = None if self._left is None else self._left - 1
            self.hits += 1
            self._changed.notify_all()
        return True

    def act(self, passage: Passage) -> Response:
        """Return the answer for the client. Raises Dropped."""
        return passage.onward(passage.call.request)

    def _wait(self, holds: Callable[[], bool], what: str, timeout: float) -> None:
        with self._changed:
            if not self._changed.wait_for(holds, timeout):
                raise TimeoutError(f"{self.hits} calls came within {timeout:g} s, not {what}")


class Held(Rule):
    """Stops calls on their way there (`asked`) or their answers on the way back (`answered`).

    A call whose client hangs up while it is held never arrives.
    """

    def __init__(self, match: Match, when: When, times: int | None) -> None:
        super().__init__(match, times=times)
        self.when = when
        self._inside: list[Call] = []
        self._verdict = threading.Event()
        self._drops = False

    def wait_until_inside(self, count: int = 1, timeout: float = PATIENCE) -> Call:
        """Wait until `count` calls are being held, and return the last. Raises TimeoutError."""
        self._wait(lambda: len(self._inside) >= count, f"{count}", timeout)
        return self._inside[count - 1]

    def release(self) -> None:
        """Let those that are held go on, and stop no others."""
        self.remove()
        self._verdict.set()

    def abandon(self) -> None:
        """Hang up on those that are held, and stop no others."""
        self._drops = True
        self.release()

    def __exit__(self, *_: object) -> None:
        self.release()

    def act(self, passage: Passage) -> Response:
        answer = passage.onward(passage.call.request) if self.when == "answered" else None
        with self._changed:
            self._inside.append(passage.call)
            self._changed.notify_all()
        while not self._verdict.wait(POLL_SECONDS):
            if passage.client_is_gone():
                raise Dropped
        if self._drops or passage.client_is_gone():
            raise Dropped
        return answer or passage.onward(passage.call.request)


class Answer(Rule):
    """Answers instead of the server."""

    def __init__(
        self, match: Match, answer: Callable[[Call], Response], times: int | None, share: float
    ) -> None:
        super().__init__(match, times=times, share=share)
        self.answer = answer

    def act(self, passage: Passage) -> Response:
        return self.answer(passage.call)


class Drop(Rule):
    """Hangs up: before the server was asked, or after it has answered."""

    def __init__(self, match: Match, when: When, times: int | None) -> None:
        super().__init__(match, times=times)
        self.when = when

    def act(self, passage: Passage) -> Response:
        if self.when == "answered":
            passage.onward(passage.call.request)
        raise Dropped


class Delay(Rule):
    """Takes its time."""

    def __init__(self, match: Match, seconds: float, times: int | None) -> None:
        super().__init__(match, times=times)
        self.seconds = seconds

    def act(self, passage: Passage) -> Response:
        time.sleep(self.seconds)
        return passage.onward(passage.call.request)


class Rewrite(Rule):
    """Changes answers of the server."""

    def __init__(self, match: Match, change: Callable[[Call, Response], Response], times: int | None) -> None:
        super().__init__(match, times=times)
        self.change = change

    def act(self, passage: Passage) -> Response:
        return self.change(passage.call, passage.onward(passage.call.request))


class Unprocess(Rule):
    """Gives the last `count` writes of a BatchWriteItem back as UnprocessedItems; at least one is carried out.

    For BatchGetItem there is nothing like it here.
    """

    def __init__(self, count: int, times: int | None, share: float) -> None:
        super().__init__("BatchWriteItem", times=times, share=share)
        self.count = count

    def act(self, passage: Passage) -> Response:
        asked: dict[str, Any] = json.loads(passage.call.request.body)
        writes = [(table, each) for table, of in asked["RequestItems"].items() for each in of]
        kept = max(1, len(writes) - self.count)
        asked["RequestItems"] = _by_table(writes[:kept])
        answer = passage.onward(passage.call.request.with_body(json.dumps(asked).encode()))
        if answer.status != 200:
            return answer
        told = json.loads(answer.body)
        left = told.get("UnprocessedItems", {})
        for table, given_back in _by_table(writes[kept:]).items():
            left.setdefault(table, []).extend(given_back)
        return answer.with_body(json.dumps({**told, "UnprocessedItems": left}).encode())


def _by_table(writes: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for table, write in writes:
        found.setdefault(table, []).append(write)
    return found


def throttling(code: str) -> Callable[[Call], Response]:
    return lambda call: faults.throttled(call, code)
