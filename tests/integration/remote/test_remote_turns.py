"""Whose turn it is with an environment: of those who bring it up, or of those who take it away."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, cast
from unittest import mock

import pytest
from msgspec.structs import replace

from seedbed.aws.items import Table
from seedbed.cli import turns as commands
from seedbed.errors import Busy
from seedbed.execution.threads import side_by_side
from seedbed.model.environment import Environment
from seedbed.remote import turns as module
from seedbed.remote.control import Control, environment_item, run_item
from seedbed.remote.records import Ask, new_id
from seedbed.remote.starting import Starter
from seedbed.remote.turns import SILENT, Kind, Turns
from tests.support.aws_proxy import Proxy, on


@pytest.fixture
def name() -> str:
    return f"dev-{uuid.uuid4().hex[:8]}"


def turns(control: Control, name: str, kind: Kind, who: str = "ana") -> Turns:
    return Turns(control.table, name, kind, by=f"arn:aws:iam::1:user/{who}", command=f"env {kind}")


def later(table: Table, seconds: float) -> AbstractContextManager[object]:
    """Have it be later by AWS's clock, as all see it."""
    return mock.patch.object(Table, "now", return_value=table.now() + seconds)


def test_several_bring_up_at_once_and_nobody_deletes_meanwhile(control: Control, name: str) -> None:
    ana, ben, down = (
        turns(control, name, "up"),
        turns(control, name, "up", "ben"),
        turns(control, name, "down"),
    )
    assert (ana.take(), ben.take()) == (None, None)
    found = down.take()
    assert found is not None
    assert (found.kind, found.command) == ("up", "env up")
    ana.end()
    assert down.take() is not None
    ben.end()
    assert down.take() is None
    found = ana.take()
    assert found is not None
    assert found.command == "env down"
    down.end()
    assert control.table.get(environment_item(name), "turn") is None


def test_who_was_not_heard_of_is_not_counted_and_finds_its_turn_gone(control: Control, name: str) -> None:
    up, down = turns(control, name, "up"), turns(control, name, "down")
    assert up.take() is None
    with later(control.table, SILENT - 1):
        assert down.take() is not None
        assert up.beat()
    with later(control.table, SILENT + 1):
        assert down.take() is not None
    with later(control.table, 2 * SILENT):
        assert down.take() is None
        assert not up.beat()
        assert down.beat()
        up.end()
        assert down.beat()


def test_of_many_at_the_same_moment_one_kind_begins(control: Control, name: str) -> None:
    many = [turns(control, name, kind) for kind in ("up", "down") for _ in range(4)]
    together, begun = threading.Barrier(len(many)), list[str]()

    def take(each: Turns) -> None:
        together.wait()
        if each.take() is None:
            begun.append(each._kind)

    with mock.patch.object(module, "_TRIES", 200):
        results = side_by_side([lambda each=each: take(each) for each in many])  # type: ignore[misc]
    assert [each for each in results if each is not None] == []
    assert begun in (["up"] * 4, ["down"] * 4)


def test_a_write_whose_answer_was_lost_is_found_by_its_second_try(
    control: Control, name: str, aws: Proxy
) -> None:
    up = turns(control, name, "up")
    with aws.drop(on("PutItem"), when="answered", times=1):
        assert up.take() is None
    assert up.beat()
    with aws.drop(on("DeleteItem"), when="answered", times=1):
        up.end()
    assert turns(control, name, "down").take() is None


def test_who_finds_no_gap_says_so(control: Control, name: str) -> None:
    with (
        mock.patch.object(Table, "put", return_value=False),
        pytest.raises(Busy, match="all the time"),
    ):
        turns(control, name, "up").take()


def test_who_says_that_he_will_be_heard_of_in_an_hour_is_not_counted(control: Control, name: str) -> None:
    up, down = turns(control, name, "up"), turns(control, name, "down")
    with later(control.table, 3600):
        assert up.take() is None
    assert down.take() is None
    assert not up.beat()


# --- commands


@dataclass
class Said:
    """What a command says on standard error."""

    command: str = "env down"
    lines: list[str] = field(default_factory=list)

    @property
    def out(self) -> Said:
        return self

    def log(self, text: str, *, level: int = 0) -> None:
        self.lines.append(text)


ANA = Environment("dev-ana", base="shared-dev", ephemeral=True)


def test_who_is_heard_of_is_in_the_way_at_once_and_who_is_not_only_until_he_is_not_counted(
    control: Control, name: str
) -> None:
    up, down, context = turns(control, name, "up"), turns(control, name, "down"), cast("Any", Said())
    assert up.take() is None
    over = threading.Event()
    beating = threading.Thread(target=lambda: [up.beat() for _ in iter(lambda: over.wait(0.3), True)])
    beating.start()
    with pytest.raises(Busy, match="dev-ana is brought up: env up of ana, since"):
        commands._begin(context, ANA, down)
    over.set()
    beating.join()
    with mock.patch.object(module, "SILENT", 2.0):
        commands._begin(context, ANA, down)
    assert not up.beat()
    assert len(context.lines) == 2


def test_several_who_were_killed_are_in_the_way_only_until_none_of_them_is_counted(
    control: Control, name: str
) -> None:
    ana, ben = turns(control, name, "up"), turns(control, name, "up", "ben")
    assert ana.take() is None
    with later(control.table, 1.0):
        assert ben.take() is None
    context = cast("Any", Said())
    with mock.patch.object(module, "SILENT", 2.0):
        commands._begin(context, ANA, turns(control, name, "down"))
    assert len(context.lines) == 1


def test_who_has_lost_the_turn_is_stopped_as_by_sigterm(control: Control, name: str) -> None:
    up, context, over = turns(control, name, "up"), Said(), threading.Event()
    with mock.patch("seedbed.remote.turns.BEAT", 0.01), mock.patch("os.kill") as kill:
        commands._beat(cast("Any", context), ANA, up, over)  # it never began
    kill.assert_called_once_with(os.getpid(), signal.SIGTERM)
    assert context.lines == ["env down stops: it was not heard of, and another one began"]


def test_what_is_made_on_a_base_for_an_environment_is_closed_or_ends_before_that_is_deleted(
    control: Control, ask: Ask
) -> None:
    making = replace(ask, command="share make", argv=("dev-ana", "user/postgres"), writes=False)
    others = replace(making, argv=("dev-ben", "user/postgres"))
    ids = {"asked": making, "claimed": making, "others": others}
    for id_, each in ids.items():
        control.create(id_, each)
    run = control.claim("claimed", "task", "1")
    assert run is not None
    with pytest.raises(Busy, match="run claimed of shared-dev makes what dev-ana has there"):
        commands._ended(control, "dev-ana", "shared-dev", patience=0.0)
    found = control.run("asked")
    assert found is not None
    assert (found.state, found.exit_code) == ("done", 4)
    ending = threading.Timer(0.5, lambda: control.finish(run, 0))
    ending.start()
    commands._ended(control, "dev-ana", "shared-dev")
    found = control.run("others")
    assert found is not None
    assert found.state == "asked"


def test_what_is_made_is_found_behind_many_newer_runs_and_records_by_hand_keep_nobody(
    control: Control, ask: Ask
) -> None:
    making = replace(ask, command="share make", argv=("dev-ana", "user/postgres"), writes=False)
    id_ = new_id(now=control.now() - 100)
    control.create(id_, making)
    assert control.claim(id_, "task", "1") is not None
    for number in range(60):
        control.create(new_id(now=control.now() + number), replace(ask, writes=False))
    control.table.put({"id": environment_item(ask.environment), "part": "run#sung"})
    with pytest.raises(Busy, match=f"run {id_} of shared-dev"):
        commands._ended(control, "dev-ana", "shared-dev", patience=0.0)
    ahead = control.now() + 3600
    control.table.update(run_item(ask.environment, id_), "ask", "SET #beat = :beat", beat=ahead)
    commands._ended(control, "dev-ana", "shared-dev", patience=0.0)


def test_a_run_that_writes_is_under_way_until_it_ends_or_nothing_of_it_is_heard(
    control: Control, ask: Ask
) -> None:
    starter = Starter(control, cast("Any", None))  # no task was started for it
    assert starter.under_way() is None
    control.create("one", ask)
    found = starter.under_way()
    assert found is not None
    assert found.id == "one"
    with later(control.table, 31):
        assert starter.under_way() is None
