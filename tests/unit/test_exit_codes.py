"""One exit code of many outcomes: every pair of them, and what must not matter."""

from __future__ import annotations

from functools import partial
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.errors import (
    Busy,
    ExitCode,
    ForeignTarget,
    SeedbedError,
    SeveralErrors,
    Unreachable,
    UsageError,
    exit_code,
    raise_errors,
    try_each,
)
from seedbed.model.event import (
    Event,
    TargetConnected,
    TargetDone,
    TargetFailed,
    TargetSkipped,
    WorkFinished,
    failure,
)
from seedbed.model.outcome import Outcome, Result, TargetOutcome, fold

# An outcome of one target is named by how it ended: `=` unchanged, `+` changed, `?` no result reported, `-` skipped,
# or the code of its error. `7*` failed as well, and something of this run stayed.
GRID = """
        =    +    ?   ?*    -   -*  130 130*  143 143*    5   5*    1   1*    7   7*    3   3*    2   2*    4   4*    6   6*
=       0    0    5    5    5    5  130  130  143  143    5    5    1    5    7    5    3    5    2    5    4    5    6    5
+       0    0    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
?       5    5    5    5    5    5  130  130  143  143    5    5    1    5    7    5    3    5    2    5    4    5    6    5
?*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
-       5    5    5    5    5    5  130  130  143  143    5    5    1    5    7    5    3    5    2    5    4    5    6    5
-*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
130   130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130
130*  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130  130
143   143  143  143  143  143  143  130  130  143  143  143  143  143  143  143  143  143  143  143  143  143  143  143  143
143*  143  143  143  143  143  143  130  130  143  143  143  143  143  143  143  143  143  143  143  143  143  143  143  143
5       5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
5*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
1       1    5    1    5    1    5  130  130  143  143    5    5    1    5    1    5    1    5    1    5    1    5    1    5
1*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
7       7    5    7    5    7    5  130  130  143  143    5    5    1    5    7    5    7    5    7    5    7    5    7    5
7*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
3       3    5    3    5    3    5  130  130  143  143    5    5    1    5    7    5    3    5    3    5    3    5    3    5
3*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
2       2    5    2    5    2    5  130  130  143  143    5    5    1    5    7    5    3    5    2    5    2    5    2    5
2*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
4       4    5    4    5    4    5  130  130  143  143    5    5    1    5    7    5    3    5    2    5    4    5    4    5
4*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
6       6    5    6    5    6    5  130  130  143  143    5    5    1    5    7    5    3    5    2    5    4    5    6    5
6*      5    5    5    5    5    5  130  130  143  143    5    5    5    5    5    5    5    5    5    5    5    5    5    5
"""


def named(name: str) -> TargetOutcome:
    """Return the outcome of one target that the grid calls `name`."""
    touched = name == "+" or name.endswith("*")
    match name.removesuffix("*"):
        case "=":
            return TargetOutcome("a/b", Result.UNCHANGED)
        case "+":
            return TargetOutcome("a/b", Result.CHANGED, touched=True)
        case "?":
            return TargetOutcome("a/b", Result.PENDING, touched=touched)
        case "-":
            return TargetOutcome("a/b", Result.SKIPPED, touched=touched, because="c/d failed")
        case code:
            error = TargetFailed("a/b", "no", "", "", None, int(code))
            return TargetOutcome("a/b", Result.FAILED, touched=touched, error=error)


def grid() -> dict[tuple[str, str], ExitCode]:
    first, *rows = GRID.strip().splitlines()
    names = first.split()
    return {
        (row.split()[0], name): ExitCode(int(code))
        for row in rows
        for name, code in zip(names, row.split()[1:], strict=True)
    }


PAIRS = grid()
NAMES = sorted({name for name, _ in PAIRS})
OUTCOMES = st.sampled_from(NAMES).map(named)
# What was skipped says nothing without the error that it was skipped for, and a run has both.
ENDED = st.sampled_from([name for name in NAMES if name not in {"?", "-"}]).map(named)


def test_two_outcomes_end_with_the_code_of_the_grid() -> None:
    assert {pair: Outcome(tuple(map(named, pair))).exit_code for pair in PAIRS} == PAIRS


def test_the_grid_has_every_result_and_every_code_that_an_error_may_have() -> None:
    assert set(product(NAMES, NAMES)) == set(PAIRS)
    assert {named(name).result for name in NAMES} == set(Result)
    failed = [outcome for outcome in map(named, NAMES) if outcome.error]
    assert {(each.error.exit_code, each.touched) for each in failed if each.error} == set(
        product(set(ExitCode) - {ExitCode.DONE}, (False, True))
    )


@given(st.lists(OUTCOMES), st.randoms())
def test_the_order_of_targets_does_not_matter(outcomes: list[TargetOutcome], random: Random) -> None:
    shuffled = random.sample(outcomes, len(outcomes))
    assert Outcome(tuple(shuffled)).exit_code is Outcome(tuple(outcomes)).exit_code


@given(st.lists(OUTCOMES, min_size=1))
def test_the_code_of_many_is_the_code_of_some_two_of_them(outcomes: list[TargetOutcome]) -> None:
    codes = {Outcome(pair).exit_code for pair in product(outcomes, outcomes)}
    assert Outcome(tuple(outcomes)).exit_code in codes


@given(st.lists(ENDED), st.lists(ENDED))
def test_runs_that_are_told_apart_add_up_to_the_same_code(
    some: list[TargetOutcome], others: list[TargetOutcome]
) -> None:
    parts = [Outcome(tuple(some)), Outcome(tuple(others))]
    changed = any(each.changed for each in parts)
    together = Outcome((*some, *others)).exit_code
    assert exit_code([each.exit_code for each in parts], changed=changed) is together


EVENTS = st.sampled_from(["a/b", "c/d", "e/f"]).flatmap(
    lambda target: st.sampled_from(
        (
            TargetConnected(target, "server 1"),
            WorkFinished(target, "1", "one", "up", 0.1),
            TargetDone(target),
            TargetSkipped(target, "another one failed"),
            failure(target, Busy("another run is at work")),
            failure(target, SeedbedError("a bug")),
        )
    )
)


@given(st.lists(EVENTS), st.randoms())
def test_how_the_events_of_targets_interleave_does_not_matter(events: list[Event], random: Random) -> None:
    by_target: dict[str, list[Event]] = {}
    for event in events:
        by_target.setdefault(event.target, []).append(event)
    turns = random.sample([event.target for event in events], len(events))
    interleaved = [by_target[target].pop(0) for target in turns]
    one, other = fold(events), fold(interleaved)
    assert sorted(one.targets, key=repr) == sorted(other.targets, key=repr)
    assert one.exit_code is other.exit_code


def test_errors_without_an_outcome_follow_the_same_order() -> None:
    busy, foreign, wrong = Busy("busy"), ForeignTarget("foreign"), UsageError("wrong")
    assert exit_code([]) is ExitCode.DONE
    assert exit_code([busy]) is ExitCode.UNAVAILABLE
    assert exit_code([busy, wrong, foreign]) is ExitCode.REFUSED
    assert exit_code([busy, wrong]) is ExitCode.USAGE
    assert exit_code([busy], changed=True) is ExitCode.PARTIAL
    assert exit_code([], changed=True) is ExitCode.DONE


def test_several_errors_are_raised_as_one_that_has_them_all() -> None:
    one, other = Unreachable("db-1 does not answer"), ForeignTarget("db-2 is not b", because="it is c")
    raise_errors([])
    with pytest.raises(Unreachable) as alone:
        raise_errors([one])
    assert alone.value is one
    assert alone.value.errors == (one,)
    with pytest.raises(SeveralErrors) as both:
        raise_errors([one, other])
    assert both.value.errors == (one, other)
    assert both.value.exit_code is ExitCode.REFUSED
    assert str(both.value) == "db-1 does not answer\ndb-2 is not b\n  because: it is c"


def test_what_is_tried_for_each_target_tells_every_error_and_whose_it_is() -> None:
    def fails(*errors: SeedbedError) -> int:
        raise_errors(errors)
        return 1

    one, two, three = Busy("one"), Unreachable("two"), ForeignTarget("three")
    assert try_each([("a/b", fails), ("c/d", fails)]) == [1, 1]
    failing = {"a/b": partial(fails, one, two), "c/d": partial(fails), "e/f": partial(fails, three)}
    with pytest.raises(SeveralErrors) as caught:
        try_each(failing.items())
    assert caught.value.errors == (one, two, three)
    assert [each.target for each in caught.value.errors] == ["a/b", "a/b", "e/f"]
