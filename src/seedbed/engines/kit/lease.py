"""The lease, who may write to a target: taken by one loop, held by one object, stored by each engine in its own way.

A holder gives a sign of life every quarter of `seconds`. Whoever waits takes the lease over once the record has not
changed for the `seconds` that it names, by the waiter's own clock; no two clocks are ever compared. Where the server
itself can judge that, the record says so. Each taking raises the token, and it never falls: an engine's fence shows
it with what is written, so that nothing which a former holder sent, however late it arrives, is let through.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from msgspec import Struct

from seedbed.engines.kit.clock import now
from seedbed.engines.kit.errors import TAKEN, held_by_ourselves, interrupted, lease_lost
from seedbed.engines.kit.waiting import Waiting
from seedbed.errors import LeaseLost, SeedbedError
from seedbed.model.event import Listener, TakenOver
from seedbed.model.history import Owner

HEARTBEATS = 4  # in the time after which a lease is taken over
_ATTEMPTS = 3  # to take what seems free, before a pause: a store may refuse for as long as it likes
_PARTING = 1.0  # seconds that a last sign of life may take: one that arrives later finds nothing to keep
_SHORTEST = 0.1  # seconds that a holder may be silent, where its record names fewer

_held: dict[
    str, str
] = {}  # by the owner of a lease that this process holds: the target that it is held for last

Clock = Callable[[], float]  # seconds; see `clock.now`


class LeaseRecord(Struct, frozen=True):
    """The lease as stored: `token` 0 where nobody ever had it, `holder` empty where nobody has it now.

    `heartbeat` grows with every sign of life. `seconds`: how long the holder may give none. `is_expired`: whether
    it gave none for longer, by the server's clock; None where the waiter's own has to tell.
    """

    token: int = 0
    heartbeat: int = 0
    holder: str = ""
    who: str = ""
    since: str = ""
    seconds: float = 0.0
    is_expired: bool | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.holder, self.who, self.since)

    def is_of(self, owner: Owner, token: int) -> bool:
        """Return whether `owner` has the lease under `token`."""
        return (self.holder, self.token) == (owner.id, token)


class LeaseStore(Protocol):
    """Where the lease of one target is stored. Each method is one request, or a few; none waits for another run."""

    @property
    def target(self) -> str: ...

    @property
    def seconds(self) -> float:
        """How long a holder that takes the lease here may give no sign of life."""
        ...

    def read(self, *, anyway: bool = False) -> LeaseRecord:
        """Return the record as it is this moment. `anyway`: also after an interruption. Raises SeedbedError."""
        ...

    def take(self, seen: LeaseRecord, owner: Owner) -> bool:
        """Give the lease to `owner`, with the token after the one `seen`, if its record is as `seen` still.

        Returns whether that was done; False also where it may have been done and the answer got lost.
        """
        ...

    def renew(self, held: HeldLease) -> bool:
        """Store a sign of life; return whether the lease is ours. Raises SeedbedError where nobody can tell."""
        ...

    def release(self, held: HeldLease) -> None:
        """Store that nobody has the lease, if it is ours; the token stays."""
        ...

    def end(self, seen: LeaseRecord, actor: str) -> bool:
        """Take the lease from the holder that was `seen`, with a line in the audit, and raise the token.

        Returns whether it was that holder's still.
        """
        ...


class HeldLease:
    """The lease in our hands, for as long as `check` does not raise. Thread-safe.

    `token`: what the fence shows. `confirmed`: when, by `clock`, the lease was ours for sure.
    """

    def __init__(
        self, store: LeaseStore, owner: Owner, token: int, *, confirmed: float, clock: Clock = now
    ) -> None:
        self.store = store
        self.owner = owner
        self.token = token
        self.seconds = store.seconds
        self._clock = clock
        self._confirmed = confirmed
        self._lost = ""
        self._is_advancing = False
        self._first_pause = self.seconds / HEARTBEATS
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._heartbeat, name=f"lease of {store.target}", daemon=True)

    @contextmanager
    def alive(self, *, at_once: bool = False) -> Iterator[None]:
        """Give signs of life for the time of the context, `at_once` the first; then give the lease back."""
        if at_once:
            self._first_pause = 0.0
        _held[self.owner.id] = self.store.target
        self._heart.start()
        try:
            yield
        finally:
            _held.pop(self.owner.id, None)
            self.release()

    # proofs

    @property
    def is_lost(self) -> bool:
        return bool(self._lost)

    @property
    def is_over(self) -> bool:
        """Whether it is being given back, or was."""
        return self._over.is_set()

    def check(self) -> None:
        """Raise LeaseLost unless nobody else can have the lease by now; asks nobody."""
        if self._lost:
            raise self.lost(self._lost)
        silent = self._clock() - self._confirmed
        if silent > self.seconds:
            raise self.lost(
                f"it could not be renewed for {silent:.1f} s, and expires after {self.seconds:g} s"
            )

    def confirm(self) -> None:
        """Do as `check` does, and ask the server: one round trip. Raises LeaseLost also where nobody answers."""
        while True:
            self.check()
            token = self.token
            try:
                record = self.store.read(anyway=True)
            except SeedbedError as error:
                raise self.unconfirmed(": ".join(filter(None, (error.what, error.because)))) from error
            if record.is_of(self.owner, token):
                return
            if not self._has_moved(token):
                raise self.taken()

    def lost(self, because: str) -> LeaseLost:
        """Return the error; from now on every proof fails, for the first reason that was given."""
        self._lost = self._lost or because
        return lease_lost(self.store.target, self._lost)

    def taken(self) -> LeaseLost:
        """Return the error where the record names another holder, or none."""
        return self.lost(TAKEN)

    def unconfirmed(self, because: str) -> LeaseLost:
        """Return the error where the server could not be asked."""
        return self.lost(f"it can no longer be shown: {because}")

    def renewed(self, asked: float) -> None:
        """Note that a sign of life was stored which was sent at `asked`."""
        self._confirmed = max(self._confirmed, asked)

    # the token

    def advance(self, store_next: Callable[[], bool]) -> None:
        """Go on under the next token, which `store_next` stores: what was sent under this one comes too late then.

        A sign of life that is refused meanwhile was refused because of ourselves. Raises LeaseLost.
        """
        self._is_advancing = True
        try:
            if not store_next() and not self._stands(self.token + 1):
                raise self.taken()
            self.token += 1
        finally:
            self._is_advancing = False

    def _stands(self, token: int) -> bool:
        """Return whether the lease is ours under `token`: an answer that got lost looks like a refusal."""
        return self.store.read(anyway=True).is_of(self.owner, token)

    def _has_moved(self, token: int) -> bool:
        """Return whether we ourselves may have changed the token since it was `token`."""
        return self._is_advancing or token != self.token

    # signs of life

    def heartbeat(self) -> None:
        """Give one sign of life. What fails shows in the clock: nothing is written once `seconds` are over."""
        asked, token = self._clock(), self.token
        with suppress(SeedbedError):
            if self.store.renew(self):
                self.renewed(asked)
            elif not self.is_over and not self._has_moved(token):
                self.taken()

    def _heartbeat(self) -> None:
        pause = self._first_pause
        try:
            while not self._over.wait(pause) and not self._lost:
                self.heartbeat()
                pause = self.seconds / HEARTBEATS
        except Exception as error:  # a bug; who holds the lease learns at once why it will not last
            self.lost(f"its heartbeat ended: {type(error).__name__}: {error}")
            raise

    def release(self) -> None:
        """Give the lease back, and raise nothing; its token stays, so that nothing of ours is let through any more."""
        self._over.set()
        if self._heart.ident is not None:
            self._heart.join(min(self.seconds, _PARTING))
        with suppress(SeedbedError):
            self.store.release(self)


def require_running(held: HeldLease, *, is_interrupted: bool) -> None:
    """Raise Interrupted if the run was asked to stop, LeaseLost unless nobody else can have the lease; asks nobody."""
    if is_interrupted:
        raise interrupted(f"work on {held.store.target}")
    held.check()


class Candidate:
    """One run that wants the lease: it watches the `record`, and takes it where nobody has the lease any more."""

    def __init__(self, store: LeaseStore, owner: Owner, listener: Listener, clock: Clock = now) -> None:
        self.record = LeaseRecord()
        self._store = store
        self._owner = owner
        self._listener = listener
        self._clock = clock
        self._mark: tuple[int, int, str] | None = (
            None  # what was seen last, and since when it has not changed
        )
        self._since = 0.0

    def attempt(self) -> HeldLease | None:
        """Take the lease if it can be had; return it, or None where another run has it, or is always faster."""
        for _ in range(_ATTEMPTS):
            self.record = self._store.read()
            asked = self._clock()
            silent = self._silence(asked)
            if self.record.holder and not self._is_expired(silent):
                if other := _held.get(self.record.holder) if self.record.holder == self._owner.id else None:
                    raise held_by_ourselves(self._store.target, other)
                return None
            if self._take():
                self._emit_takeover(silent)
                return HeldLease(
                    self._store, self._owner, self.record.token + 1, confirmed=asked, clock=self._clock
                )
        return None

    @property
    def rival(self) -> str:
        """Who has the lease, as far as that is known."""
        return str(self.record.owner) if self.record.holder else "another run"

    def _silence(self, asked: float) -> float:
        """Return for how many seconds at least the record has not changed."""
        mark = (self.record.token, self.record.heartbeat, self.record.holder)
        if mark != self._mark:
            self._mark, self._since = mark, asked
        return asked - self._since

    def _is_expired(self, silent: float) -> bool:
        if self.record.is_expired is not None:
            return self.record.is_expired
        return silent > max(self.record.seconds, _SHORTEST)

    def _take(self) -> bool:
        if self._store.take(self.record, self._owner):
            return True
        # Another was faster; or it was us, and the answer got lost.
        return self._store.read(anyway=True).is_of(self._owner, self.record.token + 1)

    def _emit_takeover(self, silent: float) -> None:
        if self.record.holder:
            is_counted = self.record.is_expired is None
            words = f"for {silent:.0f} s" if is_counted else "for longer than it lasts"
            words = f"took the lease over from {self.record.owner}, which sent no heartbeat {words}"
            self._listener(TakenOver(self._store.target, words))


def acquire(
    store: LeaseStore,
    owner: Owner,
    *,
    wait: float,
    listener: Listener,
    sleep: Callable[[float], object],
    clock: Clock = now,
) -> HeldLease:
    """Take the lease, waiting up to `wait` seconds while another run has it; it is not kept alive yet.

    Emits LeaseAwaited while waiting, and TakenOver where its holder gave no sign of life for too long. Raises Busy,
    what the store raises, and what `sleep` raises, Interrupted as a rule.
    """
    candidate = Candidate(store, owner, listener, clock)
    waiting = Waiting(store.target, wait, listener, clock)
    while (held := candidate.attempt()) is None:
        sleep(waiting.pause(candidate.rival))
    return held


def holder(store: LeaseStore) -> str:
    """Return who has the lease, empty if it is free or known to have expired."""
    record = store.read()
    return str(record.owner) if record.holder and not record.is_expired else ""


def unlock(store: LeaseStore, *, actor: str) -> str:
    """End the lease of whoever holds it, with a line in the audit; return who that was, empty if nobody."""
    while (record := store.read()).holder:
        if store.end(record, actor):
            return str(record.owner)
    return ""
