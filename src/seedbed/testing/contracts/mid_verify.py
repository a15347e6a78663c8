"""The contract of databases that are gone, or silent, in the middle of `verify`: no verdict that was not earned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import PurePath
from typing import Any, cast

import pytest
from msgspec import Struct

from seedbed.engines.base import Session
from seedbed.errors import ExitCode, Interrupted
from seedbed.execution import verifying
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.stopping import Stop
from seedbed.model.history import History
from seedbed.model.ids import Extent, Ids
from seedbed.model.platform import ALL, Database, DatabaseId, Field, Reference, Where
from seedbed.model.verification import Holders, ReferenceResult, Suspect, Verdict
from seedbed.testing.bench import Bench, dataset, ignore, rows
from seedbed.testing.contracts.base import Contract, hasty
from seedbed.testing.harness import SilenceHarness

NEAR, FAR = DatabaseId("near/engine"), DatabaseId("far/engine")
_GRACE = 0.2  # seconds between a stop and the end of waiting
_BOUND = 20.0  # seconds that nothing may take here, however busy the machine
# What a reference with an orphan is asked for, in turn: its ids, those it may refer to, the orphan there, and here.
_LOOKS = [1, 2, 3, 4]


class MidVerifyContract(Contract):
    """For engines whose session has `SupportsIds`, with a server on a line; the harness is a `SilenceHarness` too."""

    def hurry(self, patch: pytest.MonkeyPatch) -> None:
        """Let a first answer, and whatever else has a deadline, take a second at most."""
        raise NotImplementedError

    @pytest.mark.parametrize("look", [_LOOKS[0], _LOOKS[-1]])
    def test_a_database_that_is_gone_leaves_its_own_references_unverified_and_no_others(
        self, bench: Bench, look: int
    ) -> None:
        harness = _filled(bench)
        with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
            line = stack.enter_context(ExitStack())
            over = bench.over(line.enter_context(harness.line(bench.settings)).settings)
            near, far = stack.enter_context(bench.connect()), stack.enter_context(over.connect())
            self.hurry(patch)
            stack.enter_context(hasty())
            own, theirs = _verified({NEAR: near, FAR: _Watched(far, look, line.close)}, Stop())
        assert (own.verdict, own.orphans) == (Verdict.BROKEN, 1)
        assert (theirs.verdict, theirs.orphans, theirs.ids) == (Verdict.UNVERIFIED, 0, 0)
        assert theirs.error is not None
        assert theirs.error.exit_code is ExitCode.UNAVAILABLE
        assert theirs.error.because

    @pytest.mark.parametrize("look", _LOOKS)
    def test_a_stop_ends_verify_at_a_server_that_fell_silent_without_a_verdict(
        self, bench: Bench, look: int
    ) -> None:
        harness = _filled(bench)
        stop = Stop(grace=_GRACE)
        with (
            harness.line(bench.settings) as line,
            bench.connect() as near,
            bench.over(line.settings).connect() as far,
        ):

            def fall_silent() -> None:
                line.fall_silent()
                threading.Timer(_GRACE, stop.request, [ExitCode.TERMINATED]).start()

            began = time.monotonic()
            with pytest.raises(Interrupted) as caught:
                _verified({NEAR: near, FAR: _Watched(far, look, fall_silent)}, stop)
            assert stop.mark(caught.value).exit_code is ExitCode.TERMINATED
            assert time.monotonic() - began < _BOUND


def _filled(bench: Bench) -> SilenceHarness:
    bench.apply(bench.text(bench.harness.creates("users")))
    with bench.lease() as (_, lease):
        list(lease.load(dataset(rows("users", (1, "1"), (2, "nobody")))))
    assert isinstance(bench.harness, SilenceHarness)
    return bench.harness


def _verified(sessions: Mapping[DatabaseId, Any], stop: Stop) -> Sequence[ReferenceResult]:
    """Verify in each session that the names of users are ids of users."""
    connected = [
        ConnectedTarget(cast(Any, _Target(name)), cast(Session, session), History(None, ()), ExitStack())
        for name, session in sessions.items()
    ]
    references = [Reference(Field(each, "users.name"), Field(each, "users.id"), grace=0) for each in sessions]
    context = RunContext(this_process(), wait=0, listener=ignore, stop=stop)
    return verifying.verify(references, connected, {}, context)


class _Target(Struct):
    id: str

    @property
    def database(self) -> Database:
        return Database(self.id.partition("/")[0], "engine", PurePath())


class _Watched:
    """A session; before it is asked for the `look`th time, something happens."""

    def __init__(self, session: Any, look: int, happens: Callable[[], None]) -> None:
        self._session = session
        self._left = look
        self._happens = happens

    def _asked(self) -> None:
        self._left -= 1
        if not self._left:
            self._happens()

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        self._asked()
        yield from self._session.ids(path, where)

    def extent(self, path: str, where: Where = ALL) -> Extent:
        return cast(Extent, self._session.extent(path, where))

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        self._asked()
        return cast(Collection[str], self._session.found(path, ids))

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        self._asked()
        return cast(
            Mapping[str, Holders],
            self._session.holders(path, suspects, time=time, most=most, where=where),
        )

    def interrupt(self) -> None:
        self._session.interrupt()

    def abandon(self) -> None:
        self._session.abandon()
