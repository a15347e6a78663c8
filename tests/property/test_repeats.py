"""Keys that come twice are found where a set would find them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedbed.engines.kit import repeats
from seedbed.engines.kit.repeats import first_repeat

_keys = st.lists(st.one_of(st.integers(-3, 3), st.text("ab", max_size=2), st.tuples(st.integers(-2, 0))))


def expected(keys: Sequence[Hashable]) -> tuple[int, int] | None:
    for number, key in enumerate(keys):
        if key in keys[:number]:
            return keys.index(key), number
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_keys, st.integers(1, 4), st.integers(1, 5))
def test_the_first_key_that_another_has_is_found_in_chunks_of_any_size(
    monkeypatch: pytest.MonkeyPatch, keys: list[Hashable], size: int, at_once: int
) -> None:
    def chunks() -> Iterator[Sequence[Hashable]]:
        for first in range(0, len(keys), size):
            yield keys[first : first + size]

    monkeypatch.setattr(repeats, "_AT_ONCE", at_once)
    assert first_repeat(chunks) == expected(keys)


class Alike:
    """A key whose hash is that of any other."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alike) and other.name == self.name


@given(st.lists(st.sampled_from("abc")))
def test_keys_with_one_hash_are_told_apart(names: list[str]) -> None:
    keys = [Alike(name) for name in names]
    assert first_repeat(lambda: [keys]) == expected(keys)
