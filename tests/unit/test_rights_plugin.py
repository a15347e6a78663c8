"""The plugin that finds rights which nobody uses."""

from __future__ import annotations

import pytest

from tests.plugins import rights as plugin


def test_a_right_that_no_caller_used_is_named_and_one_that_was_used_is_not() -> None:
    lines = list(plugin.unused([]))
    assert (
        "run: ecs:RunTask on arn:aws:ecs:eu-central-1:111111111111:task-definition/family:* is used by no test"
        in lines
    )
    of_others = {("run", "read", 0, "sts:GetCallerIdentity")}
    assert list(plugin.unused(of_others)) == lines
    assert len(list(plugin.unused({("read", "read", 0, "sts:GetCallerIdentity")}))) == len(lines) - 1


def test_what_is_kept_without_a_use_is_named_once_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugin.KEPT, ("approve", "s3:PutObject"), "for later")
    assert not any(line.startswith("approve: ") for line in plugin.unused([]))
    used = {("approve", "approve", 0, "s3:PutObject")}
    assert "approve: s3:PutObject is used, and named as one that is not" in list(plugin.unused(used))
