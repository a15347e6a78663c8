"""The worker's side: what it tells arrives, whatever happens to the connection, and the work never waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from msgspec.structs import replace

from seedbed.documents.document import VERSION
from seedbed.errors import Busy, ExitCode, Interrupted, Refused, UsageError
from seedbed.model.event import TargetFailed, WorkFinished, WorkProgressed
from seedbed.model.secret import Redactor, Secret
from seedbed.remote.control import Control
from seedbed.remote.records import Ask, Asked, Entry, Expected, Happened, Written, decoded, new_id
from seedbed.remote.worker import Rhythm, Worker, require_same, this_task
from seedbed.remote.writing import Writer
from tests.support.aws_proxy import Proxy, on
from tests.support.processes import until
from tests.support.remote import asked

RHYTHM = Rhythm(beat=0.2, look=0.05, write=0.02, answer=5.0, end=5.0)


class Works:
    """A worker that has claimed a run, and what it was told to log and to stop with."""

    def __init__(self, control: Control, ask: Ask, rhythm: Rhythm = RHYTHM, redact: object = str) -> None:
        self.control = control
        self.id = new_id()
        assert control.create(self.id, ask) == ""
        self.log: list[str] = []
        self.stops: list[ExitCode] = []
        self.worker = Worker(
            control,
            self.id,
            name="local:1",
            rhythm=rhythm,
            log=self.log.append,
            redact=redact,  # type: ignore[arg-type]
        )
        self.worker.claim()

    @contextmanager
    def at_work(self) -> Iterator[Worker]:
        with self.worker.at_work(self.stops.append):
            yield self.worker

    def has_told(self, count: int) -> bool:
        return len(self.told) >= count

    @property
    def told(self) -> list[Entry]:
        return [decoded(line) for _, lines in self.control.lines(self.id) for line in lines]


def progress(done: int) -> WorkProgressed:
    return WorkProgressed("user/postgres", "1", done, 100, "rows")


FINISHED = WorkFinished("user/postgres", "1", "a", "up", 1.5)


def test_all_that_is_told_arrives_once_and_in_order(control: Control, aws: Proxy, ask: Ask) -> None:
    works = Works(control, replace(ask, output_names=("plan.json",)))
    expected: list[Entry] = [Expected({"user/postgres": 100})]
    with works.at_work() as worker, aws.drop("PutItem", when="answered", times=1) as lost:
        worker.expected({"user/postgres": 100})
        for done in range(100):
            worker.event(progress(done))
            worker.written("stdout", f"{done}\n")
            expected += [Happened(progress(done)), Written("stdout", f"{done}\n")]
            time.sleep(0.002)
        assert worker.finish(7, document=b"{}", outputs={"plan.json": b"x" * 400_000})
    assert lost.hits == 1
    assert works.told == expected
    run = control.run(works.id)
    assert run is not None
    assert (run.state, run.exit_code) == ("done", 7)
    assert run.document is not None
    assert control.fetch(works.id, run.document) == b"{}"
    assert control.fetch(works.id, run.outputs["plan.json"]) == b"x" * 400_000
    assert works.log == []


def test_a_long_text_is_told_in_pieces(control: Control, ask: Ask) -> None:
    works, text = Works(control, ask), "\x1b[31mä\n" * 50_000
    with works.at_work() as worker:
        worker.written("stdout", text)
        worker.finish(0)
    assert "".join(each.text for each in works.told if isinstance(each, Written)) == text


def test_a_second_worker_leaves(control: Control, ask: Ask) -> None:
    works = Works(control, ask)
    with pytest.raises(Busy, match="not to be carried out here") as found:
        Worker(control, works.id, name="local:2").claim()
    assert "claimed by local:1" in found.value.because
    assert found.value.exit_code is ExitCode.UNAVAILABLE
    with pytest.raises(UsageError, match="there is no run"):
        Worker(control, new_id(), name="local:2").claim()


def test_it_beats_and_sees_that_it_is_to_stop(control: Control, ask: Ask) -> None:
    works = Works(control, ask)
    with works.at_work():
        first = control.run(works.id)
        assert first is not None
        control.request_stop(works.id, 143)
        assert until(lambda: works.stops == [ExitCode.TERMINATED], 5)
        assert until(lambda: (control.run(works.id) or first).beat > first.beat, 5)
        time.sleep(0.2)
    assert works.stops == [ExitCode.TERMINATED]  # once


def test_it_goes_on_while_nothing_can_be_written(control: Control, aws: Proxy, ask: Ask) -> None:
    works = Works(control, ask)
    with works.at_work() as worker:
        with aws.unreachable("dynamodb") as away:
            began = time.monotonic()
            for done in range(200):
                worker.event(progress(done))
            assert time.monotonic() - began < 0.2  # the work waited for nothing
            away.wait(3)
        assert worker.finish(0, document=b"{}")
    assert works.told == [Happened(progress(done)) for done in range(200)]
    run = control.run(works.id)
    assert run is not None
    assert run.exit_code == 0


def test_a_table_that_is_throttled_for_a_while_loses_and_doubles_nothing(
    control: Control, aws: Proxy, ask: Ask
) -> None:
    works = Works(control, ask)
    code = "ProvisionedThroughputExceededException"
    with works.at_work() as worker, aws.throttle("PutItem", times=4, code=code) as throttled:
        for done in range(100):
            worker.event(progress(done))
            time.sleep(0.002)
        throttled.wait(4)
        assert worker.finish(0)
    assert works.told == [Happened(progress(done)) for done in range(100)]
    assert any(
        "cannot be written down, and waits: AWS throttled dynamodb:PutItem" in line for line in works.log
    )


def test_the_log_has_the_outcome_where_the_record_cannot(control: Control, aws: Proxy, ask: Ask) -> None:
    works = Works(control, ask, replace(RHYTHM, end=0.3))
    refused = aws.refuse(lambda call: call.mutates, "AccessDeniedException", "no more")
    with works.at_work() as worker, refused:
        worker.event(FINISHED)
        assert not worker.finish(5, document=b'{"schema": "seedbed/apply/1"}')
    assert any(f"run {works.id} ended with exit code 5" in line for line in works.log)
    assert '{"schema": "seedbed/apply/1"}' in works.log


def test_progress_is_dropped_before_memory_is_full_and_results_never(
    control: Control, aws: Proxy, ask: Ask
) -> None:
    works = Works(control, ask)
    log: list[str] = []
    writer = Writer(control, works.worker.run, pause=0.01, log=log.append, limit=20_000)
    with aws.hold("PutItem") as held:
        writer.start()
        writer.put(Written("stdout", "first"))
        held.wait_until_inside()
        for done in range(1000):
            writer.put(Happened(progress(done)))
            if done % 10 == 0:
                writer.put(Happened(replace(FINISHED, version=str(done))))
        assert writer.dropped > 500
    assert writer.close(5)
    told = works.told
    assert told[0] == Written("stdout", "first")
    events = [each.event for each in told if isinstance(each, Happened)]
    results = [each.version for each in events if isinstance(each, WorkFinished)]
    assert results == [str(done) for done in range(0, 1000, 10)]
    assert told[-1] == Happened(progress(999))
    assert len(told) < 600


def test_it_asks_and_is_answered(control: Control, ask: Ask) -> None:
    works = Works(control, ask)
    answers: list[str] = []
    with works.at_work() as worker:

        def work() -> None:
            answers.extend([worker.answer("sure?"), worker.answer("really?")])

        asking = threading.Thread(target=work)
        asking.start()
        for number, text in enumerate(["yes", "no"]):
            assert until(partial(works.has_told, number + 1), 5)
            control.answer(works.id, number, text)
        asking.join()
    assert answers == ["yes", "no"]
    assert works.told == [Asked(0, "sure?"), Asked(1, "really?")]


def test_without_an_answer_nothing_is_done(control: Control, ask: Ask) -> None:
    works = Works(control, ask, replace(RHYTHM, answer=0.1))

    def stopped() -> None:
        raise Interrupted("stopped")

    with works.at_work() as worker:
        with pytest.raises(Refused, match="no answer"):
            worker.answer("sure?")
        with pytest.raises(Interrupted):
            worker.answer("sure?", check=stopped)


def test_what_was_taken_for_lost_ends_as_it_ended(control: Control, ask: Ask) -> None:
    works = Works(control, ask)
    with works.at_work() as worker:
        assert control.mark_lost(worker.run, "no heartbeat")
        assert until(lambda: any("taken for lost" in line for line in works.log), 5)
        worker.event(FINISHED)
        assert worker.finish(0)
    run = control.run(works.id)
    assert run is not None
    assert (run.state, run.exit_code) == ("done", 0)
    assert works.told == [Happened(FINISHED)]


def test_no_secret_is_told(control: Control, ask: Ask) -> None:
    redactor = Redactor([Secret("sesame-open")])
    works = Works(control, ask, redact=redactor)
    failed = TargetFailed("user/postgres", "no sesame-open", "it is sesame-open", "", None, 7)
    with works.at_work() as worker:
        worker.event(failed)
        worker.written("stderr", "sesame-open\n")
        worker.finish(0)
    assert "sesame-open" not in str(works.told)
    assert "no ********" in str(works.told)


def test_another_version_and_other_files_are_refused() -> None:
    ask = asked("dev-ana", platform_digest="a" * 64)
    require_same(ask, "a" * 64)
    with pytest.raises(Refused, match=f"the task has seedbed {VERSION}"):
        require_same(replace(ask, seedbed="0.0.1"), "a" * 64)
    with pytest.raises(Refused, match="other files"):
        require_same(ask, "b" * 64)


def test_a_process_outside_of_a_task_has_a_name_too() -> None:
    assert this_task({}).startswith("local:")
    assert this_task({"ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:9/v4/x"}).startswith("local:")


def test_a_claim_that_is_answered_late_is_the_same_claim(control: Control, aws: Proxy, ask: Ask) -> None:
    id_ = new_id()
    control.create(id_, ask)
    with aws.drop(on("UpdateItem", containing="token"), when="answered", times=1) as lost:
        assert Worker(control, id_, name="local:1").claim().worker == "local:1"
    assert lost.hits == 1
