"""Who may write to a target: one document, held by a heartbeat, whose token only ever grows.

A holder raises `beat` every quarter of `seconds`. Whoever waits takes over when neither token nor beat has changed
for `seconds` on the waiter's own clock; no two clocks are ever compared. Every change of the history is a
compare-and-set of that very document, so that nothing which an old holder sent, however late it arrives, is recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from random import Random
from typing import Any

from msgspec.structs import replace

from seedbed.engines.opensearch import fences, history
from seedbed.engines.opensearch.history import Document, Intent, Seen, Stored
from seedbed.engines.opensearch.place import Place, in_words
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed
from seedbed.errors import Busy, LeaseLost, SeedbedError
from seedbed.model.event import LeaseAwaited, Listener, TakenOver
from seedbed.model.history import Owner
from seedbed.support.backoff import backoff

_FIRST_POLL, _SLOWEST_POLL = 0.05, 0.5  # seconds
_BEATS = 4  # in the time after which a lease is taken over
_ELSEWHERE = "it was ended from outside, or another run has it"
# A machine that slept counts as gone for as long as it did; the clock that sees its sleep has no name everywhere.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return seconds of a clock that never goes back, and goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def holder(stored: Stored) -> Owner:
    return Owner(stored.holder, stored.who, stored.since)


class Grip:
    """The lease in our hands, for as long as `insist` does not raise. Thread-safe.

    `keeper`: a client that an interruption does not reach.
    """

    def __init__(self, place: Place, keeper: Client, owner: Owner, seen: Seen, asked: float) -> None:
        self.place = place
        self.keeper = keeper
        self.owner = owner
        self.token = seen.stored.token
        self.seconds = place.address.lease_seconds
        self._seen = seen
        self._is_complete = False  # whether what is pending stands in its documents
        self._number = 0  # of the fence that stands
        self._lock = threading.RLock()
        self._proven = asked
        self._lost = ""
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._keep, name=f"lease of {place.target}", daemon=True)

    def start(self) -> None:
        self._heart.start()

    def stop(self) -> None:
        """End the heartbeat; the lease stays where it is."""
        self._over.set()

    @property
    def stored(self) -> Stored:
        return self._seen.stored

    def insist(self) -> None:
        """Raise LeaseLost unless nobody else can have the lease by now; asks nobody."""
        if self._lost:
            raise self.lost(self._lost)
        silent = now() - self._proven
        if silent > self.seconds:
            raise self.lost(
                f"it could not be renewed for {silent:.1f} s, and is anybody's after {self.seconds:g} s"
            )

    def prove(self) -> None:
        """Raise LeaseLost unless the lease is ours, as stored."""
        self.insist()
        with self._lock:
            asked = now()
            found = history.look(self.place, self.keeper)
            self._insist_on_us(found)
            self._seen, self._proven = found, asked

    def lost(self, because: str) -> LeaseLost:
        """Return the error; from now on every proof fails."""
        self._lost = self._lost or because
        return LeaseLost(
            f"the lease of {self.place.target} is gone",
            because=self._lost,
            try_="`seedbed status` shows what is recorded; apply goes on from there",
        )

    # changes of the history

    def commit(self, documents: dict[str, Document], **state: Any) -> None:
        """Write `documents`, and `state` (fields of `Stored`) with them, all or nothing. Raises LeaseLost."""
        with self._lock:
            self.insist()
            self.complete()
            number = self.stored.sequence + 1
            self._change(sequence=number, pending=documents, **state)
            self._is_complete = False
            self.complete()

    def complete(self) -> None:
        """Write what is pending into its documents, where that is not done yet."""
        with self._lock:
            if not self._is_complete:
                history.complete(self.keeper, self.stored)
                self._is_complete = True

    def intend(self, intent: Intent | None) -> None:
        """Note what is about to take effect together with its record; None: nothing is."""
        with self._lock:
            self.insist()
            self._change(intent=intent)

    def _change(self, **fields: Any) -> None:
        """Replace `state`, if it is ours. Raises LeaseLost, RequestFailed, Unreachable."""
        for _ in range(3):
            if self._is_complete:  # what stands in its documents need not be sent again with every beat
                fields = {"pending": {}, **fields}
            wanted = replace(self.stored, **fields)
            asked = now()
            try:
                after = history.store(self.keeper, self._seen, wanted)
            except NoAnswer:
                after = None
            except RequestFailed as error:
                if error.is_missing:
                    raise self.lost("the history is gone") from None
                raise
            if after is not None:
                self._seen, self._proven = after, asked
                return
            found = history.look(self.place, self.keeper)
            self._insist_on_us(found)
            self._seen, self._proven = found, asked
            if found.stored == wanted:  # its answer got lost
                return
        raise self.lost("its document is changed by somebody else")

    def _insist_on_us(self, found: Seen) -> None:
        if (found.stored.token, found.stored.holder) != (self.token, self.owner.id):
            raise self.lost(_ELSEWHERE)

    # the fence

    @property
    def fence(self) -> str:
        """The name of the fence that stands now."""
        return fences.name(self.token, self._number)

    @property
    def next_fence(self) -> str:
        return fences.name(self.token, self._number + 1)

    def passed(self) -> None:
        """Note that a request took the fence down and put the next one up."""
        self._number += 1

    def settle(self, intent: Intent) -> bool | None:
        """Move the fence on, so that the request of `intent` cannot take effect any more; return whether it did.

        None where nothing tells. The record follows what is found. Raises LeaseLost.
        """
        with self._lock:
            self.prove()
            verdict = fences.move(self.keeper, self.next_fence, undecided=intent.fence)
            if verdict is None:
                self.commit(intent.unsettled, intent=None)
            else:
                self.commit(intent.documents if verdict else {}, intent=None)
            self._stand_plainly()
            return verdict

    def _stand_plainly(self) -> None:
        """Give the fence its plain name, now that nothing hangs on what it stands after."""
        self._number += 2
        fences.move(self.keeper, self.fence)

    # life

    def release(self) -> None:
        """Give the lease back; its token stays, so that nothing of ours is let through any more."""
        self.stop()
        self._heart.join(self.seconds)
        with self._lock, suppress(SeedbedError):
            if not self._lost:
                self._change(holder="", who="", since="")

    def _keep(self) -> None:
        while not self._over.wait(self.seconds / _BEATS) and not self._lost:
            with (
                self._lock,
                suppress(SeedbedError),
            ):  # what fails shows in the clock: nothing is written any more
                if not self._lost:
                    self._change(beat=self.stored.beat + 1)


@contextmanager
def lease(place: Place, owner: Owner, *, wait: float, listener: Listener) -> Iterator[Grip]:
    """Take the lease and keep it for the time of the context. Raises Busy, Refused, Interrupted, Unreachable."""
    # A beat that does not get through soon is worth little: the next one is tried instead.
    with closing(place.client.sheltered(timeout=place.address.lease_seconds)) as keeper:
        with in_words(place, f"taking the lease of {place.target}"):
            grip = _acquire(place, keeper, owner, wait, listener)
            grip.start()
        try:
            with in_words(place, f"taking the lease of {place.target}"):
                _enter(grip, listener)
            yield grip
        finally:
            grip.release()


def _acquire(place: Place, keeper: Client, owner: Owner, wait: float, listener: Listener) -> Grip:
    began, told, attempt, rng = now(), 0.0, 0, Random()
    mark: tuple[int, int, str] | None = None  # the lease as it was last, and since when it has not changed
    since = began
    while True:
        asked = now()
        seen = history.look(place)
        stored = seen.stored
        if (stored.token, stored.beat, stored.holder) != mark:
            mark, since = (stored.token, stored.beat, stored.holder), now()
        has_expired = asked - since > max(stored.seconds, 0.1)
        if not stored.holder or has_expired:
            taken = _take(place, keeper, owner, seen)
            if taken is not None:
                if stored.holder:
                    silent = f"who was silent for {asked - since:.0f} s"
                    words = f"took the lease over from {holder(stored)}, {silent}"
                    listener(TakenOver(place.target, words))
                return Grip(place, keeper, owner, taken, asked)
            continue
        waited = asked - began
        if waited >= wait:
            raise _busy(place, stored, waited)
        if told == 0.0 or waited - told >= 1.0:
            listener(LeaseAwaited(place.target, str(holder(stored)), waited))
            told = waited or 1e-9
        attempt += 1
        pause = _FIRST_POLL / 2 + backoff(min(attempt, 6), base=_FIRST_POLL, cap=_SLOWEST_POLL, rng=rng)
        place.client.sleep(min(pause, max(0.0, wait - waited)))


def _take(place: Place, keeper: Client, owner: Owner, seen: Seen) -> Seen | None:
    """Make the lease ours if it still is as it was `seen`; return what is stored then, None if another was faster."""
    if seen.seq_no < 0:
        history.create(keeper)
    wanted = replace(
        seen.stored,
        token=seen.stored.token + 1,
        beat=0,
        holder=owner.id,
        who=owner.who,
        since=history.now(),
        seconds=place.address.lease_seconds,
    )
    try:
        return history.store(keeper, seen, wanted)
    except NoAnswer:
        after = history.look(place, keeper)
        return after if after.stored == wanted else None


def _enter(grip: Grip, listener: Listener) -> None:
    """Put our fence up, and bring to its end what a former owner left half done."""
    grip.complete()
    intent = grip.stored.intent
    if intent is None:
        fences.move(grip.keeper, grip.fence)
        return
    verdict = grip.settle(intent)
    words = {
        True: "it took effect and is recorded",
        False: "it never took effect, and cannot any more",
        None: "nobody can tell whether it took effect",
    }
    found = words[verdict]
    listener(
        TakenOver(grip.place.target, f"a request of a former run was under way ({intent.label}): {found}")
    )


def _busy(place: Place, stored: Stored, waited: float) -> Busy:
    return Busy(
        f"another run holds the lease of {place.target}",
        because=f"{holder(stored)} did not finish within {waited:.0f} s",
        try_="wait longer with --wait, or look what it does; `seedbed repair --unlock` ends it",
    )


def unlock(place: Place, *, actor: str) -> str:
    """End the lease of whoever holds it, with a line in the audit; return who that was, empty if nobody."""
    with in_words(place, f"ending the lease of {place.target}"):
        while True:
            seen = history.look(place)
            stored = seen.stored
            if not stored.holder:
                return ""
            if _end(place, seen, actor):
                return str(holder(stored))


def _end(place: Place, seen: Seen, actor: str) -> bool:
    """Take the lease away from the holder that was `seen`; return whether it was still that one's."""
    stored = seen.stored
    history.complete(place.client, stored)
    after = replace(
        stored,
        token=stored.token + 1,
        holder="",
        who="",
        since="",
        sequence=stored.sequence + 1,
        pending=history.audit(actor, "unlock", "", f"ended {holder(stored)}"),
    )
    if history.store(place.client, seen, after) is None:
        return False
    history.complete(place.client, after)
    undecided = stored.intent.fence if stored.intent else ""
    fences.move(place.client, fences.name(after.token, 0), undecided=undecided)
    return True
