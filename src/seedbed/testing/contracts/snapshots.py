"""The contract of engines whose databases are restored beside themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from seedbed.model.snapshot import Copy, Snapshot, drill_name
from seedbed.testing.harness import SnapshotsHarness

RELEASE, COPY = 12, "r12"
_PATIENCE, _PAUSE = 120.0, 0.02  # seconds
T = TypeVar("T")


class Killed(BaseException):
    """The process is gone: it asks for nothing more, and hears no answer."""


class Counted:
    """How many requests were made."""

    number = 0


class SnapshotContract:
    """For engines that have `SupportsSnapshots`; whoever tests one has a fixture `kept`, a `SnapshotsHarness`.

    `kills`: at which requests the process is killed. Each is one more time that a snapshot is taken, restored, dropped.
    """

    kills: Sequence[int] = (1,)

    def test_a_snapshot_is_taken_once_and_changes_nothing(self, kept: SnapshotsHarness) -> None:
        before = kept.content()
        first = _taken(kept)
        assert first.evidence(0).verdict == "good"
        kept.change()
        assert _taken(kept) == first
        with kept.reached() as ours:
            assert [each.id for each in ours.listed()] == [first.id]
        assert kept.content() != before  # by the change alone
        assert _taken(kept, number=2).number == 2
        with kept.reached() as ours:
            assert [each.number for each in ours.listed()] == [2, 1]

    def test_what_is_still_being_made_is_no_evidence(self, kept: SnapshotsHarness) -> None:
        with kept.unfinished() as are_slow, kept.reached() as ours:
            if not are_slow:
                return  # what is taken is there at once
            shown = ours.take(RELEASE, 1)
            assert shown.state == "making"
            assert shown.evidence(0).verdict == "bad"
            assert {each.state for each in ours.listed()} <= {"making"}
        assert _taken(kept).state == "available"

    def test_what_lost_a_part_is_no_evidence(self, kept: SnapshotsHarness) -> None:
        taken = _taken(kept)
        if not kept.spoil(taken):
            return  # it is there as a whole, or not at all
        with kept.reached() as ours:
            (found,) = ours.listed()
            assert (found.state, bool(found.because)) == ("partial", True)
            assert found.evidence(0).verdict == "bad"
            ours.delete(found)
            _until(ours.listed, lambda left: not left)
        assert _taken(kept).evidence(0).verdict == "good"

    def test_what_is_deleted_is_gone_and_the_database_stays(self, kept: SnapshotsHarness) -> None:
        before, taken = kept.content(), _taken(kept)
        other = _taken(kept, number=2)
        with kept.reached() as ours:
            ours.delete(taken)
            ours.delete(taken)
            _until(ours.listed, lambda found: [each.id for each in found] == [other.id])
        assert kept.content() == before

    def test_what_has_our_name_and_is_not_ours_stays_as_it_is(self, kept: SnapshotsHarness) -> None:
        stays = kept.foreign(RELEASE)
        if stays is None:
            return  # whatever has such a name is ours
        with kept.reached() as ours:
            assert ours.listed() == []
        with suppress(kept.refusal):
            assert _taken(kept).state == "available"
            with kept.reached() as ours:
                ours.delete(ours.listed()[0])
        assert stays()

    def test_a_copy_is_as_the_database_was_and_leaves_that_alone(self, kept: SnapshotsHarness) -> None:
        was, _ = kept.content(), _taken(kept)
        kept.change()
        now = kept.content()
        copy = _restored(kept)
        assert kept.copied(copy) == was
        assert kept.content() == now
        assert _restored(kept) == copy
        with kept.reached() as ours:
            assert [each.name for each in ours.copies()] == [COPY]
            assert [each.state for each in ours.copies()] == ["available"]
        assert kept.copied(copy) == was

    def test_the_copy_of_another_snapshot_is_not_taken_for_one_of_this(self, kept: SnapshotsHarness) -> None:
        _taken(kept)
        _restored(kept)
        other = _taken(kept, number=2)
        if kept.knows_source:
            with kept.reached() as ours, pytest.raises(kept.refusal):
                _until(lambda: ours.restore(other, COPY), _is_there)

    def test_what_is_dropped_is_the_copy_alone(self, kept: SnapshotsHarness) -> None:
        before, taken = kept.content(), _taken(kept)
        _restored(kept)
        _dropped(kept)
        _dropped(kept)
        assert kept.content() == before
        with kept.reached() as ours:
            assert ours.copies() == []
            assert [each.id for each in ours.listed()] == [taken.id]
        assert kept.copied(_restored(kept)) == before  # as often as it is wanted

    def test_the_copy_of_a_drill_is_opened_like_the_database(self, kept: SnapshotsHarness) -> None:
        _taken(kept)
        with kept.reached() as ours, kept.engine.connect(kept.target) as live:
            copy = _until(lambda: ours.restore(ours.listed()[0], drill_name(RELEASE)), _is_there)
            address = ours.address(copy)
            with kept.engine.connect(replace(kept.target, address=address)) as restored:
                assert restored.history() == live.history()
                assert ours.counts(restored) == ours.counts(live)
                assert sum(ours.counts(live).values()) > 0
            _until(lambda: ours.drop(drill_name(RELEASE)), bool)
            assert ours.copies() == []

    def test_a_name_is_as_long_as_it_may_be(self, kept: SnapshotsHarness) -> None:
        for release, number in ((1, 1), (99_999, 99)):
            for each in kept.names(release, number):
                assert len(each.name) <= each.longest, each
                assert each.allowed.fullmatch(each.name), each

    def test_whoever_is_killed_at_any_request_is_followed_by_one_that_goes_on(
        self, kept: SnapshotsHarness
    ) -> None:
        was = kept.content()
        for number in self.kills:
            were_killed = [self._follow(kept, number, answered, was) for answered in (False, True)]
            if not any(were_killed):
                break  # all was done before so many requests

    def _follow(self, kept: SnapshotsHarness, number: int, answered: bool, was: object) -> bool:
        """Kill whoever takes, restores and drops at a request, each time; return whether one of them was."""
        with kept.reached() as ours:
            for each in ours.listed():
                ours.delete(each)
            _until(ours.listed, lambda left: not left)
        were_killed = [_killed(kept, number, answered, work) for work in (_taken, _restored)]
        with kept.reached() as ours:
            assert [each.state for each in ours.listed()] == ["available"]
            (copy,) = ours.copies()
        assert kept.copied(_restored(kept)) == was
        assert copy.state == "available"
        were_killed.append(
            _killed(kept, number, answered, _dropped, between=lambda: _is_whole_if_there(kept, was))
        )
        with kept.reached() as ours:
            assert ours.copies() == []
        assert kept.content() == was
        return any(were_killed)


def _killed(
    kept: SnapshotsHarness,
    number: int,
    answered: bool,
    work: Callable[[SnapshotsHarness], Any],
    *,
    between: Callable[[], None] = lambda: None,
) -> bool:
    """Do `work` in a process that is killed at a request, and let another one end it; return whether it was.

    `between`: what is looked at in between.
    """
    with suppress(Killed), _killing(kept, number, answered=answered) as counted:
        work(kept)
    between()
    work(kept)
    return counted.number >= number


def _is_whole_if_there(kept: SnapshotsHarness, was: object) -> None:
    """Whoever asks for a copy that is half taken away is refused, or waits, or gets all of it."""
    with kept.reached() as ours, suppress(kept.refusal):
        copy = ours.restore(ours.listed()[0], COPY)
        if _is_there(copy):
            assert kept.copied(copy) == was


@contextmanager
def _killing(kept: SnapshotsHarness, number: int, *, answered: bool) -> Iterator[Counted]:
    """Kill the process at its request `number`: before it is sent, or before its answer is heard."""
    counted = Counted()

    def killing(real: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*words: Any, **named: Any) -> Any:
            counted.number += 1
            if counted.number < number:
                return real(*words, **named)
            if counted.number == number and answered:
                real(*words, **named)
            raise Killed

        return asked

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in kept.requests:
            patch.setattr(owner, name, killing(getattr(owner, name)))
        yield counted


def _taken(kept: SnapshotsHarness, *, number: int = 1) -> Snapshot:
    with kept.reached() as ours:
        return _until(lambda: ours.take(RELEASE, number), lambda each: each.state != "making")


def _restored(kept: SnapshotsHarness) -> Copy:
    with kept.reached() as ours:
        taken = _until(ours.listed, lambda found: bool(found) and found[-1].state == "available")[-1]
        return _until(lambda: ours.restore(taken, COPY), _is_there)


def _dropped(kept: SnapshotsHarness) -> None:
    with kept.reached() as ours:
        _until(lambda: ours.drop(COPY), bool)


def _is_there(copy: Copy) -> bool:
    return copy.state == "available"


def _until(ask: Callable[[], T], is_done: Callable[[T], bool]) -> T:
    """Ask again until it is done: nothing that an engine is asked for waits."""
    until = time.monotonic() + _PATIENCE
    while not is_done(answer := ask()):
        assert time.monotonic() < until, f"it is not done after {_PATIENCE:g} s: {answer}"
        time.sleep(_PAUSE)
    return answer
