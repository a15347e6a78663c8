"""The contract of a target's history."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from seedbed.errors import Refused, Unreachable
from seedbed.model.history import Identity, Revision, RevisionState
from seedbed.model.migration import Phase
from seedbed.testing.bench import Bench, ignore, owner
from seedbed.testing.contracts.base import Contract
from seedbed.testing.runner import Order


class HistoryContract(Contract):
    """What a target remembers."""

    def test_a_fresh_target_has_an_empty_history(self, bench: Bench) -> None:
        history = bench.history()
        assert history.identity is None
        assert history.revisions == ()

    def test_reading_leaves_a_fresh_target_as_it_is(self, bench: Bench) -> None:
        bench.history()
        assert bench.history().identity is None
        assert not bench.made()
        assert not bench.audit()

    def test_the_binding_is_there_for_every_session_after_it(self, bench: Bench) -> None:
        with bench.connect() as session, session.lease(owner("ana"), wait=0, listener=ignore) as lease:
            lease.bind(bench.identity)
            assert lease.history().identity == bench.identity
        assert bench.history().identity == bench.identity

    def test_binding_again_with_the_same_identity_changes_nothing(self, bench: Bench) -> None:
        with bench.lease() as (_, lease):
            lease.bind(bench.identity)
        assert bench.history().identity == bench.identity

    def test_nobody_answering_is_unreachable(self, bench: Bench) -> None:
        nowhere = Order(bench.harness.entry_point, bench.harness.nowhere(), dict(bench.harness.options))
        with pytest.raises(Unreachable), bench.engine.connect(nowhere.target):
            pass

    def test_the_server_says_what_it_is(self, bench: Bench) -> None:
        with bench.connect() as session:
            assert session.server.strip()

    def test_the_address_shows_no_secret(self, bench: Bench) -> None:
        address = bench.engine.address(bench.settings, bench.target.database.options)
        for secret in address.secrets:
            assert not secret or secret.reveal() not in str(address)

    def test_a_format_newer_than_ours_is_refused(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        bench.apply(text)
        bench.harness.age_history(bench.settings)
        with pytest.raises(Refused), bench.connect() as session:
            session.history()
        with pytest.raises(Refused):
            bench.apply(text, bench.text(bench.harness.creates("orders")))
        assert set(bench.made()) == {"users"}

    def test_a_history_that_lost_its_identity_is_not_empty(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        bench.apply(text)
        bench.harness.lose_identity(bench.settings)
        history = bench.history()
        assert history.identity is None
        assert [each.version for each in history.applied] == [text.version]

    def test_a_history_bound_anew_goes_on_where_it_stood(self, bench: Bench) -> None:
        texts = bench.texts(*(bench.harness.creates(each) for each in ("users", "orders", "carts")))
        bench.apply(*texts[:2])
        bench.harness.lose_identity(bench.settings)
        self._rebind(bench, bench.identity)
        assert bench.history().identity == bench.identity
        bench.apply(*texts)
        assert bench.applied == [each.version for each in texts]
        bench.revert(texts[2])
        assert bench.applied == [each.version for each in texts[:2]]

    def test_a_copy_is_bound_to_another_environment_with_an_audit_line(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        bench.apply(text)
        self._rebind(bench, replace(bench.identity, environment="elsewhere"))
        assert bench.history().identity == replace(bench.identity, environment="elsewhere")
        assert bench.applied == [text.version]
        self._is_audited(bench, "eve@desk", "a copy of the night before")

    def _rebind(self, bench: Bench, identity: Identity) -> None:
        with bench.connect() as session, session.lease(owner("eve"), wait=0, listener=ignore) as lease:
            lease.rebind(identity, actor="eve@desk", because="a copy of the night before")

    def test_record_writes_a_revision_as_it_is_and_an_audit_line(self, bench: Bench) -> None:
        revision = Revision("20250101000000", "before_us", "0" * 64, Phase.CONTRACT, owner="ana")
        with bench.lease() as (_, lease):
            lease.record(revision, actor="ana@example.org", because="it was there before seedbed")
        found = bench.history().revision(revision.version)
        assert found is not None
        assert replace(found, applied_at=None, duration_ms=0) == revision
        self._is_audited(bench, revision.version, "ana@example.org", "it was there before seedbed")

    def test_record_keeps_where_a_migration_stands_and_what_ran_of_it(self, bench: Bench) -> None:
        state = RevisionState.STARTED
        revision = Revision("20250101000000", "begun", "0" * 64, Phase.EXPAND, state, step=2, ran="ab" * 16)
        with bench.lease() as (_, lease):
            lease.record(revision, actor="ana", because="two of its steps are done")
        found = bench.history().revision(revision.version)
        assert found is not None
        assert (found.state, found.step, found.in_step, found.ran) == (state, 2, False, revision.ran)

    def test_record_replaces_what_is_there(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        bench.apply(text)
        with bench.lease() as (_, lease):
            before = lease.history().revision(text.version)
            assert before is not None
            lease.record(replace(before, checksum="1" * 64), actor="ana", because="only a comment changed")
        found = bench.revision(text)
        assert found is not None
        assert (found.checksum, found.name, found.state) == ("1" * 64, before.name, RevisionState.APPLIED)

    def test_forget_removes_a_version_and_leaves_an_audit_line(self, bench: Bench) -> None:
        first, second = bench.texts(bench.harness.creates("users"), bench.harness.creates("orders"))
        bench.apply(first, second)
        with bench.lease() as (_, lease):
            lease.forget(second.version, actor="ana@example.org", because="orders were dropped by hand")
        assert bench.applied == [first.version]
        assert set(bench.made()) == {"users", "orders"}
        self._is_audited(bench, second.version, "ana@example.org", "orders were dropped by hand")

    def _is_audited(self, bench: Bench, *words: str) -> None:
        assert any(all(word in line for word in words) for line in bench.audit()), bench.audit()
