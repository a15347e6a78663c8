"""The contract of engines that tell what their migrations remove, and of sessions that tell whether it is used."""

from __future__ import annotations

import pytest

from seedbed.engines.usage import SupportsDeployedRemovals, SupportsRemovals, SupportsUsage
from seedbed.model.migration import Phase
from seedbed.model.usage import Removed, Usage
from seedbed.planning.usage import Use, judged
from seedbed.testing.bench import Bench
from seedbed.testing.contracts.base import Contract
from seedbed.testing.harness import UsageHarness

_COMMIT = "c" * 40


class UsageContract(Contract):
    """For engines with `SupportsRemovals` whose session has `SupportsUsage`; the harness is a `UsageHarness` too.

    None is said only where every use would have been seen.
    """

    @pytest.fixture
    def harness_of_uses(self, bench: Bench) -> UsageHarness:
        assert isinstance(bench.harness, UsageHarness)
        bench.apply(*bench.texts(*bench.harness.prepares("users")))
        return bench.harness

    def _look(self, bench: Bench, text: str) -> Usage:
        engine = bench.engine
        assert isinstance(engine, SupportsRemovals)
        removed = list[Removed]()
        if text:
            migration = bench.migration(bench.text(text, phase=Phase.CONTRACT))
            removed += engine.removals(migration, bench.target.database)
        with bench.connect() as session:
            assert isinstance(session, SupportsUsage)
            if isinstance(session, SupportsDeployedRemovals):
                removed += session.deployed_removals()
            assert removed, "the contract removes nothing"
            found = session.usage(removed)
        assert [each.removed for each in found.counters] == removed
        return found

    def _judge(self, before: Usage, after: Usage) -> Use:
        return judged([(before, after)], _COMMIT)

    def test_what_nobody_uses_is_not_used_however_often_it_is_looked_at(
        self, bench: Bench, harness_of_uses: UsageHarness
    ) -> None:
        text = harness_of_uses.drops("users")
        before = self._look(bench, text)
        self._look(bench, text)
        harness_of_uses.settles(bench.settings)
        found = self._judge(before, self._look(bench, text))
        assert found.verdict == "none", found

    def test_a_use_between_two_looks_is_seen(self, bench: Bench, harness_of_uses: UsageHarness) -> None:
        text = harness_of_uses.drops("users")
        harness_of_uses.uses(bench.settings, "users")
        before = self._look(bench, text)
        harness_of_uses.uses(bench.settings, "users")
        harness_of_uses.settles(bench.settings)
        found = self._judge(before, self._look(bench, text))
        assert found.verdict == "some", found

    def test_a_use_before_the_first_look_is_none_between(
        self, bench: Bench, harness_of_uses: UsageHarness
    ) -> None:
        text = harness_of_uses.drops("users")
        harness_of_uses.uses(bench.settings, "users")
        before = self._look(bench, text)
        harness_of_uses.settles(bench.settings)
        found = self._judge(before, self._look(bench, text))
        assert found.verdict == "none", found

    def test_counting_that_begins_anew_hides_no_use(
        self, bench: Bench, harness_of_uses: UsageHarness
    ) -> None:
        text = harness_of_uses.drops("users")
        before = self._look(bench, text)
        harness_of_uses.uses(bench.settings, "users")
        harness_of_uses.begins_anew(bench.settings, "users")
        harness_of_uses.settles(bench.settings)
        found = self._judge(before, self._look(bench, text))
        assert found.verdict == "unknown", found
        assert found.text

    def test_what_is_not_counted_is_unknown_and_says_why(
        self, bench: Bench, harness_of_uses: UsageHarness
    ) -> None:
        text = harness_of_uses.drops_uncounted("users")
        before = self._look(bench, text)
        harness_of_uses.settles(bench.settings)
        after = self._look(bench, text)
        assert self._judge(before, after).verdict == "unknown"
        assert any(each.blind for each in after.counters)
