"""The state document itself: what is read of it, whoever wrote it, and which of two looks at a database counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from seedbed.documents.seen import SeenEntry
from seedbed.documents.state import StateDocument, read
from seedbed.errors import Refused
from seedbed.model.history import History, Identity, Revision, RevisionState
from seedbed.model.migration import Direction, Phase
from seedbed.model.remembered import Remembered
from seedbed.report.styles import Look, render
from seedbed.report.text.seen import seen_text
from seedbed.support.phrases import ago
from tests.unit.golden.report import samples

USER, VIDEO = samples.remembered()
NOW = max(USER.at, VIDEO.at) + timedelta(days=1)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def document(*seen: Remembered) -> StateDocument:
    return StateDocument.of("prod", seen, "apply")


def as_json(*seen: Remembered) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document(*seen).written(str))
    return found


def test_what_a_document_says_it_says_again() -> None:
    changed = replace(VIDEO, logins=None, changed=NOW)
    known = {each.database: each for each in (USER, changed)}
    assert read(document(*known.values()).written(str), "x").remembered() == known


_TEXT = st.text(max_size=3)
_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_REVISIONS = st.builds(
    Revision,
    _TEXT,
    _TEXT,
    _TEXT,
    st.sampled_from(Phase),
    st.sampled_from(RevisionState),
    st.sampled_from(Direction),
    st.integers(0, 9),
    st.booleans(),
    st.none() | _TEXT,
    st.lists(_TEXT, max_size=2).map(tuple),
    _TEXT,
    st.none() | _TIMES,
    st.integers(0, 9),
    _TEXT,
    _TEXT,
)
_HISTORIES = st.builds(
    History, st.none() | st.builds(Identity, _TEXT, _TEXT, _TEXT), st.lists(_REVISIONS, max_size=2).map(tuple)
)


@given(history=_HISTORIES, holder=_TEXT, logins=st.none() | st.lists(_TEXT, max_size=2).map(tuple))
def test_every_state_that_a_history_can_have_is_read_back_as_it_was(
    history: History, holder: str, logins: tuple[str, ...] | None
) -> None:
    seen = replace(USER, history=history, holder=holder, logins=logins)
    assert read(document(seen).written(str), "x").remembered() == {USER.database: seen}


def test_nothing_in_the_document_is_a_secret() -> None:
    found = document(replace(USER, holder="ana hunter2", logins=("set the password hunter2",)))
    assert b"hunter2" not in found.written(lambda said: said.replace("hunter2", "********"))


# Which of two looks counts


def test_a_run_replaces_what_it_had_open_and_leaves_what_others_saw_later() -> None:
    first = document(USER, VIDEO)
    later = replace(USER, run="later", at=USER.at + HOUR, server="PostgreSQL 19")
    second = document(later).over(first, NOW)
    assert second.remembered() == {USER.database: later, VIDEO.database: VIDEO}
    assert second.over(None, NOW) == second
    # One that asked before, and ends after: what it saw is older.
    assert first.over(second, NOW).remembered() == second.remembered()


def test_a_look_of_a_time_that_is_still_to_come_keeps_none_out() -> None:
    wrong = replace(USER, run="wrong", at=NOW + HOUR)
    right = replace(USER, run="right", at=NOW)
    assert document(right).over(document(wrong), NOW).remembered()[USER.database].run == "right"
    # Clocks may differ by a little.
    near = replace(USER, run="near", at=NOW + MINUTE / 2)
    assert document(right).over(document(near), NOW).remembered()[USER.database].run == "near"


def _changed(found: StateDocument) -> datetime | None:
    return found.remembered()[USER.database].changed


def test_a_deployment_is_marked_until_the_database_is_looked_at_again() -> None:
    began = USER.at + HOUR
    marked = document(USER, VIDEO).marked([USER.database], began)
    assert (_changed(marked), marked.remembered()[VIDEO.database].changed) == (began, None)
    # A run that looked before, and ends after.
    before = replace(USER, run="before", at=began - MINUTE)
    both = document(before).over(marked, NOW)
    assert (both.remembered()[USER.database].run, _changed(both)) == ("before", began)
    after = document(replace(USER, run="after", at=began + MINUTE)).over(both, NOW)
    assert (after.remembered()[USER.database].run, _changed(after)) == ("after", None)
    # A late one that looked before all of it takes nothing back.
    assert document(before).over(after, NOW) == after


def test_a_clock_that_is_behind_does_not_date_a_deployment_before_the_look() -> None:
    assert _changed(document(USER).marked([USER.database], USER.at - HOUR)) == USER.at


def test_the_page_says_what_was_changed_since_and_what_a_deployment_saw() -> None:
    seen = replace(USER, run="", changed=USER.at + 5 * MINUTE).seen(USER.at + 12 * MINUTE)
    page = seen_text([(USER.database, SeenEntry.of(seen))], "plan", "prod")
    assert render(page, Look()).splitlines() == [
        "as of 12 minutes ago, a deployment",
        f"changed since by a deployment, 7 minutes ago: {USER.database}",
        "to ask the databases: seedbed plan -e prod --fresh",
        "",
    ]


# Documents that others wrote


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Input data was truncated"),
        (b'{"schema": "seedbed/state/2", "seedbed": "9.0"}', "it was written by seedbed 9.0, and this is"),
        (b'{"schema": "seedbed/state/1", "seedbed": "0.1"}', "missing required field"),
        (b'{"schema": "seedbed/plan/1", "seedbed": "0.1"}', 'has to say "schema": "seedbed/state/1"'),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"schema": 1}', "Expected `str`, got `int`"),
        (b'{"a": ' + b"[" * 100_000, "ecursion"),
        (b"\xff\xfe", "malformed"),
        (b"<Error><Code>AccessDenied</Code></Error>", "malformed"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_with_the_way(data: bytes, said: str) -> None:
    with pytest.raises(Refused, match=r"cannot be read: s3://b/state/state\.json") as raised:
        read(data, "s3://b/state/state.json")
    assert said in raised.value.because
    assert "--fresh" in raised.value.try_


@given(share=st.floats(0, 1, exclude_max=True), junk=st.binary(max_size=3))
def test_a_document_that_ends_early_or_was_written_over_is_refused_or_read_whole(
    share: float, junk: bytes
) -> None:
    whole = document(USER, VIDEO).written(str).strip()
    at = int(share * len(whole))
    with pytest.raises(Refused, match="cannot be read"):
        read(whole[:at], "x")
    try:
        found = read(whole[:at] + junk + whole[at + len(junk) :], "x")
    except Refused:
        return
    assert found.remembered()


def test_what_a_later_version_adds_is_left_alone() -> None:
    data = as_json(USER, VIDEO)
    data["more"] = 1
    data["databases"][0]["more"] = data["databases"][0]["revisions"][0]["more"] = {"a": 1}
    assert read(json.dumps(data).encode(), "x").remembered() == {
        each.database: each for each in (USER, VIDEO)
    }


def test_what_an_earlier_version_did_not_know_is_not_taken_for_nothing() -> None:
    data = as_json(USER)
    for name in ("logins", "changed"):
        del data["databases"][0][name]
    (found,) = read(json.dumps(data).encode(), "x").remembered().values()
    assert (found.logins, found.changed) == (None, None)
    assert replace(found, logins=USER.logins) == USER


# Ages


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "just now"),
        (1.9, "1 second ago"),
        (59.9, "59 seconds ago"),
        (745, "12 minutes ago"),
        (3600, "1 hour ago"),
        (180_000, "2 days ago"),
    ],
)
def test_an_age_is_told_in_one_unit(seconds: float, said: str) -> None:
    assert ago(seconds) == said


def test_clocks_that_differ_a_little_make_nothing_younger_than_new() -> None:
    assert USER.seen(USER.at - MINUTE).age == 0


def test_an_age_that_is_still_to_come_is_told_as_that() -> None:
    seen = USER.seen(USER.at - HOUR)
    assert seen.age == -3600
    page = seen_text([(USER.database, SeenEntry.of(seen))], "plan", "prod")
    first = render(page, Look()).splitlines()[0]
    assert first == f"as of a time that is still to come: some clock is wrong, run {USER.run}"
