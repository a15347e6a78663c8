"""Records that no command writes: they are refused with where they are, whatever they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seedbed.errors import Refused
from seedbed.model.release import StepName
from seedbed.planning.releases import SILENCE, is_silent
from seedbed.releases.directory_store import DirectoryStore
from seedbed.releases.records import approval_of, encoded, release_of
from tests.support.release_steps import a_release, approval, done_until, with_step


def first(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda it: it["steps"][0].update(changes)


FAR = 1e18
EVIDENCE = {"kind": "code", "verdict": "good", "text": "", "at": 1.0}


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "no step": lambda it: it.update(steps=[]),
    "a step less": lambda it: it["steps"].pop(),
    "a step twice": lambda it: it["steps"].append(it["steps"][0]),
    "another order": lambda it: it["steps"].reverse(),
    "when it was opened": lambda it: it.update(opened=FAR),
    "when it ended": lambda it: it.update(ended=-FAR),
    "when it was taken back": lambda it: it.update(returning=FAR),
    "how long it soaks": lambda it: it.update(soak=FAR),
    "when a step began": first(began=FAR),
    "when it was heard of": first(beat=FAR),
    "when a step ended": first(ended=FAR),
    "when evidence was there": first(evidence=[{**EVIDENCE, "at": FAR}]),
    "from when on it holds": first(evidence=[{**EVIDENCE, "since": FAR}]),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_nobody_could_go_on_with_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    record = msgspec.json.decode(encoded(done_until(StepName.CLOSE)))
    change(record)
    with pytest.raises(Refused, match="record of release 12 of prod cannot be read") as found:
        release_of(msgspec.json.encode(record), "prod", 12, "the table")
    assert found.value.because.startswith("the table: ")


def test_who_comes_too_late_with_a_number_leaves_what_its_opener_left(tmp_path: Path) -> None:
    store, first = DirectoryStore(tmp_path, "prod"), a_release()
    assert store.create(first)
    assert not store.create(a_release(commit="d" * 40, bundle="a" * 64))
    assert [each.digest for each in store.openings(12)] == [first.digest]


def test_an_approval_of_no_time_is_none() -> None:
    data = encoded(approval(a_release(), StepName.EXPAND))
    assert approval_of(data, 12, "expand", "uid-7", 1e18) is None
    assert approval_of(data, 12, "expand", "uid-7", 1e9) is not None


@pytest.mark.parametrize(("ahead", "silent"), [(SILENCE - 1, False), (SILENCE + 1, True), (1e9, True)])
def test_a_heartbeat_of_a_clock_that_was_set_back_keeps_nobody_out(ahead: float, silent: bool) -> None:
    taken = with_step(a_release(), StepName.EXPAND, state="running", token="t", beat=1000.0 + ahead)
    assert is_silent(taken.step(StepName.EXPAND), 1000.0) is silent
