"""The race of `tests.soak.race`, once and small."""

from __future__ import annotations

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.race import race


def test_runs_started_together_all_succeed_and_apply_each_migration_once(
    postgres_server: EmbeddedServer,
) -> None:
    assert race(postgres_server, 4, migrations=40).problems == ()
