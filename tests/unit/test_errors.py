"""Errors: how long they may be."""

from __future__ import annotations

from seedbed.errors import SeedbedError


def test_of_a_very_long_text_the_beginning_is_kept_and_its_length_told() -> None:
    error = SeedbedError("row " * 5_000_000, because="x" * 4000)
    assert len(str(error)) < 9000
    assert error.what.endswith("… (20000000 characters)")
    assert error.because == "x" * 4000
