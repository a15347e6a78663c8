"""Asking to stop: what answers is waited for, what is silent is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seedbed.errors import ExitCode, Interrupted
from seedbed.execution import maintenance
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext
from seedbed.execution.stopping import Stop
from seedbed.execution.threads import side_by_side
from seedbed.model.history import History, Owner
from seedbed.model.outcome import fold


class Silent:
    """A session whose server answers nothing, not even to being interrupted."""

    def __init__(self) -> None:
        self.interrupted_at = 0.0
        self.abandoned_at = 0.0
        self.is_over = threading.Event()

    def interrupt(self) -> None:
        self.interrupted_at = self.interrupted_at or time.monotonic()
        self.is_over.wait(60)

    def abandon(self) -> None:
        self.abandoned_at = time.monotonic()
        self.is_over.set()


def test_a_session_that_does_not_end_is_abandoned_after_the_grace() -> None:
    stop, session = Stop(grace=0.3), Silent()
    with stop.watching(session):
        stop.request()
        assert session.is_over.wait(60)
    assert 0.25 < session.abandoned_at - session.interrupted_at < 30


def test_a_session_that_ends_within_the_grace_is_left_alone() -> None:
    stop, session = Stop(grace=0.2), Silent()
    with stop.watching(session):
        stop.request()
    time.sleep(0.4)
    assert session.abandoned_at == 0
    session.is_over.set()


def test_what_begins_after_the_grace_is_abandoned_too() -> None:
    stop, first, second = Stop(grace=0.1), Silent(), Silent()
    with stop.watching(first):
        stop.request()
        assert first.is_over.wait(60)
        with stop.watching(second):
            assert second.is_over.wait(60)


def test_calls_that_never_return_are_not_waited_for_once_a_stop_is_asked_for() -> None:
    stop, is_over = Stop(), threading.Event()
    threading.Timer(0.1, stop.request, [ExitCode.TERMINATED]).start()
    began = time.monotonic()
    with pytest.raises(Interrupted) as caught:
        side_by_side([lambda: is_over.wait(60), lambda: True], meanwhile=stop.check)
    assert time.monotonic() - began < 30
    assert caught.value.exit_code is ExitCode.TERMINATED
    is_over.set()


def test_calls_return_in_their_order_whoever_is_asked_meanwhile() -> None:
    assert side_by_side([lambda: 1, lambda: 2], meanwhile=lambda: None) == [1, 2]


class Decided(Silent):
    """A session of which its lease, or the end of another one, is asked for, and whose server is silent then."""

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self._stop = stop

    def _wait(self) -> None:
        self._stop.request(ExitCode.TERMINATED)
        assert self.is_over.wait(60)
        raise Interrupted("the connection was closed")

    @contextmanager
    def lease(self, *_: object, **__: object) -> Iterator[object]:
        self._wait()
        yield None

    def unlock(self, *, actor: str) -> str:
        self._wait()
        return actor

    def holder(self) -> str:
        return ""


@pytest.mark.parametrize("verb", ["repair", "unlock"])
def test_a_repair_of_a_silent_server_ends_as_soon_as_any_other_command(verb: str) -> None:
    stop = Stop(grace=0.1)
    session = Decided(stop)
    context = RunContext(Owner("me", "me"), wait=0, listener=lambda _: None, stop=stop)
    target = ConnectedTarget(cast(Any, SimpleNamespace(id="a/b")), cast(Any, session), History(), ExitStack())
    if verb == "repair":
        maintenance.repair(target, "1", maintenance.Decision.FORGET, lambda _: None, context, "")
        assert fold(context.events).exit_code is ExitCode.TERMINATED
    else:
        with pytest.raises(Interrupted):
            maintenance.unlock(target, context)
    assert session.abandoned_at
