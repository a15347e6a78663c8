"""Servers that do not answer while a connection is opened: told, and by what they are awaited for."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import PurePath
from typing import Any

import pytest

from seedbed.engines.base import Session
from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.errors import AccessRefused, Unreachable
from seedbed.execution import connecting
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Event, TargetAwaited, TargetFailed
from seedbed.model.platform import Database
from seedbed.model.target import Target


class Silent:
    """An engine whose server says nothing until it is given up."""

    def __init__(self, given_up: threading.Event) -> None:
        self._given_up = given_up

    def connect(self, target: Target) -> AbstractContextManager[Session]:
        self._given_up.wait(20)
        raise Unreachable(f"{target.id} cannot be reached", because="no answer came in time")


class Sleepy(Silent):
    def sleeps(self, _address: object) -> bool:
        return True


@pytest.mark.parametrize(("engine", "wakes"), [(Silent, False), (Sleepy, True)])
def test_a_server_that_says_nothing_is_told_until_it_is_given_up(
    engine: type[Silent], wakes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "SILENT", 1.5)
    given_up, told = threading.Event(), list[Event]()

    def listen(event: Event) -> None:
        told.append(event)
        if isinstance(event, TargetAwaited):
            given_up.set()

    target = Target(Database("user", "postgres", PurePath("x")), Environment("dev-ana"), "shop", "address")
    silent = engine(given_up)
    with connecting.connect([target], lambda _name: silent, listen, stop=Stop()) as (connected, failed):
        assert (connected, list(failed)) == ([], ["user/postgres"])
    first = told[0]
    assert isinstance(first, TargetAwaited)
    assert first.wakes is wakes
    assert (first.waited >= 1.5) is not wakes  # who sleeps is told from the first second on
    assert isinstance(told[-1], TargetFailed)


class Shared(PostgresEngine):
    """A server that lets nobody in."""

    def connect(self, target: Target) -> AbstractContextManager[Any]:
        raise AccessRefused(f"{target.id} refused the login", try_="check DB_USER")


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        (
            {"base": "shared-dev"},
            "where it was never made on shared-dev: seedbed env up dev-ana; else check DB_USER",
        ),
        ({"base": "shared-dev", "own": ("postgres",)}, "check DB_USER"),
        ({}, "check DB_USER"),
    ],
)
def test_who_is_not_let_into_a_server_of_a_base_is_told_how_a_database_is_made_there(
    more: dict[str, Any], hint: str
) -> None:
    where = Environment("dev-ana", ephemeral=True, **more)
    target = Target(Database("user", "postgres", PurePath("x")), where, "shop", "address")
    with connecting.connect([target], lambda _name: Shared(), lambda _event: None, stop=Stop()) as (
        _,
        failed,
    ):
        assert failed["user/postgres"].try_ == hint
