"""The order across databases: stages, and the cycles that allow none."""

from __future__ import annotations

import pytest

from seedbed.errors import UsageError
from seedbed.model.migration import Direction, Migration, MigrationRef, Phase
from seedbed.model.plan import Action
from seedbed.planning.ordering import stages


def _chain(database: str, **versions: str) -> list[Action]:
    """Return the actions of `database`: each version, and what it waits for ("" for nothing)."""
    return [
        Action(
            database,
            Migration(version[1:], "m", "", "", Phase.EXPAND, ()),
            Direction.UP,
            tuple(MigrationRef(*each.split(":")) for each in after.split()),
        )
        for version, after in versions.items()
    ]


def _stages(*chains: list[Action]) -> list[list[str]]:
    return [[str(ref) for ref in stage] for stage in stages(chains)]


def test_nothing_to_do_has_no_stage() -> None:
    assert _stages() == _stages([], []) == []


def test_databases_that_wait_for_nothing_share_one_stage_in_their_own_order() -> None:
    assert _stages(_chain("b", v2="", v1=""), _chain("a", v9="")) == [["b:2", "b:1", "a:9"]]


def test_what_waits_for_another_database_stands_in_a_later_stage() -> None:
    found = _stages(_chain("a", v1="b:2", v2=""), _chain("b", v1="", v2=""), _chain("c", v1="a:2"))
    assert found == [["b:1", "b:2"], ["a:1", "a:2"], ["c:1"]]


def test_what_is_waited_for_and_not_planned_counts_as_done() -> None:
    assert _stages(_chain("a", v1="b:7")) == [["a:1"]]


def test_a_cycle_is_drawn_with_the_reason_of_every_arrow() -> None:
    with pytest.raises(UsageError) as caught:
        stages([_chain("a", v1="b:2", v2=""), _chain("b", v1="a:2", v2=""), _chain("c", v1="b:1")])
    assert caught.value.what.splitlines() == [
        "the migrations form a cycle:",
        "      a:1",
        "        │ after=",
        "        ▼",
        "      b:2",
        "        │ comes later in the same database than",
        "        ▼",
        "      b:1",
        "        │ after=",
        "        ▼",
        "      a:2",
        "        │ comes later in the same database than",
        "        ▼",
        "      a:1",
    ]
