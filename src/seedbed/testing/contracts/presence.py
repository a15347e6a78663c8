"""The contract of sessions that can tell what is there."""

from __future__ import annotations

from seedbed.engines.capabilities import SupportsNames, SupportsPresence
from seedbed.model.ownership import Mention
from seedbed.testing.bench import Bench
from seedbed.testing.contracts.base import Contract


class PresenceContract(Contract):
    """For engines that have `SupportsNames`, whose sessions have `SupportsPresence`."""

    def test_what_a_migration_makes_is_named_and_is_there_once_it_ran(self, bench: Bench) -> None:
        engine, text = bench.engine, bench.text(bench.harness.creates("users"))
        assert isinstance(engine, SupportsNames)
        named = engine.named(bench.migration(text), bench.target.database.options)
        assert "users" in named.makes
        assert not named.needs
        with bench.connect() as session:
            assert isinstance(session, SupportsPresence)
            assert not session.present(["users", "orders"])
        bench.apply(text)
        with bench.connect() as session:
            assert isinstance(session, SupportsPresence)
            assert set(session.present(["users", "orders"])) == {"users"}
            assert not session.present([])

    def test_the_hazard_of_a_foreign_name_says_whose_it_is(self, bench: Bench) -> None:
        engine = bench.engine
        assert isinstance(engine, SupportsNames)
        for is_there in (False, True):
            found = engine.foreign(Mention(("users",), 7), "users", "its owner", is_there=is_there)
            assert "users" in found.what
            assert "its owner" in found.what
            assert found.line == 7
            assert found.refused
