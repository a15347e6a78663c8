"""The lease that engines share: who gets it, how it is held, and what becomes of answers that get lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from seedbed.engines.kit.lease import Candidate, HeldLease, LeaseRecord, acquire, unlock
from seedbed.errors import Busy, Interrupted, LeaseLost, Unreachable
from seedbed.model.event import Event, LeaseAwaited, TakenOver
from seedbed.model.history import Owner
from tests.unit.kit.scripted import Clock, Fate, ScriptedStore

ANA, BEN = Owner("a", "ana@laptop"), Owner("b", "ben@desk")


class Listening(list[Event]):
    """What a run emitted."""

    def __call__(self, event: Event) -> None:
        self.append(event)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> ScriptedStore:
    return ScriptedStore(clock)


@pytest.fixture
def events() -> Listening:
    return Listening()


def held_by(store: ScriptedStore, clock: Clock, owner: Owner = ANA) -> HeldLease:
    """Take a lease that is free."""
    held = Candidate(store, owner, Listening(), clock).attempt()
    assert held is not None
    return held


def acquired(store: ScriptedStore, clock: Clock, events: Listening, *, wait: float) -> HeldLease:
    """Take the lease for Ben as a run does, waiting on the clock of the test."""
    return acquire(store, BEN, wait=wait, listener=events, sleep=clock.sleep, clock=clock)


def both(*acts: Callable[[], object]) -> Callable[[], None]:
    """Return a function that does one of `acts` each time it is called, and then nothing."""
    left = list(acts)

    def act() -> None:
        if left:
            left.pop(0)()

    return act


# taking it


def test_a_lease_that_nobody_had_is_taken_with_the_first_token(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    assert (held.token, store.record.token, store.record.holder) == (1, 1, "a")
    held.check()
    held.confirm()


def test_a_lease_that_was_given_back_is_taken_with_the_next_token(store: ScriptedStore, clock: Clock) -> None:
    held_by(store, clock).release()
    assert (store.record.token, store.record.holder) == (1, "")
    assert held_by(store, clock, BEN).token == 2


def test_not_waiting_is_busy_at_once_and_says_who_has_it(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    held_by(store, clock)
    with pytest.raises(Busy) as caught:
        acquired(store, clock, events, wait=0)
    assert "ana@laptop" in caught.value.because
    assert caught.value.try_.endswith(" --unlock")
    assert clock.time == Clock().time
    assert events == []


def test_waiting_is_bounded_and_is_said_at_once_and_each_second(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    held = held_by(store, clock)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        held.heartbeat()

    with pytest.raises(Busy, match="another run holds"):
        acquire(store, BEN, wait=10, listener=events, sleep=sleep, clock=clock)
    assert clock.time == pytest.approx(Clock().time + 10)
    waited = [each.waited for each in events if isinstance(each, LeaseAwaited)]
    assert len(events) == len(waited)
    assert waited[0] == 0
    assert all(1 <= later - before < 2 for before, later in pairwise(waited))


def test_the_pauses_between_two_looks_grow_and_stay_short(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    held = held_by(store, clock)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.sleep(seconds)
        held.heartbeat()

    with pytest.raises(Busy):
        acquire(store, BEN, wait=60, listener=events, sleep=sleep, clock=clock)
    assert pauses[0] <= 0.125
    assert max(pauses) <= 0.525
    assert len(pauses) > 60 / 0.525


def test_whoever_is_interrupted_while_waiting_has_taken_nothing(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    held = held_by(store, clock)

    def stop(_: float) -> None:
        raise Interrupted("it was asked to stop")

    with pytest.raises(Interrupted):
        acquire(store, BEN, wait=60, listener=events, sleep=stop, clock=clock)
    held.confirm()


# taking it over


def test_a_silent_holder_is_succeeded_after_the_seconds_that_it_named_and_not_before(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    held_by(store, clock)
    store.seconds = 1.0  # what the one who waits would take it for says nothing about the holder
    began = clock.time
    with pytest.raises(Busy):
        acquired(store, clock, events, wait=3.9)
    assert acquired(store, clock, events, wait=60).token == 2
    assert clock.time - began > 3.9 + 4.0
    (takeover,) = [each for each in events if isinstance(each, TakenOver)]
    assert takeover.work.startswith("took the lease over from ana@laptop")
    assert takeover.work.endswith("which sent no heartbeat for 4 s")


def test_a_holder_that_gives_signs_of_life_is_never_succeeded(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    held = held_by(store, clock)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        held.heartbeat()

    with pytest.raises(Busy):
        acquire(store, BEN, wait=600, listener=events, sleep=sleep, clock=clock)
    held.confirm()


@pytest.mark.parametrize("is_expired", [True, False])
def test_where_the_server_judges_what_is_expired_the_waiter_does_not(
    clock: Clock, events: Listening, is_expired: bool
) -> None:
    store = ScriptedStore(clock, judges=True)
    held_by(store, clock)
    if is_expired:
        clock.time += 4.1
        assert acquired(store, clock, events, wait=0).token == 2
        assert isinstance(events[0], TakenOver)
        assert events[0].work.endswith("which sent no heartbeat for longer than it lasts")
    else:
        store._renewed += 1000  # by a clock of its own
        with pytest.raises(Busy):
            acquired(store, clock, events, wait=60)


def test_a_record_that_names_no_seconds_is_not_taken_over_in_the_same_breath(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    store.record = LeaseRecord(token=7, holder="x", who="somebody")
    with pytest.raises(Busy):
        acquired(store, clock, events, wait=0)
    assert acquired(store, clock, events, wait=5).token == 8


def test_of_two_that_see_an_expired_lease_one_gets_it(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    held_by(store, clock)
    other = Candidate(store, Owner("c", "cyd"), Listening(), clock)
    assert other.attempt() is None
    ben = Candidate(store, BEN, events, clock)
    assert ben.attempt() is None
    clock.time += 4.1
    store.there = both(lambda: None, lambda: other.attempt())  # between Ben's look and what he takes
    assert ben.attempt() is None
    assert store.record.holder == "c"
    assert events == []


def test_a_sign_of_life_that_arrives_before_the_takeover_prevents_it(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    held = held_by(store, clock)
    ben = Candidate(store, BEN, events, clock)
    assert ben.attempt() is None
    clock.time += 4.1
    store.there = both(lambda: None, held.heartbeat)
    assert ben.attempt() is None
    held.confirm()


# answers that get lost


def test_whoever_took_the_lease_has_it_also_where_the_answer_got_lost(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    store.fates["take"] = [Fate.ASKED_AGAIN]
    held = acquired(store, clock, events, wait=0)
    assert held.token == 1
    held.confirm()


def test_a_store_that_refuses_what_is_free_is_not_asked_for_ever(
    store: ScriptedStore, clock: Clock, events: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def refuse(*_: object) -> bool:
        nonlocal asked
        asked += 1
        assert asked < 1000
        return False

    monkeypatch.setattr(store, "take", refuse)
    with pytest.raises(Busy, match="another run did not finish within 10 s"):
        acquired(store, clock, events, wait=10)


def test_a_former_lease_of_the_same_run_is_not_taken_for_the_one_that_it_asked_for(
    store: ScriptedStore, clock: Clock, events: Listening
) -> None:
    former = held_by(store, clock, BEN)
    store.fates = {"renew": [Fate.LATE], "release": [Fate.LOST]}
    former.heartbeat()
    former.release()
    ben = Candidate(store, BEN, events, clock)
    assert ben.attempt() is None
    clock.time += 4.1
    store.there = both(lambda: None, store.arrive)  # a sign of life that was sent long ago
    assert ben.attempt() is None
    assert store.record.is_of(BEN, 1)


def test_a_token_that_was_stored_is_ours_also_where_the_answer_got_lost(
    store: ScriptedStore, clock: Clock
) -> None:
    held = held_by(store, clock)
    store.fates["fence"] = [Fate.ASKED_AGAIN]
    held.advance(lambda: store.next_token(held))
    assert held.token == store.record.token == 2
    held.confirm()


def test_a_sign_of_life_without_an_answer_proves_nothing(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    store.fates["renew"] = [Fate.UNANSWERED, Fate.LOST]
    for _ in range(2):
        clock.time += 2.1
        held.heartbeat()
    with pytest.raises(LeaseLost) as caught:
        held.check()
    assert caught.value.because == "it could not be renewed for 4.2 s, and expires after 4 s"


# holding it


def test_a_sign_of_life_counts_from_when_it_was_sent(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    store.back = both(lambda: clock.sleep(3.9))
    held.heartbeat()
    held.check()
    clock.time += 0.2
    with pytest.raises(LeaseLost):
        held.check()


def test_a_lease_counts_from_when_it_was_asked_for(store: ScriptedStore, clock: Clock) -> None:
    store.back = both(lambda: None, lambda: clock.sleep(3.9))  # after the look, while it is taken
    held = held_by(store, clock)
    held.check()
    clock.time += 0.2
    with pytest.raises(LeaseLost):
        held.check()


def test_a_machine_that_slept_holds_nothing_when_it_wakes(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    clock.time += 3600
    with pytest.raises(LeaseLost, match="gone"):
        held.check()
    held.heartbeat()
    with pytest.raises(LeaseLost):  # though nobody else took it meanwhile: what was lost stays lost
        held.check()


def test_checking_asks_nobody_and_confirming_asks_once(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    store.requests.clear()
    held.check()
    assert store.requests == []
    held.confirm()
    assert store.requests == ["read"]


def test_a_lease_that_was_ended_is_noticed_by_asking_and_then_known(
    store: ScriptedStore, clock: Clock
) -> None:
    held = held_by(store, clock)
    assert unlock(store, actor="eve").startswith("ana@laptop")
    held.check()
    for proof in (held.confirm, held.check):
        with pytest.raises(LeaseLost) as caught:
            proof()
        assert caught.value.because == "it was ended from outside, or another run has it"


def test_a_lease_that_was_ended_is_noticed_by_the_next_sign_of_life(
    store: ScriptedStore, clock: Clock
) -> None:
    held = held_by(store, clock)
    unlock(store, actor="eve")
    held.heartbeat()
    with pytest.raises(LeaseLost):
        held.check()


def test_what_cannot_be_shown_is_lost(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    store.fates["read"] = [Fate.LOST]
    with pytest.raises(LeaseLost) as caught:
        held.confirm()
    assert caught.value.because == "it can no longer be shown: nobody answers"


def test_confirming_does_not_count_as_a_sign_of_life(store: ScriptedStore, clock: Clock) -> None:
    """Whoever waits for the record to change does not see that somebody read it."""
    held = held_by(store, clock)
    clock.time += 3.9
    held.confirm()
    clock.time += 0.2
    with pytest.raises(LeaseLost):
        held.check()


def test_the_first_reason_for_a_loss_is_the_one_that_is_told(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    held.lost("the history is gone")
    clock.time += 10
    with pytest.raises(LeaseLost) as caught:
        held.check()
    assert caught.value.because == "the history is gone"


# moving the token


def test_a_sign_of_life_that_our_own_fence_refused_costs_nothing(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    # The fence is moved while the sign of life is on its way, once until the next token is stored, once to its end.
    store.there = both(lambda: held.advance(lambda: store.next_token(held)))
    held.heartbeat()
    store.back = both(held.heartbeat)
    held.advance(lambda: store.next_token(held))
    held.check()
    held.confirm()
    assert held.token == 3


def test_a_look_that_saw_the_token_move_looks_again(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    store.there = both(lambda: held.advance(lambda: store.next_token(held)))
    held.confirm()
    assert held.token == 2


def test_a_token_that_cannot_be_moved_is_a_lost_lease(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    unlock(store, actor="eve")
    with pytest.raises(LeaseLost):
        held.advance(lambda: store.next_token(held))
    with pytest.raises(LeaseLost):
        held.check()


def test_after_a_token_that_nobody_knows_whether_it_was_stored_the_lease_is_lost(
    store: ScriptedStore, clock: Clock
) -> None:
    held = held_by(store, clock)
    store.fates["fence"] = [Fate.UNANSWERED]
    with pytest.raises(Unreachable):
        held.advance(lambda: store.next_token(held))
    held.heartbeat()
    with pytest.raises(LeaseLost):
        held.check()


# giving it back


@pytest.mark.parametrize("fate", Fate)
def test_giving_it_back_raises_nothing_and_lets_nothing_of_ours_through(
    store: ScriptedStore, clock: Clock, fate: Fate
) -> None:
    held = held_by(store, clock)
    store.fates["release"] = [fate]
    held.release()
    assert store.record.token == 1
    ben = Candidate(store, BEN, Listening(), clock)
    successor = ben.attempt()
    if successor is None:  # where it never arrived, it expires
        clock.time += 4.1
        successor = ben.attempt()
    assert successor is not None
    assert not store.next_token(held)
    successor.confirm()


def test_a_lease_of_another_is_not_given_back(store: ScriptedStore, clock: Clock) -> None:
    held = held_by(store, clock)
    unlock(store, actor="eve")
    held_by(store, clock, BEN)
    held.release()
    assert store.record.is_of(BEN, 3)


def test_a_sign_of_life_that_comes_after_it_was_given_back_is_no_loss(
    store: ScriptedStore, clock: Clock
) -> None:
    held = held_by(store, clock)
    held.release()
    held.heartbeat()
    assert not held.is_lost


# ending it by force


def test_ending_names_who_had_it_and_is_audited(store: ScriptedStore, clock: Clock) -> None:
    held_by(store, clock)
    assert unlock(store, actor="eve").startswith("ana@laptop (since")
    assert (store.record.token, store.record.holder) == (2, "")
    assert store.audit == ["eve ended ana@laptop"]


def test_ending_what_nobody_has_ends_nothing(store: ScriptedStore) -> None:
    assert unlock(store, actor="eve") == ""
    assert store.audit == []
    assert store.record == LeaseRecord()


def test_ending_meets_whoever_took_it_meanwhile(store: ScriptedStore, clock: Clock) -> None:
    ana = held_by(store, clock)

    def passes_to_ben() -> None:
        ana.release()
        held_by(store, clock, BEN)

    store.there = both(lambda: None, passes_to_ben)
    assert unlock(store, actor="eve").startswith("ben@desk")
    assert store.audit == ["eve ended ben@desk"]


# the thread that keeps it alive


def test_it_is_kept_alive_for_the_time_of_the_context_and_no_longer(clock: Clock) -> None:
    store = ScriptedStore(clock, seconds=0.04)
    held = held_by(store, clock)
    with held.alive():
        until = time.monotonic() + 60
        while store.record.heartbeat < 3:
            assert time.monotonic() < until
            time.sleep(0.001)
    heartbeat = store.record.heartbeat
    assert store.record.holder == ""
    time.sleep(0.05)
    assert store.record.heartbeat == heartbeat
    assert not any(each.name == "lease of user/scripted" for each in threading.enumerate())


def test_the_first_sign_of_life_may_be_given_at_once(clock: Clock) -> None:
    store = ScriptedStore(clock, seconds=1000)
    held, is_given = held_by(store, clock), threading.Event()
    store.back = is_given.set
    with held.alive(at_once=True):
        assert is_given.wait(60)
    assert store.record.heartbeat == 1


def test_an_error_inside_gives_it_back_too(store: ScriptedStore, clock: Clock) -> None:
    with pytest.raises(ZeroDivisionError), held_by(store, clock).alive():
        raise ZeroDivisionError
    assert store.record.holder == ""


def test_nothing_is_renewed_any_more_once_it_is_lost(clock: Clock) -> None:
    store = ScriptedStore(clock, seconds=0.02)
    held = held_by(store, clock)
    with held.alive():
        unlock(store, actor="eve")
        until = time.monotonic() + 60
        while not held.is_lost:
            assert time.monotonic() < until
            time.sleep(0.001)
        time.sleep(0.05)
        renewals = store.requests.count("renew")
        time.sleep(0.05)
        assert store.requests.count("renew") == renewals


def test_a_thread_that_ends_by_a_bug_says_so_at_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    bugs: list[type[BaseException] | None] = []

    def strange() -> None:
        raise KeyError("no such answer")

    monkeypatch.setattr(threading, "excepthook", lambda told: bugs.append(told.exc_type))
    store = ScriptedStore(clock, seconds=0.02)
    held = held_by(store, clock)
    with held.alive():
        store.there = strange
        until = time.monotonic() + 60
        while not bugs:
            assert time.monotonic() < until
            time.sleep(0.001)
        store.there = lambda: None
        with pytest.raises(LeaseLost, match="its heartbeat ended: KeyError: 'no such answer'"):
            held.check()
    assert store.record.holder == ""
