"""Who may write to a target: a node with an owner, held by a heartbeat until the server's clock says otherwise.

The token only ever grows. It stands in two nodes: in the lease, which a holder renews every quarter of
`lease_seconds` whatever else it does, and in the fence, which every transaction that writes locks and looks at first.
So a heartbeat never waits for a long transaction, and a runner that comes back from the dead gets nothing through.

Whoever takes the lease ends what other runs have open on the server (each of their transactions says whose it is),
raises the fence, which waits for a transaction that is being committed at this moment, and looks once more: what
was begun before the fence was raised has ended then, and what is begun after it finds another token there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedbed.engines.neo4j import queries
from seedbed.engines.neo4j.connection import KIND, MARK, NUMBER, WHO, Server
from seedbed.engines.neo4j.messages import Gone, ServerError, in_words
from seedbed.errors import Busy, LeaseLost, Refused, SeedbedError
from seedbed.model.event import LeaseAwaited, Listener, TakenOver
from seedbed.model.history import Owner
from seedbed.support.backoff import backoff

if TYPE_CHECKING:
    from seedbed.engines.neo4j.place import Place

_FIRST_POLL, _SLOWEST_POLL = 0.05, 0.5  # seconds
_BEATS = 4  # in the time after which a lease is taken over
_FENCE_SECONDS = 2.0  # that raising the fence waits, before it is looked again who holds it
_END_SECONDS = 60.0  # that a transaction may take to end after it was told to
_ATTEMPTS = 20  # to define the constraint beside others that do the same
# A machine that slept counts as gone for as long as it did; the clock that sees its sleep has no name everywhere.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


Prove = Callable[[], None]  # raises where the lease is gone


def now() -> float:
    """Return seconds of a clock that never goes back, and goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Claim(Struct, frozen=True):
    """The lease as stored: `token` 0 where nobody ever had it, `holder` empty where nobody has it now.

    `left`: seconds until it may be taken, by the server's clock. `fence`: the token that gets through.
    """

    token: int = 0
    holder: str = ""
    who: str = ""
    since: str = ""
    left: float = 0.0
    fence: int = 0

    @property
    def owner(self) -> Owner:
        return Owner(self.holder, self.who, self.since)

    @property
    def is_free(self) -> bool:
        return not self.holder or self.left <= 0


def look(server: Server) -> Claim | None:
    """Return who holds the lease; None where there is no such node. Raises ServerError, Gone."""
    rows = server.run(queries.text("look"), {})
    if not rows:
        return None
    found = {name: value for name, value in rows[0].items() if value is not None}
    return Claim(**{**found, "left": found.get("left", 0) / 1000})


class Grip:
    """The lease in our hands, for as long as `prove` does not raise. Thread-safe."""

    def __init__(self, place: Place, owner: Owner, token: int, asked: float) -> None:
        self.place = place
        self.owner = owner
        self.token = token
        self.seconds = place.address.lease_seconds
        self._proven = asked
        self._lost = ""
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._keep, name=f"lease of {place.target}", daemon=True)

    @property
    def shown(self) -> dict[str, Any]:
        """The parameters by which a query sees whether the lease is ours."""
        return {"token": self.token, "holder": self.owner.id}

    def metadata(self, kind: str, transaction: str) -> dict[str, str]:
        """Return what a transaction of ours says about itself; `kind` is "work" or "record"."""
        return {MARK: self.owner.id, WHO: self.owner.who, KIND: kind, NUMBER: transaction}

    def start(self) -> None:
        self._heart.start()

    def prove(self) -> None:
        """Raise LeaseLost unless nobody else can have the lease by now."""
        if self._lost:
            raise self.lost(self._lost)
        silent = now() - self._proven
        if silent > self.seconds:
            raise self.lost(
                f"it could not be renewed for {silent:.1f} s, and is anybody's after {self.seconds:g} s"
            )

    def lost(self, because: str) -> LeaseLost:
        """Return the error; from now on every proof fails."""
        self._lost = self._lost or because
        return LeaseLost(
            f"the lease of {self.place.target} is gone",
            because=self._lost,
            try_="`seedbed status` shows what is recorded; apply goes on from there",
        )

    def taken(self) -> LeaseLost:
        return self.lost("it was ended from outside, or another run has it")

    def look(self) -> None:
        """Ask the server whether the lease is still ours. Raises LeaseLost, also where nobody answers."""
        self.prove()
        try:
            claim = look(self.place.server)
        except (ServerError, Gone) as error:
            raise self.lost(f"it can no longer be shown: {error}") from None
        if claim is None or (claim.token, claim.holder) != (self.token, self.owner.id):
            raise self.taken()

    def release(self) -> None:
        """Give the lease back; its token stays, so that nothing of ours is let through any more."""
        self._over.set()
        if self._heart.ident is not None:
            self._heart.join(self.seconds)
        with suppress(ServerError, Gone):
            self.place.server.ask(queries.text("release"), self.shown)

    def _keep(self) -> None:
        pause = 0.0  # the first one at once: it opens the connection, and the server learns the query
        while not self._over.wait(pause) and not self._lost:
            pause = self.seconds / _BEATS
            asked = now()
            try:
                rows = self.place.server.tell(
                    queries.text("beat"), {**self.shown, "seconds": self.seconds}, timeout=self.seconds
                ).rows
            except (ServerError, Gone):
                continue  # it shows in the clock: after `seconds` without a beat nothing is written any more
            if rows:
                self._proven = asked
            elif not self._over.is_set():
                self._give_up()

    def _give_up(self) -> None:
        """The lease is another's: what we have open on the server would only be refused at its end."""
        self.taken()
        server = self.place.server
        with suppress(ServerError, Gone):
            server.end([each["id"] for each in server.marked("work_of", {"marks": [self.owner.id]})])


@contextmanager
def lease(place: Place, owner: Owner, *, wait: float, listener: Listener) -> Iterator[Grip]:
    """Take the lease and keep it for the time of the context. Raises Busy, Refused, Interrupted, Unreachable."""
    with in_words(f"taking the lease of {place.target}"):
        claim, asked = _acquire(place, owner, wait, listener)
    grip = Grip(place, owner, claim.token + 1, asked)
    grip.start()
    try:
        with in_words(f"taking over {place.target}"):
            _take_over(place, grip, claim, listener)
        place.server.watch(owner.id)
        yield grip
    finally:
        place.server.unwatch(owner.id)
        grip.release()


def _acquire(place: Place, owner: Owner, wait: float, listener: Listener) -> tuple[Claim, float]:
    """Take the lease; return it as it was before, and when we asked for it. Raises Busy, Interrupted."""
    began, told, attempt, rng = now(), 0.0, 0, Random()
    while True:
        claim, asked = look(place.server), now()
        if claim is None:
            _define(place)
            continue
        if claim.is_free:
            if _take(place, owner, claim):
                return claim, asked
            continue
        waited = asked - began
        if waited >= wait:
            raise _busy(place, claim, waited)
        if told == 0.0 or waited - told >= 1.0:
            listener(LeaseAwaited(place.target, str(claim.owner), waited))
            told = waited or 1e-9
        attempt += 1
        pause = _FIRST_POLL / 2 + backoff(min(attempt, 6), base=_FIRST_POLL, cap=_SLOWEST_POLL, rng=rng)
        place.server.sleep(min(pause, max(0.0, wait - waited)))


def _define(place: Place) -> None:
    """Make the constraint, the lease and the fence; others may be at it too. Raises ServerError, Gone."""
    rng = Random()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            place.server.tell(queries.text("constraint"))
            break
        except ServerError as error:  # two that define the same are each other's deadlock
            if attempt == _ATTEMPTS or not (error.is_transient or "AlreadyExists" in error.code):
                raise
        place.server.sleep(backoff(attempt, base=_FIRST_POLL, cap=_SLOWEST_POLL, rng=rng))
    place.server.ask(queries.text("nodes"))


def _take(place: Place, owner: Owner, claim: Claim) -> bool:
    """Make the lease ours if it is still as in `claim`; return whether it is ours now."""
    values = {
        "seen": claim.token,
        "holder": owner.id,
        "who": owner.who,
        "seconds": place.address.lease_seconds,
    }
    try:
        return bool(place.server.tell(queries.text("take"), values).rows)
    except ServerError as error:
        if error.is_transient:
            return False
        raise
    except Gone:  # the answer is lost, not necessarily the lease
        after = look(place.server)
        return after is not None and (after.token, after.holder) == (claim.token + 1, owner.id)


def _busy(place: Place, claim: Claim, waited: float) -> Busy:
    return Busy(
        f"another run holds the lease of {place.target}",
        because=f"{claim.owner} did not finish within {waited:.0f} s",
        try_="wait longer with --wait, or look what it does; `seedbed repair --unlock` ends it",
    )


# what others left


def _take_over(place: Place, grip: Grip, claim: Claim, listener: Listener) -> None:
    """End what other runs have open, and let nothing of theirs through any more. Raises LeaseLost, Refused."""
    if claim.holder:
        words = f"took the lease over from {claim.owner}, who was silent for longer than it lasts"
        listener(TakenOver(place.target, words))
    for words in shut_out(place, grip.owner.id, grip.token, prove=grip.prove):
        listener(TakenOver(place.target, words))


def shut_out(place: Place, mark: str, token: int, *, prove: Prove | None = None) -> Iterator[str]:
    """Raise the fence to `token` and end every transaction of runs other than `mark`; tell in words what ended.

    Raises ServerError, Gone, Refused where we may not end them, and what `prove` raises.
    """
    yield from _end_others(place, mark, prove)
    while not _raise_fence(place, token):
        yield from _end_others(place, mark, prove)
    # One that began in between, and looked at the fence before it was raised.
    yield from _end_others(place, mark, prove)


def _raise_fence(place: Place, token: int) -> bool:
    """Return whether the fence is at `token` or beyond."""
    try:
        rows = place.server.tell(queries.text("raise_fence"), {"token": token}, timeout=_FENCE_SECONDS).rows
    except ServerError as error:
        if error.is_timeout or error.is_transient or error.is_ended:
            return False  # somebody began a transaction after we had looked
        raise
    return bool(rows)


def _end_others(place: Place, mark: str, prove: Prove | None) -> Iterator[str]:
    server, until, told = place.server, now() + _END_SECONDS, set[str]()
    while found := server.marked("others", {"mark": mark}):
        if prove is not None:
            prove()
        try:
            server.end([each["id"] for each in found])
        except ServerError as error:
            if "Security" in error.code:
                raise _may_not_end(place, error) from None
            raise
        for each in found:
            if each["id"] not in told:
                told.add(each["id"])
                yield f"ended {each['id']} of {each['who']}, {each['milliseconds'] / 1000:.1f} s after it began"
        if now() > until:
            raise Busy(
                f"{found[0]['id']} of {found[0]['who']} does not end on {place.target}",
                because=f"it was told to {_END_SECONDS:.0f} s ago",
                try_="run the same command again; SHOW TRANSACTIONS tells what it does",
            )
        time.sleep(0.02)


def _may_not_end(place: Place, error: ServerError) -> SeedbedError:
    return Refused(
        f"what another run left on {place.target} cannot be ended",
        because=error.message,
        try_="run with its user, or GRANT TERMINATE TRANSACTION",
    )


def unlock(place: Place, *, actor: str) -> str:
    """End the lease of whoever holds it, with a line in the audit; return who that was, empty if nobody."""
    server = place.server
    with in_words(f"ending the lease of {place.target}"):
        while (claim := look(server)) is not None and claim.holder:
            values = {"actor": actor, "because": f"ended {claim.owner}"}
            shown = {"token": claim.token, "holder": claim.holder}
            if server.tell(queries.text("unlock"), {**shown, **values}).rows:
                for _ in shut_out(place, "", claim.token + 1):
                    pass  # its transactions are part of it, and go with it
                return str(claim.owner)
    return ""
