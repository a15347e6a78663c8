"""A file as one struct: the first thing that is wrong is refused, and what else is wrong is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec import Struct

from seedbed.errors import UsageError
from seedbed.toml.document import Problem, read_document
from seedbed.toml.text import Text


class Document(Struct, frozen=True):
    numbers: dict[str, int]


def _negative(document: Document) -> Iterator[Problem]:
    for name, number in document.numbers.items():
        if number < 0:
            yield Problem(("numbers", name), f"{name} is negative", "nothing counts backwards", "0")


def _read(*lines: str) -> Document:
    return read_document(Text("numbers.toml", "\n".join(["[numbers]", *lines])), Document, _negative)


def _refused(*lines: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        _read(*lines)
    return caught.value


def test_a_file_without_problems_is_read() -> None:
    assert _read("a = 1") == Document({"a": 1})


def test_the_first_problem_by_line_is_refused_and_the_others_are_named() -> None:
    error = _refused("ok = 1", "b = -1", "a = -2")
    assert (error.what, error.try_) == ("b is negative", "0")
    assert error.because == "nothing counts backwards; also line 4: a is negative"
    assert error.at is not None
    assert error.at.line == 3


def test_of_many_problems_a_few_are_named_and_the_rest_counted() -> None:
    error = _refused(*(f"n{number} = -1" for number in range(9)))
    assert error.because.count("is negative") == 4
    assert error.because.endswith(" and 4 more")


def test_a_wrong_type_is_told_before_any_problem() -> None:
    assert _refused("b = -1", "a = 'x'").what == "numbers.a is wrong"


def test_a_mistyped_key_is_told_before_what_it_caused() -> None:
    with pytest.raises(UsageError) as caught:
        read_document(Text("numbers.toml", "[nubers]\na = 1"), Document, _negative)
    assert "unknown key nubers" in caught.value.what
    assert caught.value.try_ == "did you mean numbers?"
