"""The contract of what runs leave of a target for those who may not ask it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from seedbed.documents.state import StateDocument, read
from seedbed.engines.base import Session
from seedbed.engines.capabilities import SupportsLogins, SupportsUnlock
from seedbed.engines.infrastructure import SupportsDeployedState, SupportsMemory, SupportsRecall
from seedbed.engines.verification import SupportsVerified
from seedbed.errors import Refused, StepFailed
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.recalling import Recall, RecalledAddress
from seedbed.execution.remembering import remembered
from seedbed.model.history import History
from seedbed.model.migration import Direction, Migration, MigrationFile, Phase
from seedbed.model.plan import Plan
from seedbed.model.target import Target
from seedbed.model.verification import Verdict
from seedbed.model.verified import Claim, Finding, VerifyRecord
from seedbed.planning.plans import DatabaseState, Policy, plan_up
from seedbed.testing.bench import Bench, ignore, owner
from seedbed.testing.contracts.base import Contract
from seedbed.testing.runner import Text

_AT = datetime(2026, 11, 28, 10, tzinfo=UTC)
_LATER = timedelta(minutes=12)


class RecalledContract(Contract):
    """A session that remembers answers as the one that it remembers did."""

    def test_what_a_run_leaves_of_a_target_answers_as_its_session_did(self, bench: Bench) -> None:
        made, pending = bench.texts(bench.harness.creates("things"), bench.harness.creates("users"))
        bench.apply(made)
        with bench.connect() as live:
            if isinstance(live, SupportsDeployedState):
                assert isinstance(live, SupportsMemory)
                assert isinstance(bench.engine, SupportsRecall)
            _keep(live)
            with recalled(bench, left(bench, live)) as session:
                assert session.server == live.server
                assert session.history() == live.history()
                assert _deployed(session, bench.migration(pending)) == _deployed(
                    live, bench.migration(pending)
                )
                assert _planned(bench, session, made, pending) == _planned(bench, live, made, pending)
                assert _found(session) == _found(live)
                assert _logins(session) == _logins(live)

    def test_what_was_begun_and_not_finished_is_left_as_it_is(self, bench: Bench) -> None:
        table, failing = bench.texts(bench.harness.creates("users"), bench.harness.fails("orders"))
        with pytest.raises(StepFailed):
            bench.apply(table, failing)
        with bench.connect() as live, recalled(bench, left(bench, live)) as session:
            assert session.history() == live.history()
            assert session.history().identity == bench.identity

    def test_what_was_to_be_reverted_and_was_not_is_left_as_it_is(self, bench: Bench) -> None:
        text = bench.text(bench.harness.fails_down("things"))
        bench.apply(text)
        with pytest.raises(StepFailed):
            bench.revert(text)
        with bench.connect() as live, recalled(bench, left(bench, live)) as session:
            assert session.history() == live.history()

    def test_who_is_at_work_is_left_as_it_is(self, bench: Bench) -> None:
        with bench.lease("bea"), bench.connect() as live, recalled(bench, left(bench, live)) as session:
            if isinstance(live, SupportsUnlock):
                assert isinstance(session, SupportsUnlock)
                assert session.holder() == live.holder()
                assert "bea" in session.holder()

    def test_a_target_without_a_history_is_left_too(self, bench: Bench) -> None:
        with bench.connect() as live, recalled(bench, left(bench, live)) as session:
            assert session.history() == live.history()
            assert session.history().identity is None

    def test_nothing_that_is_left_is_a_secret(self, bench: Bench) -> None:
        with bench.connect() as live:
            data = left(bench, live).decode()
        secrets = [each.reveal() for each in getattr(bench.target.address, "secrets", ())]
        # A sandbox has secrets that are words, and stand there as what they are.
        assert [
            each for each in secrets if len(each) > len(bench.target.environment.name) and each in data
        ] == []

    def test_a_session_that_was_stopped_is_replaced_by_one_that_answers(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.connect() as live:
            live.interrupt()
            with recalled(bench, left(bench, live)) as session:
                assert len(session.history().applied) == 1

    def test_a_session_that_remembers_changes_nothing(self, bench: Bench) -> None:
        with (
            bench.connect() as live,
            recalled(bench, left(bench, live)) as session,
            pytest.raises(Refused, match="was not asked"),
        ):
            session.lease(owner("ana"), wait=0, listener=ignore)
        assert bench.history().identity is None


def left(bench: Bench, session: Session) -> bytes:
    """Return the state document that a run leaves which has `session` open, as it is stored."""
    target = ConnectedTarget(bench.target, session, History(), ExitStack())
    found, failed = remembered([target], lambda _: bench.engine, run="01J", at=_AT)
    assert failed == {}
    return StateDocument.of("sandbox", found, "apply").written(str)


@contextmanager
def recalled(bench: Bench, data: bytes) -> Iterator[Session]:
    """Yield a session on the target of `bench` that remembers what `data` says, twelve minutes later."""
    known = read(data, "state.json").remembered()[bench.target.id]
    target: Target = replace(bench.target, address=RecalledAddress(known))
    with Recall(bench.engine, _AT + _LATER).connect(target) as session:
        yield session


def _keep(session: Session) -> None:
    if isinstance(session, SupportsVerified):
        found = Finding(Claim("a", "0123"), Verdict.BROKEN, 3)
        session.keep(VerifyRecord("r", "ana", 1.5, "user/x", {"user/x": "ab"}, ("01_a",), (found,)), ())


def _deployed(session: Session, pending: Migration) -> object:
    """Return what a session says of infrastructure; one that says anything has to be remembered and recalled."""
    if not isinstance(session, SupportsDeployedState):
        return None
    return session.is_deployed(), [list(session.changes(gate)) for gate in Phase], session.unmet([pending])


def _planned(bench: Bench, session: Session, *texts: Text) -> Plan:
    def parse(_: str, file: MigrationFile) -> Migration:
        return bench.engine.parse(file)

    files = tuple(each.file for each in texts)
    plan = plan_up([DatabaseState(bench.target.id, files, session.history())], Policy("staging"), parse)
    (database,) = plan.databases
    assert [each.direction for each in database.actions] == [Direction.UP]
    return plan


def _logins(session: Session) -> Sequence[str]:
    return tuple(session.login_changes()) if isinstance(session, SupportsLogins) else ()


def _found(session: Session) -> object:
    return session.verified().records if isinstance(session, SupportsVerified) else None
