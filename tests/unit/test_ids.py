"""Ids as text: which texts are one id, and how many rows a suspect has."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from seedbed.engines.kit.ids import moment
from seedbed.integrity.suspects import Suspects
from seedbed.model.ids import number, number_text, same_id, spellings
from seedbed.model.verification import Suspect

UUID = "7d444840-9dc0-11d1-b245-5ffdce74fad2"


@pytest.mark.parametrize(
    ("text", "plain"),
    [("7", "7"), ("-7.50", "-7.5"), ("1E+20", "1" + "0" * 20), ("1e-3", "0.001"), ("-0", "0"), ("0.0", "0")],
)
def test_a_number_is_written_without_exponent_and_zeros_at_its_end(text: str, plain: str) -> None:
    assert number_text(text) == plain
    assert number(plain) == plain


@pytest.mark.parametrize("text", ["seven", "", "7.0", "07", "1E3", "-0", "7 "])
def test_what_is_not_written_like_a_number_is_none(text: str) -> None:
    assert number(text) is None


def test_a_uuid_may_be_kept_in_capitals_and_nothing_else_may() -> None:
    assert spellings([UUID, "ana"]) == {UUID: UUID, UUID.upper(): UUID, "ana": "ana"}
    assert (same_id(UUID.upper()), same_id("Ana")) == (UUID, "Ana")


def test_of_a_suspect_that_many_rows_hold_some_are_kept_and_all_counted() -> None:
    suspects = Suspects()
    for row in range(25):
        suspects.add("ana", str(row))
    suspects.add("ben", "")
    assert suspects.all() == [Suspect("ana", tuple(map(str, range(20))), more=5), Suspect("ben")]


@pytest.mark.parametrize(
    "value",
    ["2026-05-08T10:00:00Z", "2026-05-08T12:00:00+02:00", "2026-05-08T10:00:00", 1778234400, "1778234400000"],
)
def test_a_time_is_told_in_several_ways(value: object) -> None:
    assert moment(value) == datetime(2026, 5, 8, 10, tzinfo=UTC)


@pytest.mark.parametrize("value", ["soon", "", None, [], 1e300])
def test_what_tells_no_time_tells_none(value: object) -> None:
    assert moment(value) is None
