"""The end of a run where it was called, when AWS or this machine fails just then: the exit code is still true."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from seedbed.aws.faults import Throttled, WrongAccount
from seedbed.cli.context import CommandContext
from seedbed.cli.travel import client, travels
from seedbed.cli.travel.apart import raised
from seedbed.cli.travel.client import Pressed, end, follow
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import ExitCode, OutcomeUnknown, SeedbedError, Unreachable, UsageError
from seedbed.model.secret import Redactor
from seedbed.remote.control import Control
from seedbed.remote.records import Run, blob_of, new_id
from tests.support.remote import asked


class Silent:
    """Records that nobody can reach."""

    def _fails(self, *_: Any, **__: Any) -> Any:
        raise Throttled("AWS throttled dynamodb:GetItem for too long")

    fetch = answer = _fails


SILENT = cast("Control", Silent())


MANIFEST = """
[platform]
name = "edtech"

[environments.shared-dev]
account = "111111111111"
region  = "eu-central-1"
base    = true

[environments."dev-*"]
account   = "111111111111"
region    = "eu-central-1"
ephemeral = true
base      = "shared-dev"
"""


def context() -> CommandContext:
    return CommandContext({}, command="apply", as_json=False, environment="dev-ana")


@pytest.mark.parametrize("code", [ExitCode.DONE, ExitCode.PARTIAL])
def test_a_run_that_is_over_ends_as_it_ended_though_its_document_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, code: ExitCode
) -> None:
    run = Run(id=new_id(), ask=asked("dev-ana"), state="done", exit_code=int(code), document=blob_of(b"{}"))
    here, left = context(), list[ExitCode]()
    monkeypatch.setattr(here, "leave", left.append)
    end(here, SILENT, run, Pressed())
    assert left == [code]
    assert here.is_changed  # it may have


def test_a_machine_that_has_no_more_to_give_leaves_a_run_that_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room(_: Any) -> Run:
        raise MemoryError

    monkeypatch.setattr("seedbed.remote.following.Following.to_the_end", no_room)
    id_ = new_id()
    with pytest.raises(OutcomeUnknown, match="goes on, and cannot be followed") as found:
        follow(context(), SILENT, None, id_, Pressed())
    assert f"runs attach -e ENV {id_}" in found.value.try_


def test_an_answer_that_does_not_arrive_is_an_unknown_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_ANSWERED", 0.0)
    with pytest.raises(OutcomeUnknown, match="waits for an answer"):
        client._counted(SILENT, new_id(), 0, "yes")


class OfAnEngine(SeedbedError):
    """An error that nothing but its engine knows."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")


@pytest.mark.parametrize(
    "error", [Unreachable("a"), Throttled("b", because="c"), WrongAccount("d"), OfAnEngine(3)]
)
def test_an_error_of_a_task_is_told_as_it_was_where_the_task_was_started(error: SeedbedError) -> None:
    error.target = "user/postgres"
    told = ErrorEntry.of(error)
    again = raised(told)
    assert ErrorEntry.of(again) == told
    assert isinstance(again, type(error)) or isinstance(error, OfAnEngine)


@pytest.mark.parametrize(
    ("command", "environment", "said"),
    [("apply", "shared-dev", "shared-dev is a base"), ("share drop", "dev-ana", "dev-ana is no base")],
)
def test_a_task_carries_out_what_its_environment_is_for_whatever_a_record_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, environment: str, said: str
) -> None:
    (tmp_path / "seedbed.toml").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)
    settings = {"recorder": Mock(redactor=Redactor(), below="")}
    inside = CommandContext(settings, command=command, as_json=False, environment=environment)
    with pytest.raises(UsageError, match=said):
        travels(inside, {}, local=False, detach=False)
