"""The records of runs: what callers and workers write at once, twice, or without being told that they did."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from msgspec.structs import replace

from seedbed.aws.faults import Denied
from seedbed.errors import OutcomeUnknown, Refused, Unavailable, Unreachable, UsageError
from seedbed.remote.control import GONE, INLINE, Control
from seedbed.remote.records import Ask, Run, blob_of, new_id
from seedbed.remote.starting import Starter
from tests.support.aws_proxy import Call, Proxy, on
from tests.support.aws_proxy.http import Response


def created(control: Control, ask: Ask) -> Run:
    id_ = new_id()
    assert control.create(id_, ask) == ""
    run = control.run(id_)
    assert run is not None
    return run


def claimed(control: Control, ask: Ask, worker: str = "local:1") -> Run:
    run = control.claim(created(control, ask).id, worker, "t")
    assert run is not None
    return run


def test_what_was_asked_for_is_what_is_read(control: Control, ask: Ask) -> None:
    ask = replace(ask, inputs={"plan.json": blob_of(b"{}")}, output_names=("out.json",), kept=60)
    run = created(control, ask)
    assert run.ask == ask
    assert run.ask.fingerprint == ask.fingerprint
    assert (run.state, run.worker, run.stop, run.exit_code, run.is_over) == ("asked", "", 0, None, False)
    assert control.run(new_id()) is None


def test_the_same_call_has_the_same_fingerprint_whoever_makes_it(ask: Ask) -> None:
    other = replace(ask, by="somebody", at="2027-01-01T00:00:00+00:00", files="0" * 64)
    assert other.fingerprint == ask.fingerprint
    for changed in (
        {"command": "revert"},
        {"argv": ()},
        {"platform_digest": "1"},
        {"inputs": {"plan.json": blob_of(b"1")}},
    ):
        assert replace(ask, **changed).fingerprint != ask.fingerprint


def test_one_run_writes_at_a_time_and_others_read_beside_it(control: Control, ask: Ask) -> None:
    first = claimed(control, ask)
    assert control.create(new_id(), ask) == first.id
    read = created(control, replace(ask, command="status", writes=False))
    control.finish(first, 0)
    assert control.writing() == ""
    second = created(control, ask)
    listed = control.runs()
    assert [each.id for each in listed] == [second.id, read.id, first.id]
    assert [each.state for each in listed] == ["asked", "asked", "done"]
    assert [each.exit_code for each in listed] == [None, None, 0]
    assert [each.id for each in control.runs(most=1)] == [second.id]
    assert control.asked() == [read.id, second.id]


def test_a_run_that_was_in_the_way_and_is_over_by_the_time_that_it_is_looked_for_leaves_nothing_written(
    control: Control, ask: Ask, aws: Proxy
) -> None:
    first, id_ = claimed(control, ask), new_id()

    def ends(_call: Call, refused: Response) -> Response:
        control.finish(first, 0)
        return refused

    with aws.rewrite("TransactWriteItems", ends, times=1):
        assert control.create(id_, ask) == GONE
    assert control.run(id_) is None
    assert control.create(id_, ask, instead_of=GONE) == ""


def test_of_many_that_write_at_once_one_does(control: Control, ask: Ask) -> None:
    with ThreadPoolExecutor(8) as pool:
        ways = list(pool.map(lambda _: control.create(new_id(), ask), range(8)))
    assert ways.count("") == 1
    assert {each for each in ways if each} == {control.writing()}


def test_of_many_workers_one_claims(control: Control, ask: Ask) -> None:
    run = created(control, ask)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: control.claim(run.id, f"local:{n}", f"t{n}"), range(8)))
    one = [each for each in claims if each is not None]
    now = control.run(run.id)
    assert now is not None
    assert [each.worker for each in one] == [now.worker]
    assert control.asked() == []


@pytest.mark.parametrize("operation", ["TransactWriteItems", "UpdateItem", "PutItem"])
def test_a_write_whose_answer_was_lost_is_made_once(
    control: Control, aws: Proxy, ask: Ask, operation: str
) -> None:
    with aws.drop(operation, when="answered", times=1) as lost:
        id_ = new_id()
        assert control.create(id_, ask) == ""
        run = control.claim(id_, "local:1", "token")
        assert run is not None
        for number in range(3):
            control.append(run, number, [f"line {number}"])
        assert control.answer(id_, 0, "yes") == "yes"
        control.finish(run, 7)
    assert lost.hits == 1
    assert [lines for _, lines in control.lines(id_)] == [["line 0"], ["line 1"], ["line 2"]]
    now = control.run(id_)
    assert now is not None
    assert (now.state, now.exit_code, now.answers) == ("done", 7, ("yes",))
    assert control.writing() == ""


def test_lines_are_read_after_a_number_and_never_across_a_gap(control: Control, ask: Ask) -> None:
    run = claimed(control, ask)
    for number in (0, 1, 3):
        control.append(run, number, [str(number)])
    assert list(control.lines(run.id)) == [(0, ["0"]), (1, ["1"])]
    assert list(control.lines(run.id, 0)) == [(1, ["1"])]
    control.append(run, 2, ["2"])
    assert [number for number, _ in control.lines(run.id, 1)] == [2, 3]


def test_more_lines_than_a_page_and_than_an_item_has_room_for(control: Control, ask: Ask) -> None:
    run = claimed(control, ask)
    parts = [[f"{number}{'x' * 90_000}"] for number in range(14)]
    for number, lines in enumerate(parts):
        control.append(run, number, lines)
    large = ["ä" * (INLINE // 2 + 1), "b"]
    control.append(run, len(parts), large)
    assert [lines for _, lines in control.lines(run.id)] == [*parts, large]


def test_the_first_stop_counts(control: Control, ask: Ask) -> None:
    run = claimed(control, ask)
    control.request_stop(run.id, 143)
    control.request_stop(run.id, 130)
    beaten = control.beat(run.id)
    assert beaten is not None
    assert beaten.stop == 143
    assert beaten.beat >= run.beat


def test_the_first_answer_counts(control: Control, ask: Ask) -> None:
    run = claimed(control, ask)
    assert control.answer(run.id, 0, "yes") == "yes"
    assert control.answer(run.id, 0, "no") == "yes"
    assert control.answer(run.id, 1, "no") == "no"


def test_a_run_that_was_claimed_cannot_be_closed_and_one_that_was_closed_cannot_be_claimed(
    control: Control, ask: Ask
) -> None:
    run = claimed(control, ask)
    assert not control.close(run, 4, "no room")
    assert control.mark_lost(run, "it died")
    assert control.beat(run.id) is None
    other = created(control, ask)
    assert control.close(other, 4, "no room")
    assert control.claim(other.id, "local:2", "t") is None
    now = control.run(other.id)
    assert now is not None
    assert (now.state, now.exit_code, now.because) == ("done", 4, "no room")
    assert control.writing() == ""


def test_a_worker_that_was_taken_for_lost_says_in_the_end_how_it_ended(control: Control, ask: Ask) -> None:
    run = claimed(control, ask)
    assert control.mark_lost(run, "no heartbeat")
    next_one = created(control, ask)
    control.finish(run, 0)
    now = control.run(run.id)
    assert now is not None
    assert (now.state, now.exit_code) == ("done", 0)
    assert control.writing() == next_one.id  # the mark of another is not touched


def test_a_run_that_is_over_makes_room(control: Control, ask: Ask) -> None:
    run = claimed(control, ask)
    id_ = new_id()
    assert control.create(id_, ask, instead_of=run.id) == ""
    assert control.writing() == id_
    control.finish(run, 0)
    assert control.writing() == id_


@pytest.mark.parametrize("size", [0, INLINE, INLINE + 1])
def test_bytes_are_kept_whatever_their_size(control: Control, ask: Ask, size: int) -> None:
    run, data = created(control, ask), os.urandom(size)
    blob = control.store(run.id, data, ask)
    assert bool(blob.key) == (size > INLINE)
    assert control.fetch(run.id, blob) == data
    with pytest.raises(OutcomeUnknown, match="gone"):
        control.fetch(new_id(), replace(blob, key=blob.key and "runs/none"))


def test_bytes_that_are_not_what_they_were_are_refused(control: Control, ask: Ask) -> None:
    run = created(control, ask)
    blob = control.store(run.id, os.urandom(INLINE + 1), ask)
    control.bucket.put(blob.key, b"other")
    with pytest.raises(OutcomeUnknown, match="not what they were"):
        control.fetch(run.id, blob)


def test_the_platforms_files_are_uploaded_once(control: Control, aws: Proxy) -> None:
    data = os.urandom(1000)
    assert control.put_files(data) == control.put_files(data)
    assert len(aws.of("PutObject")) == 1
    assert control.files(control.put_files(data)) == data
    with pytest.raises(Unavailable, match="gone"):
        control.files("0" * 64)


def test_records_expire_unless_they_are_to_stay(control: Control, ask: Ask) -> None:
    for kept in (0, 90 * 86_400):
        run = claimed(control, replace(ask, kept=kept))
        control.finish(run, 0)
        control.append(run, 0, ["line"])
        control.store(run.id, b"x", run.ask)
        items = list(control.table.between(f"run#{run.ask.environment}#{run.id}", "a", "z"))
        items += control.table.between(f"environment#{run.ask.environment}", f"run#{run.id}", f"run#{run.id}")
        assert len(items) == 4
        for item in items:
            assert item.get("expires", 0) == pytest.approx(control.now() + kept if kept else 0, abs=5)


def test_the_clock_is_that_of_the_server(
    control: Control, aws: Proxy, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    real = time.time
    monkeypatch.setattr("seedbed.aws.items.time.time", lambda: real() + 200)
    run = claimed(control, ask)
    assert control.now() == pytest.approx(real(), abs=5)
    assert run.beat == pytest.approx(real(), abs=5)


def test_a_table_that_is_not_there_is_named(control: Control, aws: Proxy, ask: Ask) -> None:
    gone = Control(type(control.table)(control.table.cloud, "nowhere"), control.bucket, ask.environment)
    for call in (lambda: gone.run(new_id()), lambda: gone.create(new_id(), ask)):
        with pytest.raises(UsageError, match="nowhere"):
            call()


def test_what_aws_refuses_is_named(control: Control, aws: Proxy, ask: Ask) -> None:
    refused = aws.refuse("TransactWriteItems", "AccessDeniedException", "not authorized to PutItem")
    with refused, pytest.raises(Denied, match="TransactWriteItems"):
        control.create(new_id(), ask)
    with aws.drop("GetItem", times=None), pytest.raises(Unreachable):
        control.run(new_id(), attempts=1)


def test_a_transaction_that_meets_another_is_tried_again(control: Control, aws: Proxy, ask: Ask) -> None:
    reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "None"}]
    conflict = aws.refuse(
        "TransactWriteItems", "TransactionCanceledException", "conflict", times=2, CancellationReasons=reasons
    )
    with (
        conflict,
        aws.refuse(on("UpdateItem"), "TransactionConflictException", "conflict", times=2) as update,
    ):
        claimed(control, ask)
    assert (conflict.hits, update.hits) == (2, 2)


def test_a_warm_worker_is_found_while_it_beats(control: Control, ask: Ask) -> None:
    assert control.warm() is None
    control.warm_beat("arn:aws:ecs:task/1")
    warm = control.warm()
    assert warm is not None
    assert warm.task == "arn:aws:ecs:task/1"
    control.warm_beat("arn:aws:ecs:task/1", is_open=False)
    assert control.warm() is None


@pytest.mark.parametrize(
    "spoiled", [{"at": None}, {"state": "sung"}, {"argv": "x"}, {"terminal": 7}, {"beat": "x"}]
)
def test_a_record_that_is_none_of_ours_is_named(
    control: Control, ask: Ask, spoiled: dict[str, object]
) -> None:
    run = created(control, ask)
    item = control.table.get(f"run#{ask.environment}#{run.id}", "ask")
    assert item is not None
    control.table.put({**item, **spoiled})
    with pytest.raises(Refused, match=f"the record of run {run.id} cannot be read"):
        control.run(run.id)


def test_what_was_written_by_hand_into_the_list_or_between_the_lines_ends_nothing(
    control: Control, ask: Ask
) -> None:
    run = claimed(control, ask)
    control.append(run, 0, ["a"])
    control.table.put({"id": f"run#{ask.environment}#{run.id}", "part": "event#0000000x", "lines": ["b"]})
    assert list(control.lines(run.id)) == [(0, ["a"])]
    where = f"environment#{ask.environment}"
    control.table.put({"id": where, "part": "run#sung"})
    assert control.asked() == []
    told: list[Refused] = []
    assert [each.id for each in control.runs(most=1, unreadable=told.append)] == [run.id]
    assert [each.what for each in told] == ["the record of run sung cannot be read"]


def test_one_beat_that_is_to_come_keeps_nobody_waiting(control: Control, ask: Ask) -> None:
    """As a record that was written by hand has it, or by a machine whose clock is wrong."""
    run = claimed(control, ask)
    assert control.is_fresh(control.now() + 1)
    ahead = control.now() + 3600
    control.table.update(f"run#{ask.environment}#{run.id}", "ask", "SET #beat = :beat", beat=ahead)
    assert Starter(control, cast("Any", None)).under_way() is None
    control.warm_beat("arn:aws:ecs:task/1")
    control.table.update(
        f"environment#{ask.environment}", "warm#arn:aws:ecs:task/1", "SET #beat = :beat", beat=ahead
    )
    assert control.warm() is None


def test_the_list_goes_back_to_a_moment_however_many_are_newer(control: Control, ask: Ask) -> None:
    begun = control.now()
    for each in (begun - 100, *(begun + number for number in range(60))):
        control.create(new_id(now=each), replace(ask, writes=False))
    assert len(control.runs(most=1000, since=begun - 1)) == 60
    assert len(control.runs(most=1000)) == 61
