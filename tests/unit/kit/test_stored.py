"""Records of the history that were changed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.engines.kit import stored
from seedbed.errors import Refused
from seedbed.model.history import Identity

RECORD: dict[str, Any] = {
    "version": "20260101000000",
    "name": "users",
    "checksum": "c",
    "phase": "expand",
    "state": "applied",
    "direction": "up",
    "step": 0,
    "in_step": False,
    "overtakes": [],
    "owner": "ana",
    "applied_at": "2026-01-01T00:00:00+00:00",
    "duration_ms": 3,
}
IDENTITY = {"format": 1, "platform": "shop", "database": "user/x", "environment": "prod"}


def test_a_record_that_seedbed_wrote_is_read() -> None:
    assert (
        stored.revision({**RECORD, "pk": "history", "checkpoint": None}, "user/x").version == "20260101000000"
    )
    assert stored.identity(IDENTITY, "user/x") == Identity("shop", "user/x", "prod")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "done"),
        ("state", None),
        ("direction", "sideways"),
        ("phase", 7),
        ("step", "three"),
        ("applied_at", "yesterday"),
        ("overtakes", "20260101"),
        ("version", None),
    ],
)
def test_a_record_that_was_changed_by_hand_is_refused_with_its_version(field: str, value: object) -> None:
    with pytest.raises(Refused, match="the history of user/x holds what seedbed did not write") as caught:
        stored.revision({**RECORD, field: value}, "user/x")
    assert field in caught.value.because


@pytest.mark.parametrize(
    "changed", [{"format": "one"}, {"platform": 3}, {"environment": None}, {"format": None}, {"format": True}]
)
def test_an_identity_that_was_changed_by_hand_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(Refused, match="what seedbed did not write"):
        stored.identity({**IDENTITY, **changed}, "user/x")


def test_a_newer_format_asks_for_a_newer_seedbed() -> None:
    with pytest.raises(Refused, match="a newer seedbed"):
        stored.identity({**IDENTITY, "format": 99}, "user/x")
