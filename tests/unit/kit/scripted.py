"""A clock that tests turn, and a lease that is stored in a variable, with a way there that does what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from msgspec.structs import replace

from seedbed.engines.kit.lease import HeldLease, LeaseRecord
from seedbed.errors import Unreachable
from seedbed.model.history import Owner


class Clock:
    """Seconds that pass when a test says so, or when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 1e-6)  # what is less would be lost in rounding, and time has to go on


class Fate(Enum):
    """What becomes of one request."""

    ANSWERED = "it is carried out and answered"
    ASKED_AGAIN = "it is carried out, its answer gets lost, and the client asks again: it looks refused"
    UNANSWERED = "it is carried out and nobody says so"
    LOST = "it never arrives"
    LATE = "nobody says so, and it arrives whenever `arrive` is called"


Way = Callable[[], None]


class ScriptedStore:
    """The lease of `user/scripted`. `judges`: whether its server's clock says what has expired."""

    target = "user/scripted"

    def __init__(self, clock: Clock, *, seconds: float = 4.0, judges: bool = False) -> None:
        self.record = LeaseRecord()
        self.seconds = seconds
        self.audit: list[str] = []
        self.requests: list[str] = []
        self.fates: dict[str, list[Fate]] = {}  # of the requests that come next, by what they do
        self.there: Way = lambda: None  # what happens while a request is on its way
        self.back: Way = lambda: None  # and its answer
        self._late: list[Callable[[], bool]] = []
        self._clock = clock
        self._judges = judges
        self._renewed = clock()

    def read(self, *, anyway: bool = False) -> LeaseRecord:
        found = LeaseRecord()

        def look() -> bool:
            nonlocal found
            found = self._seen()
            return True

        self._send("read", look)
        return found

    def take(self, seen: LeaseRecord, owner: Owner) -> bool:
        def change() -> bool:
            now = self._seen()
            is_free = not now.holder or self._judges or now.heartbeat == seen.heartbeat
            if (now.token, now.holder) != (seen.token, seen.holder) or not is_free:
                return False
            if self._judges and now.holder and not now.is_expired:
                return False
            self._store(
                LeaseRecord(now.token + 1, 0, owner.id, owner.who, "today", self.seconds),
            )
            return True

        return self._send("take", change)

    def renew(self, held: HeldLease) -> bool:
        return self._send("renew", self._changing(held, heartbeats=1))

    def release(self, held: HeldLease) -> None:
        self._send("release", self._changing(held, holder="", who=""))

    def end(self, seen: LeaseRecord, actor: str) -> bool:
        def change() -> bool:
            if (self.record.token, self.record.holder) != (seen.token, seen.holder):
                return False
            self.audit.append(f"{actor} ended {seen.who}")
            self._store(replace(self.record, token=seen.token + 1, holder="", who=""))
            return True

        return self._send("end", change)

    def next_token(self, held: HeldLease) -> bool:
        """Store the token after that of `held`, as an engine does that fences off what is under way."""
        return self._send("fence", self._changing(held, token=held.token + 1))

    def _changing(self, held: HeldLease, *, heartbeats: int = 0, **fields: object) -> Callable[[], bool]:
        """Return the request that changes the record where the lease is that of `held`, under its token of now."""
        owner, token = held.owner, held.token

        def change() -> bool:
            if not self.record.is_of(owner, token):
                return False
            self._store(replace(self.record, heartbeat=self.record.heartbeat + heartbeats, **fields))
            return True

        return change

    def arrive(self) -> None:
        """Carry out the requests that are late."""
        late, self._late = self._late, []
        for each in late:
            each()

    def _store(self, record: LeaseRecord) -> None:
        assert record.token >= self.record.token, "a token fell"
        self.record, self._renewed = record, self._clock()

    def _seen(self) -> LeaseRecord:
        if not self._judges:
            return self.record
        is_expired = self._clock() - self._renewed > self.record.seconds
        return replace(self.record, heartbeat=0, is_expired=is_expired)

    def _send(self, what: str, change: Callable[[], bool]) -> bool:
        self.requests.append(what)
        coming = self.fates.get(what, [])
        fate = coming.pop(0) if coming else Fate.ANSWERED
        self.there()
        if fate is Fate.LATE:
            self._late.append(change)
        if fate in {Fate.LOST, Fate.LATE}:
            raise Unreachable("nobody answers")
        answer = change()
        self.back()
        if fate is Fate.UNANSWERED:
            raise Unreachable("nobody answers")
        return change() if fate is Fate.ASKED_AGAIN and what != "read" else answer
