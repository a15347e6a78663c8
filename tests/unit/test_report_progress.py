"""Progress as lines."""

from __future__ import annotations

import io
import threading
import time

import pytest

from seedbed.model.event import (
    Event,
    LeaseAwaited,
    TargetAwaited,
    TargetConnected,
    TargetDone,
    TargetFailed,
    WorkFinished,
    WorkProgressed,
    WorkStarted,
)
from seedbed.report.console import Output
from seedbed.report.listening import listener_for
from seedbed.report.progress import Plain, Progress, Quiet
from seedbed.report.tracking import Meter, Track
from tests.unit.golden.report import samples
from tests.unit.golden.report.files import same_as


class Clock:
    """Time that goes by when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _output(err: io.StringIO, *, quiet: int = 0, verbose: int = 0) -> Output:
    return Output(io.StringIO(), err, quiet=quiet, verbose=verbose, redact=lambda text: text, environ={})


def _told(
    *events: Event, seconds: float = 0.0, quiet: int = 0, verbose: int = 0, tells_failures: bool = False
) -> str:
    err, clock = io.StringIO(), Clock()
    output = _output(err, quiet=quiet, verbose=verbose)
    targets = ["payment/postgres", "reviews/postgres", "user/postgres"]
    with listener_for(output, targets=targets, clock=clock, tells_failures=tells_failures) as listener:
        for event in events:
            listener(event)
            clock.now += seconds
    return err.getvalue()


@pytest.mark.parametrize("verbose", [0, 1])
def test_every_event_has_its_line(verbose: int) -> None:
    events = (*samples.eventful(), *samples.seeded())
    assert same_as(f"plain-v{verbose}.txt", _told(*events, verbose=verbose))


def test_batches_are_told_every_other_second() -> None:
    batches = [WorkProgressed("a/b", "1", done * 1000, 100_000, "rows") for done in range(1, 101)]
    said = _told(WorkStarted("a/b", "1", "fill", "up"), *batches, seconds=0.5).splitlines()
    assert len(said) == 25
    assert said[10].split("  ", 1)[1].strip() == (
        "1_fill  41 %  41 000 of 100 000 rows  2 000 rows/s  30 s left"
    )


def test_waiting_for_a_lease_is_told_every_ten_seconds() -> None:
    waits = [LeaseAwaited("a/b", "ana@laptop pid 4711", float(second)) for second in range(25)]
    said = _told(*waits, seconds=1.0).splitlines()
    assert [each.rsplit("  ", 1)[1] for each in said] == ["<1 ms", "10 s", "20 s"]


def test_what_a_server_is_awaited_for_is_told() -> None:
    said = _told(TargetAwaited("a/b", 10.0, wakes=False), TargetAwaited("c/d", 1.0), seconds=1.0)
    assert [each.split("  ", 1)[1].strip() for each in said.splitlines()] == [
        "no answer from its server yet  10 s",
        "waits for its server to wake  1.0 s",
    ]


def test_what_runs_for_long_without_a_word_is_told_all_the_same() -> None:
    err, clock = io.StringIO(), Clock()
    plain = Plain(_output(err), clock=clock)
    plain(WorkStarted("a/b", "1", "index", "up"))
    for _ in range(75):
        clock.now += 1
        plain.tick()
    plain(WorkFinished("a/b", "1", "index", "up", 75.0))
    clock.now += 1000
    plain.tick()
    assert err.getvalue().splitlines() == [
        "a/b  1_index  running for 10 s",
        "a/b  1_index  running for 40 s",
        "a/b  1_index  running for 1 min 10 s",
        "a/b  1_index  applied  1 min 15 s",
    ]


def test_on_github_a_failure_is_an_annotation() -> None:
    err = io.StringIO()
    output = Output(io.StringIO(), err, redact=lambda text: text, environ={"GITHUB_ACTIONS": "true"})
    with listener_for(output) as listener:
        listener(samples.FAILED)
    assert err.getvalue().splitlines()[1].startswith("::error title=seedbed%3A reviews/postgres,file=")


def test_without_a_terminal_or_quiet_the_listener_is_the_plain_one() -> None:
    with (
        listener_for(_output(io.StringIO())) as plain,
        listener_for(_output(io.StringIO(), quiet=1)) as quiet,
    ):
        assert isinstance(plain, Plain)
        assert isinstance(quiet, Quiet)


def test_what_comes_after_the_end_is_not_shown() -> None:
    err = io.StringIO()
    with listener_for(_output(err)) as listener:
        pass
    listener(samples.FAILED)
    assert err.getvalue() == ""


def test_an_error_inside_ends_the_display_and_comes_out() -> None:
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), listener_for(_output(io.StringIO())):
        raise KeyboardInterrupt
    assert threading.active_count() == before


def test_a_listener_takes_events_one_at_a_time() -> None:
    class Checking(Progress):
        inside = 0
        most = 0
        seen = 0

        def show(self, event: Event, track: Track) -> None:
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.0005)
            self.seen += 1
            self.inside -= 1

    err = io.StringIO()
    with Checking(_output(err)) as listener:
        _from_many_threads(listener, 8, 25)
    assert (listener.most, listener.seen) == (1, 200)


def test_lines_about_many_targets_stay_whole() -> None:
    err = io.StringIO()
    with listener_for(_output(err), targets=[f"s{number}/x" for number in range(8)]) as listener:
        _from_many_threads(listener, 8, 100)
    lines = err.getvalue().splitlines()
    assert len(lines) == 800
    for number in range(8):
        own = [each for each in lines if each.startswith(f"s{number}/x  ")]
        assert own == [f"s{number}/x  {turn}_n{number}  applied  1.0 s" for turn in range(100)]


def _from_many_threads(listener: Progress, threads: int, turns: int) -> None:
    def tell(number: int) -> None:
        for turn in range(turns):
            listener(WorkFinished(f"s{number}/x", str(turn), f"n{number}", "up", 1.0))

    workers = [threading.Thread(target=tell, args=(number,)) for number in range(threads)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()


def test_a_rate_is_that_of_the_last_half_minute() -> None:
    meter = Meter("rows")
    for second in range(100):
        meter.take(second * 10 if second < 50 else 500 + (second - 50) * 100, 10_000, float(second))
    assert meter.rate == pytest.approx(100, rel=0.01)
    assert meter.left == pytest.approx((10_000 - 5400) / 100, rel=0.01)


def test_a_backfill_that_goes_on_is_not_credited_with_what_was_done_before() -> None:
    track = Track("a/b")
    track.take(WorkStarted("a/b", "1", "fill", "up", resumed=True), 0.0)
    track.take(WorkProgressed("a/b", "1", 90_000, 100_000, "rows"), 1.0)
    assert track.meter is not None
    assert track.meter.words() == "90 %  90 000 of 100 000 rows"
    track.take(WorkProgressed("a/b", "1", 91_000, 100_000, "rows"), 2.0)
    assert track.meter.words() == "91 %  91 000 of 100 000 rows  1 000 rows/s  9.0 s left"


def test_a_total_that_nobody_knows_is_not_made_up() -> None:
    meter = Meter("items")
    meter.take(1000, 0, 0.0)
    assert meter.words() == "1 000 items"
    assert meter.fraction is None


def test_a_track_says_what_was_done_in_the_end() -> None:
    track = Track("a/b")
    events: list[Event] = [
        TargetConnected("a/b", "x"),
        WorkStarted("a/b", "1", "one", "down"),
        WorkFinished("a/b", "1", "one", "down", 0.1),
        TargetDone("a/b"),
    ]
    for second, event in enumerate(events):
        track.take(event, float(second))
    assert track.summary() == "1 reverted  3.0 s"
    assert track.is_over


def test_a_failure_is_told_in_full_only_where_the_result_is_for_machines() -> None:
    failed = TargetFailed("user/postgres", "no connection", "it is down", "start it", None, 4)
    assert _told(failed) == "user/postgres     failed\n"
    assert _told(failed, tells_failures=True).splitlines() == [
        "user/postgres     failed: no connection",
        "user/postgres       because: it is down",
        "user/postgres       try:     start it",
    ]


def test_what_was_interrupted_is_not_called_failed() -> None:
    assert _told(TargetFailed("user/postgres", "stopped", "", "", None, 130)) == "user/postgres     stopped\n"


def test_quiet_says_nothing_because_the_result_says_it() -> None:
    err = io.StringIO()
    with listener_for(_output(err, quiet=1)) as listener:
        listener(samples.FAILED)
    assert err.getvalue() == ""


def test_a_second_round_on_the_same_target_is_counted_anew() -> None:
    track = Track("a/b")
    for second, direction in ((0.0, "up"), (100.0, "down")):
        track.take(WorkStarted("a/b", "1", "one", direction), second)
        track.take(WorkFinished("a/b", "1", "one", direction, 0.1), second + 1)
        track.take(TargetDone("a/b"), second + 2)
    assert track.summary() == "1 reverted  2.0 s"
