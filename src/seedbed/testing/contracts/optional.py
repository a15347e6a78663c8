"""Contracts of what only some engines can do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from seedbed.engines.capabilities import SupportsInspection, SupportsLosses, SupportsReset, SupportsUnlock
from seedbed.errors import LeaseLost, StepFailed
from seedbed.model.migration import Direction, Source, Work
from seedbed.model.plan import Loss
from seedbed.model.seed import Loading, Script
from seedbed.testing.bench import Bench, dataset, rows
from seedbed.testing.contracts.base import Contract
from seedbed.testing.harness import LossHarness, ScriptHarness
from seedbed.testing.runner import Text


class AtomicLoadContract(Contract):
    """For engines whose seeds stay as a whole or not at all."""

    def test_a_part_that_fails_takes_the_parts_before_it_with_it(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        parts = dataset(rows("users", (1, "ana")), rows("no_such_table", (1, "ana")))
        told: list[Loading] = []
        with bench.lease() as (_, lease), pytest.raises(StepFailed):
            list(lease.load(parts, told.append))
        assert not bench.rows("users")
        assert not any(each.changed for each in told)


class ScriptContract(Contract):
    """For engines whose seeds may be scripts in their own language; the harness is a `ScriptHarness` too."""

    def test_a_script_may_run_again(self, bench: Bench) -> None:
        harness = bench.harness
        assert isinstance(harness, ScriptHarness)
        bench.apply(bench.text(harness.creates("users")))
        path = f"seeds/users{harness.script_suffix}"
        part = Script(path, Source(path, harness.script_suffix, harness.script("users").encode()))
        for _ in range(2):
            with bench.lease() as (_, lease):
                loaded = list(lease.load(replace(dataset(), parts=(part,))))
            assert [each.part for each in loaded] == [path]
        assert [each["id"] for each in bench.rows("users")] == [7]


class ResetContract(Contract):
    """For engines whose lease has `SupportsReset`."""

    def test_reset_removes_everything_and_says_what(self, bench: Bench) -> None:
        texts = bench.texts(bench.harness.creates("users"), bench.harness.adds("users"))
        bench.apply(*texts)
        with bench.lease() as (_, lease):
            assert isinstance(lease, SupportsReset)
            assert lease.reset().strip()
        assert not bench.made()
        assert bench.history().identity is None
        assert bench.history().revisions == ()

    def test_after_a_reset_everything_can_be_applied_again(self, bench: Bench) -> None:
        texts = bench.texts(bench.harness.creates("users"), bench.harness.adds("users"))
        bench.apply(*texts)
        before = bench.state()
        with bench.lease() as (_, lease):
            assert isinstance(lease, SupportsReset)
            lease.reset()
        bench.apply(*texts)
        assert bench.state() == before

    def test_resetting_an_empty_target_is_no_error(self, bench: Bench) -> None:
        with bench.lease() as (_, lease):
            assert isinstance(lease, SupportsReset)
            lease.reset()
        assert bench.history().identity is None

    def test_a_lost_lease_resets_nothing(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.lease() as (_, lease):
            assert isinstance(lease, SupportsReset)
            bench.break_lease()
            with pytest.raises(LeaseLost):
                lease.reset()
        assert set(bench.made()) == {"users"}


class LossContract(Contract):
    """For engines whose session has `SupportsLosses`; the harness is a `LossHarness` too."""

    def test_what_a_revert_removes_is_known_before_and_nothing_of_it_is_gone(self, bench: Bench) -> None:
        harness = bench.harness
        assert isinstance(harness, LossHarness)
        created, removed, added = bench.texts(
            harness.creates("users"), harness.removes("users"), harness.adds("users")
        )
        bench.apply(created, removed, added)
        before = bench.state()
        found = self._losses(bench, removed)
        assert [each.version for each in found] == [bench.migration(removed).version] * len(found)
        assert sum(each.rows or 0 for each in found) == 1 or any(each.rows is None for each in found)
        assert bench.state() == before

    def test_a_revert_that_removes_nothing_loses_nothing(self, bench: Bench) -> None:
        harness = bench.harness
        bench.apply(*(texts := bench.texts(harness.creates("users"), harness.backfill("users", 10))))
        assert self._losses(bench, texts[1]) == []

    def _losses(self, bench: Bench, *texts: Text) -> list[Loss]:
        works = [Work(bench.migration(text), Direction.DOWN) for text in texts]
        with bench.connect() as session:
            assert isinstance(session, SupportsLosses)
            return list(session.losses(works))


class SchemaContract(Contract):
    """For engines whose session has `SupportsInspection`."""

    def test_the_schema_of_an_empty_target_is_the_same_with_a_history_and_without(self, bench: Bench) -> None:
        before = self._schema(bench)
        with bench.lease():
            pass
        assert self._schema(bench) == before

    def test_the_schema_is_sorted_and_knows_what_was_made(self, bench: Bench) -> None:
        empty = self._schema(bench)
        bench.apply(*bench.texts(bench.harness.creates("users"), bench.harness.creates("orders")))
        schema = self._schema(bench)
        assert schema == sorted(schema)
        assert all("\n" not in line for line in schema)
        for thing in ("users", "orders"):
            assert any(thing in line for line in set(schema) - set(empty))

    def test_the_same_migrations_make_the_same_schema(self, bench: Bench) -> None:
        def made(there: Bench) -> list[str]:
            there.apply(
                *there.texts(there.harness.creates("users"), there.harness.probeable("extra", "users"))
            )
            return self._schema(there)

        first = made(bench)
        assert made(Bench(bench.harness)) == first

    def test_down_brings_the_schema_back(self, bench: Bench) -> None:
        first, second = bench.texts(bench.harness.creates("users"), bench.harness.creates("orders"))
        bench.apply(first)
        before = self._schema(bench)
        bench.apply(first, second)
        assert self._schema(bench) != before
        bench.revert(second)
        assert self._schema(bench) == before

    def _schema(self, bench: Bench) -> list[str]:
        with bench.connect() as session:
            assert isinstance(session, SupportsInspection)
            return list(session.schema())


class UnlockContract(Contract):
    """For engines whose session has `SupportsUnlock`."""

    def test_unlock_ends_the_holder_and_says_who_that_was(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        with bench.lease("ana@laptop") as (_, lease):
            assert "ana@laptop" in self._unlock(bench)
            with pytest.raises(LeaseLost):
                list(lease.apply([Work(bench.migration(text))]))
        assert bench.history().revisions == ()
        assert any("eve@desk" in line for line in bench.audit())

    def test_a_look_says_who_holds_the_lease_and_nobody_where_it_is_free(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.connect() as session:
            assert isinstance(session, SupportsUnlock)
            assert session.holder() == ""
            with bench.lease("ana@laptop"):
                assert "ana@laptop" in session.holder()
            assert session.holder() == ""

    def test_after_unlock_the_lease_is_free(self, bench: Bench) -> None:
        with bench.runner(stop_at="lease_taken") as runner:
            runner.wait_until_stopped()
            self._unlock(bench)
            with bench.lease("eve"):
                pass

    def test_unlock_with_nobody_there_is_nothing(self, bench: Bench) -> None:
        assert self._unlock(bench) == ""
        assert not bench.audit()

    def _unlock(self, bench: Bench) -> str:
        with bench.connect() as session:
            assert isinstance(session, SupportsUnlock)
            return session.unlock(actor="eve@desk")
