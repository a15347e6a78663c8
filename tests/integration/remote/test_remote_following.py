"""Following a run whose worker is in this process: nothing is lost on the way, and every end has its own error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.errors import ExitCode, Interrupted, OutcomeUnknown, Refused, Unavailable
from seedbed.model.event import WorkProgressed
from seedbed.remote.control import Control
from seedbed.remote.following import Following, Pace
from seedbed.remote.records import Ask, Asked, Entry, Happened, Run, Written, encoded, new_id
from seedbed.remote.stopping import Stopping
from seedbed.remote.worker import Rhythm, Worker
from tests.support.aws_proxy import Proxy, faults
from tests.support.processes import until

PACE = Pace(fastest=0.02, slowest=0.05, task_early=0.05, task_late=0.1, settles=0.3, silent=20.0, sight=20.0)
IMPATIENT = replace(PACE, silent=0.5)
RHYTHM = Rhythm(beat=0.2, look=0.05, write=0.02, answer=5.0, end=30.0)


class Follows:
    """A run, and what its caller is given of it."""

    def __init__(self, control: Control, ask: Ask) -> None:
        self.control = control
        self.id = new_id()
        assert control.create(self.id, ask) == ""
        self.entries: list[Entry] = []
        self.lines: list[str] = []

    def follow(self, pace: Pace = PACE, stopping: Stopping | None = None, **more: Any) -> Run:
        return Following(
            self.control,
            None,
            self.id,
            entry=self.entries.append,
            tell=self.lines.append,
            stopping=stopping,
            pace=pace,
            **more,
        ).to_the_end()

    def claimed(self) -> Worker:
        worker = Worker(self.control, self.id, name="local:1", rhythm=RHYTHM, log=lambda _line: None)
        worker.claim()
        return worker

    def worked(self, work: Callable[[Worker, threading.Event], int]) -> threading.Thread:
        """Have a worker do `work`, which is given an event that is set once it is asked to stop."""
        worker, stopped = self.claimed(), threading.Event()

        def run() -> None:
            with worker.at_work(lambda _code: stopped.set()):
                worker.finish(work(worker, stopped), document=b"{}")

        thread = threading.Thread(target=run)
        thread.start()
        return thread


@pytest.fixture
def follows(control: Control, ask: Ask) -> Follows:
    return Follows(control, ask)


def steps(worker: Worker, _stopped: threading.Event, count: int = 200, pause: float = 0.002) -> int:
    for done in range(count):
        worker.event(WorkProgressed("user/postgres", "1", done, count, "rows"))
        time.sleep(pause)
    worker.written("stdout", "the end\n")
    return 7


def progress(entries: list[Entry]) -> list[int]:
    events = [each.event for each in entries if isinstance(each, Happened)]
    return [each.done for each in events if isinstance(each, WorkProgressed)]


def test_all_that_is_told_is_followed_to_the_end(follows: Follows) -> None:
    thread = follows.worked(steps)
    run = follows.follow()
    thread.join()
    assert progress(follows.entries) == list(range(200))
    assert follows.entries[-1] == Written("stdout", "the end\n")
    assert run.exit_code == 7
    assert run.document is not None
    assert follows.control.fetch(run.id, run.document) == b"{}"


def test_who_comes_later_is_given_all_of_it_or_what_comes_after(follows: Follows) -> None:
    follows.worked(steps).join()
    assert follows.follow().exit_code == 7
    first = len(follows.entries)
    assert progress(follows.entries) == list(range(200))
    follows.entries.clear()
    follows.follow(after=0)
    assert 0 < len(follows.entries) < first
    assert follows.entries[-1] == Written("stdout", "the end\n")


def test_a_caller_that_loses_its_network_goes_on(follows: Follows, aws: Proxy) -> None:
    thread = follows.worked(steps)

    def lose() -> None:
        until(lambda: len(follows.entries) > 10)
        aws.unreachable("dynamodb")
        until(lambda: any("the run goes on" in line for line in follows.lines))
        aws.clear()

    losing = threading.Thread(target=lose)
    losing.start()
    run = follows.follow()
    thread.join()
    losing.join()
    assert progress(follows.entries) == list(range(200))
    assert run.exit_code == 7
    assert follows.lines[-1] == ""


def test_an_answer_that_is_lost_in_the_middle_doubles_nothing(follows: Follows, aws: Proxy) -> None:
    with aws.drop("Query", when="answered", times=2), aws.throttle("GetItem", times=1):
        thread = follows.worked(steps)
        follows.follow()
        thread.join()
    assert progress(follows.entries) == list(range(200))


def test_a_caller_that_sees_nothing_for_long_leaves(follows: Follows, aws: Proxy) -> None:
    follows.claimed()
    with aws.unreachable("dynamodb"), pytest.raises(OutcomeUnknown, match="cannot be seen") as found:
        follows.follow(replace(PACE, sight=0.3))
    assert f"runs attach -e ENV {follows.id}" in found.value.try_


@pytest.mark.parametrize("code", ["ExpiredTokenException", "AccessDeniedException"])
def test_a_caller_whose_credentials_end_leaves_at_once(follows: Follows, aws: Proxy, code: str) -> None:
    follows.claimed()
    with aws.refuse("GetItem", code), pytest.raises(OutcomeUnknown, match="cannot be seen"):
        follows.follow()


def test_a_worker_that_vanished_is_an_unknown_outcome(follows: Follows, control: Control) -> None:
    worker = follows.claimed()
    with pytest.raises(OutcomeUnknown, match="how far it came is unknown") as found:
        follows.follow(IMPATIENT)
    assert "heartbeat" in found.value.because
    assert "status" in found.value.try_
    run = control.run(follows.id)
    assert run is not None
    assert run.state == "lost"
    assert control.writing() == ""
    with pytest.raises(OutcomeUnknown, match="how far it came"):  # and so for those who attach
        follows.follow()
    assert worker.run.id == follows.id


@pytest.mark.parametrize("is_claimed", [True, False], ids=["claimed", "asked"])
def test_an_end_that_cannot_be_written_is_unknown_and_waited_for_where_aws_may_answer_yet(
    follows: Follows, aws: Proxy, is_claimed: bool
) -> None:
    if is_claimed:
        follows.claimed()
    with aws.refuse("UpdateItem", "AccessDeniedException"), pytest.raises(OutcomeUnknown) as found:
        follows.follow(IMPATIENT)
    assert "its record cannot say so" in found.value.what
    with (
        aws.answer("UpdateItem", lambda call: faults.fault(call, "Sick", "later", 501), times=1) as silent,
        pytest.raises(OutcomeUnknown if is_claimed else Unavailable, match=r"the worker of|no worker took"),
    ):
        follows.follow(IMPATIENT)
    assert silent.hits == 1
    assert any("is not carried out any more (" in line for line in follows.lines)


def test_a_question_that_was_answered_is_not_asked_again(follows: Follows) -> None:
    worker = follows.claimed()
    asked = [encoded(Asked(number, f"sure {number}?")) for number in range(2)]
    follows.control.append(worker.run, 0, asked)
    follows.control.answer(follows.id, 0, "yes")
    with pytest.raises(OutcomeUnknown):
        follows.follow(IMPATIENT)
    assert follows.entries == [Written("stderr", "sure 0? [y/N]: yes\n"), Asked(1, "sure 1?")]
    follows.entries.clear()
    with pytest.raises(OutcomeUnknown):  # it is lost by now: there is nobody who would hear an answer
        follows.follow()
    assert follows.entries[1] == Written("stderr", "sure 1? [y/N]: no answer\n")


def test_a_run_that_no_worker_takes_touched_nothing(follows: Follows, control: Control) -> None:
    with pytest.raises(Unavailable, match="no worker took run") as found:
        follows.follow(IMPATIENT)
    assert found.value.exit_code is ExitCode.UNAVAILABLE
    assert any("waiting for a worker" in line for line in follows.lines)
    with pytest.raises(Unavailable, match="was not carried out") as found:
        follows.follow()
    assert "nothing was touched" in found.value.because
    assert control.claim(follows.id, "local:9", "t") is None


def test_lines_of_another_version_are_named(follows: Follows) -> None:
    worker = follows.claimed()
    follows.control.append(worker.run, 0, ['{"line":"sung","song":"la"}'])
    with pytest.raises(OutcomeUnknown) as found:  # it goes on
        follows.follow()
    assert "cannot be read by this seedbed: another version" in found.value.because


def test_there_is_no_such_run(control: Control) -> None:
    with pytest.raises(Refused, match="there is no run"):
        Following(control, None, new_id(), entry=lambda _entry: None, pace=PACE).to_the_end()


def test_what_the_callers_own_code_raises_ends_following(follows: Follows) -> None:
    thread = follows.worked(steps)

    def fails(_entry: Entry) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Following(follows.control, None, follows.id, entry=fails, pace=PACE).to_the_end()
    thread.join()


# --- stopping


def until_stopped(worker: Worker, stopped: threading.Event) -> int:
    worker.written("stdout", "working\n")
    stopped.wait(10)
    time.sleep(0.3)  # to its next safe point
    worker.written("stdout", "stopped\n")
    return 130


def stops(follows: Follows, *, interactive: bool, grace: float = 8.0) -> Stopping:
    return Stopping(
        follows.control,
        None,
        follows.id,
        interactive=interactive,
        tell=follows.lines.append,
        grace=grace,
    )


def test_ctrl_c_of_a_person_stops_the_run_and_shows_its_end(follows: Follows) -> None:
    stopping = stops(follows, interactive=True, grace=0.1)
    thread = follows.worked(until_stopped)
    threading.Timer(0.2, stopping.request).start()
    run = follows.follow(stopping=stopping)
    thread.join()
    assert (run.exit_code, run.stop) == (130, 130)
    assert follows.entries[-1] == Written("stdout", "stopped\n")


@pytest.mark.parametrize("code", [ExitCode.TERMINATED, ExitCode.INTERRUPTED])
def test_who_kills_soon_is_left_in_time_and_the_run_goes_on(follows: Follows, code: ExitCode) -> None:
    stopping = stops(follows, interactive=code is ExitCode.TERMINATED, grace=0.2)
    thread = follows.worked(until_stopped)
    began = time.monotonic()
    stopping.request(code)
    assert until(stopping._told.is_set, 5)  # on a busy machine that takes longer than the grace
    told = time.monotonic()
    with pytest.raises(Interrupted, match="goes on to its next safe point") as found:
        follows.follow(stopping=stopping)
    assert time.monotonic() - began >= 0.2
    assert time.monotonic() - told < 1.5
    assert found.value.exit_code is code
    assert f"runs attach -e ENV {follows.id}" in found.value.try_
    thread.join()
    run = follows.control.run(follows.id)
    assert run is not None
    assert (run.stop, run.state) == (int(code), "done")


def test_who_leaves_while_aws_is_silent_says_that_nobody_was_told(follows: Follows, aws: Proxy) -> None:
    stopping = stops(follows, interactive=False, grace=0.3)
    held = aws.hold(lambda call: call.service == "dynamodb")
    threading.Timer(0.1, stopping.request, (ExitCode.TERMINATED,)).start()
    with pytest.raises(Interrupted, match="could not be asked to stop") as found:
        follows.follow(stopping=stopping)
    assert found.value.exit_code is ExitCode.TERMINATED
    held.release()


def test_ctrl_c_after_the_end_changes_nothing(follows: Follows) -> None:
    follows.worked(steps).join()
    stopping = stops(follows, interactive=True)
    stopping.request()
    assert until(stopping._told.is_set, 5)
    assert follows.follow(stopping=stopping).exit_code == 7


def test_a_second_sigterm_and_a_third_ctrl_c_leave_at_once(follows: Follows) -> None:
    for codes in ([ExitCode.TERMINATED] * 2, [ExitCode.INTERRUPTED] * 3):
        stopping = stops(follows, interactive=True, grace=60.0)
        for code in codes:
            stopping.check()
            stopping.request(code)
        with pytest.raises(Interrupted):
            stopping.check()
    assert until(lambda: any("no task yet" in line for line in follows.lines), 5)


def test_a_stop_that_is_not_allowed_is_told(follows: Follows, aws: Proxy) -> None:
    with aws.refuse("UpdateItem", "AccessDeniedException"):
        stops(follows, interactive=True).request()
        assert until(lambda: any("cannot be asked to stop" in line for line in follows.lines), 5)
