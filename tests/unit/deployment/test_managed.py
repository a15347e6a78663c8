"""Stacks that hold no database whose engine knows of updates."""

from __future__ import annotations

from typing import Any

from seedbed.deployment.managed import unmanaged_stack
from seedbed.model.migration import Phase

OLD: dict[str, Any] = {
    "Resources": {"A": {"Type": "X"}, "B": {"Type": "Y"}},
    "Outputs": {"O": {"Value": "1"}},
}
NEW: dict[str, Any] = {"Resources": {"A": {"Type": "X", "Properties": {}}, "C": {"Type": "Z"}}}


def test_a_new_one_is_made_at_once() -> None:
    (update,) = unmanaged_stack("net", Phase.EXPAND).updates(None, NEW)
    assert update.template == NEW
    assert [each.what for each in update.changes] == ["net: create"]


def test_one_that_is_as_it_should_be_is_left_alone() -> None:
    assert unmanaged_stack("net", Phase.CONTRACT).updates(NEW, NEW) == ()
    assert unmanaged_stack("net", Phase.EXPAND).updates(NEW, NEW) == ()


def test_at_contract_what_is_removed_is_said() -> None:
    (update,) = unmanaged_stack("net", Phase.CONTRACT).updates(OLD, NEW)
    assert update.template == NEW
    assert [(each.phase, each.what) for each in update.changes] == [
        (Phase.EXPAND, "net: update"),
        (Phase.CONTRACT, "net: remove B"),
    ]


def test_before_contract_what_would_be_removed_stays() -> None:
    managed = unmanaged_stack("net", Phase.MIGRATE)
    (update,) = managed.updates(OLD, NEW)
    assert update.template == {
        "Resources": {**OLD["Resources"], **NEW["Resources"]},
        "Outputs": OLD["Outputs"],
    }
    assert [each.phase for each in update.changes] == [Phase.EXPAND]
    assert managed.updates(update.template, NEW) == ()
