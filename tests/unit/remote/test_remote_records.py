"""Lines and ids of runs."""

from __future__ import annotations

import msgspec
import pytest

from seedbed.errors import ExitCode, Location
from seedbed.model.event import KINDS, TargetFailed, WorkFinished, WorkProgressed
from seedbed.remote import records
from seedbed.remote.records import (
    Asked,
    Entry,
    Expected,
    Happened,
    Written,
    code_of,
    decoded,
    encoded,
    is_id,
    new_id,
    progress_only,
    who,
)

FAILED = TargetFailed(
    "a/b", "what", "why", "try this", Location("a.sql", 3, 4, "x"), 7, "1", "StepFailed", True
)


@pytest.mark.parametrize(
    "entry",
    [
        Happened(FAILED),
        Written("stderr", "ä\x1b[0m\n"),
        Expected({"a/b": 3}),
        Asked(1, "sure?"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_line_is_read_as_it_was_written(entry: Entry) -> None:
    assert "\n" not in encoded(entry)
    assert decoded(encoded(entry)) == entry


def test_a_line_of_another_version_is_no_line() -> None:
    with pytest.raises(msgspec.DecodeError):
        decoded('{"line":"sung"}')


def test_what_is_only_progress_is_told_from_results() -> None:
    assert progress_only(Happened(WorkProgressed("a/b", "1", 1, 2, "steps")))
    assert not progress_only(Happened(WorkFinished("a/b", "1", "a", "up", 0.1)))
    assert not progress_only(Written("stdout", "x"))
    assert {each.__struct_config__.tag for each in KINDS} >= records.PASSING


def test_ids_sort_as_their_times_do() -> None:
    times = [0.0, 1.0, 1.001, 1_700_000_000.0, 1_700_000_000.001, 2_000_000_000.0, 281_474_976_710.655]
    low, high = bytes(10), b"\xff" * 10
    made = [new_id(now=each, noise=noise) for each in times for noise in (low, high)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(map(is_id, made))
    assert new_id() != new_id()


@pytest.mark.parametrize("text", ["", "x", "0" * 25, "0" * 27, "o" * 26, "U" * 26])
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


def test_who_called() -> None:
    assert who("arn:aws:sts::111111111111:assumed-role/Developer/ana") == "ana"
    assert who("arn:aws:iam::111111111111:user/ben") == "ben"
    assert who("arn:aws:iam::111111111111:root") == "arn:aws:iam::111111111111:root"


def test_a_code_that_nobody_knows_is_an_unknown_outcome() -> None:
    assert code_of(0) is ExitCode.DONE
    assert code_of(99) is code_of(None) is ExitCode.PARTIAL
