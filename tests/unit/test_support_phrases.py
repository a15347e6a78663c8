from __future__ import annotations

import pytest

from seedbed.support.phrases import LINE, count, duration, listed, number, one_line, shorten, units_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "<1 ms"),
        (0.0004, "<1 ms"),
        (0.012, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (3.42, "3.4 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (125.2, "2 min 5 s"),
        (3599.7, "1 h 0 min"),
        (3780, "1 h 3 min"),
        (86_399, "1 d 0 h"),
        (100 * 86_400 + 7200, "100 d 2 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_thousands_are_set_apart() -> None:
    assert number(12_400) == "12 400"
    assert number(999) == "999"
    assert count(1, "row") == "1 row"
    assert count(1_234_567, "row") == "1 234 567 rows"
    assert count(2, "history", "histories") == "2 histories"


def test_a_long_list_says_how_many_more_there_are() -> None:
    assert listed(list("abcdef")) == "a, b, c, d, e, f"
    assert listed(list("abcdefgh")) == "a, b, c, d, e and 3 more"


def test_what_has_commas_of_its_own_is_listed_with_semicolons() -> None:
    assert listed(["a, b", "c"], 2, separator="; ") == "a, b; c"
    assert listed(["a, b", "c", "d", "e"], 2, separator="; ") == "a, b; c; and 2 more"


def test_a_long_value_is_cut_and_says_so() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert (
        shorten("abc, defg", 6) == "abc…"
    )  # a comma or a blank before the ellipsis would look like more to come


def test_a_summary_is_one_line_however_it_was_written() -> None:
    assert one_line("  CREATE\n\tTABLE  t ") == "CREATE TABLE t"
    assert one_line("x" * (LINE + 1)) == "x" * (LINE - 1) + "…"


@pytest.mark.parametrize(
    ("units", "words"),
    [
        (0.5, "0.5 read units"),
        (1.0, "1 read unit"),
        (1.5, "1.5 read units"),
        (9.96, "10 read units"),
        (12_400.4, "12 400 read units"),
    ],
)
def test_of_a_few_units_halves_are_told(units: float, words: str) -> None:
    assert units_words(units) == words
