"""However looks, takings, signs of life, fences and lost answers interleave: no two runs have the lease at once."""

from __future__ import annotations

import copy
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.engines.kit.lease import Candidate, HeldLease, unlock
from seedbed.errors import LeaseLost, SeedbedError
from seedbed.model.event import Event
from seedbed.model.history import Owner
from tests.unit.kit.scripted import Clock, Fate, ScriptedStore

RUNS = 3
SECONDS = 4.0


class Run:
    """One run: it wants the lease, or has it, or had it and has not noticed yet."""

    def __init__(self, number: int, store: ScriptedStore, clock: Clock) -> None:
        self.owner = Owner(f"run {number}", f"run {number}")
        self.store = store
        self.clock = clock
        self.held: HeldLease | None = None
        self.is_busy = False  # in the middle of a request
        self._candidate = self._new_candidate()

    def _new_candidate(self) -> Candidate:
        def listener(_: Event) -> None:
            pass

        return Candidate(self.store, self.owner, listener, self.clock)

    def step(self) -> None:
        """Give a sign of life where it has the lease, else look and take."""
        if self.held is not None:
            self.held.heartbeat()
        else:
            self.held = self._candidate.attempt()

    def confirm(self) -> None:
        if self.held is not None:
            self.held.confirm()

    def fence(self) -> None:
        if (held := self.held) is not None:
            held.advance(lambda: self.store.next_token(held))

    def release(self) -> None:
        if self.held is not None:
            held, self.held = self.held, None
            held.release()
            self._candidate = self._new_candidate()

    @property
    def is_sure(self) -> bool:
        """Whether it would write now: what `check` says, which notes nothing here."""
        if self.held is None:
            return False
        try:
            copy.copy(self.held).check()
        except LeaseLost:
            return False
        return True


class World:
    """A few runs, one lease, and a network that delays, loses and repeats, all as `chance` has it."""

    def __init__(self, chance: Random, *, judges: bool) -> None:
        self.chance = chance
        self.clock = Clock()
        self.store = ScriptedStore(self.clock, seconds=SECONDS, judges=judges)
        self.store.there = self.store.back = self.way
        self.runs = [Run(number, self.store, self.clock) for number in range(RUNS)]
        self.owners: dict[int, str] = {}  # by every token that a run got
        self.ended = 0  # the last token that was ended by force: whoever has it in hand knows nothing yet

    def live(self) -> None:
        """Let something happen, and check what must be true whatever happens."""
        (what,) = self.chance.choices([self.time, self.act, self.end], weights=[30, 69, 1])
        what()
        self.check()

    def time(self) -> None:
        """Let time pass about which something changes: a sign of life is due, half of it is over, nearly all, all."""
        self.clock.sleep(self.chance.choice([0.1, 1.0, 2.1, 3.9, 4.1]))

    def act(self) -> None:
        """Let a run do something that is not in the middle of a request."""
        run = self.chance.choice(self.runs)
        if run.is_busy:
            return
        what = [run.step, run.confirm, run.fence, run.release, self.store.arrive]
        (do,) = self.chance.choices(what, weights=[80, 8, 4, 3, 5])
        before, self.store.fates = self.store.fates, self.fates()
        run.is_busy = True
        try:
            with suppress(SeedbedError):
                do()
        finally:
            run.is_busy, self.store.fates = False, before
        if run.held is not None:
            assert self.owners.setdefault(run.held.token, run.owner.id) == run.owner.id

    def fates(self) -> dict[str, list[Fate]]:
        """Return what becomes of the requests of one step, as a rule that they are answered."""
        fates = self.chance.choices(list(Fate), weights=[80, 5, 5, 5, 5], k=3)
        return {each: list(fates) for each in ("take", "renew", "fence", "release")}

    def way(self) -> None:
        """Let happen what happens while a request or its answer is on its way, as a rule nothing."""
        if self.chance.random() < 0.1:
            self.live()

    def end(self) -> None:
        """End the lease by force, in a moment in which nothing else happens."""
        self.ended = self.store.record.token
        before, self.store.there, self.store.back = self.store.there, lambda: None, lambda: None
        unlock(self.store, actor="eve")
        self.store.there = self.store.back = before

    def check(self) -> None:
        """At most one run is sure that it has the lease, and the record says so too."""
        sure = [each for each in self.runs if each.is_sure]
        holders = [each.held for each in sure if each.held is not None and each.held.token > self.ended]
        assert len(holders) <= 1, [(each.owner.id, each.token) for each in holders]
        for each in holders:
            # The next token may be stored already, and its answer be on its way.
            assert any(self.store.record.is_of(each.owner, each.token + more) for more in (0, 1))


@pytest.mark.parametrize("judges", [False, True], ids=["the waiter judges", "the server judges"])
@given(chance=st.randoms(use_true_random=True))
def test_no_two_runs_have_the_lease_at_once(judges: bool, chance: Random) -> None:
    world = World(chance, judges=judges)
    for _ in range(100):
        world.live()
