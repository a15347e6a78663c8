from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from seedbed.engines.kit.read_ahead import read_ahead


def _threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "read-ahead"]


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 1000])
def test_all_items_come_in_their_order(count: int) -> None:
    assert list(read_ahead(range(count))) == list(range(count))
    assert _threads() == []


def test_what_making_them_raises_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(70)
        raise ValueError("row 71")

    taken: list[int] = []
    with pytest.raises(ValueError, match="row 71"):
        taken.extend(read_ahead(items()))
    assert taken == list(range(70))
    assert _threads() == []


def test_only_a_few_are_ahead_of_whoever_takes_them() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for each in range(10_000):
            made.append(each)
            yield each

    taking = read_ahead(items())
    assert next(taking) == 0
    deadline = time.monotonic() + 5
    while len(made) < 200 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(made) <= 201
    taking.close()
    assert _threads() == []
    assert len(made) <= 251


def test_they_are_made_while_whoever_takes_them_is_busy() -> None:
    is_made = threading.Event()

    def items() -> Iterator[int]:
        yield from range(50)
        is_made.set()
        yield 50

    taking = read_ahead(items())
    assert next(taking) == 0
    assert is_made.wait(60)
    assert [*taking] == list(range(1, 51))
