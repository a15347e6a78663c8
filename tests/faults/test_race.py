"""The race of `tests.soak.race`, a few times and small."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.race import race


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_runs_started_together_all_succeed_and_apply_each_migration_once(
    postgres_server: EmbeddedServer, processes: int
) -> None:
    assert race(postgres_server, processes, migrations=60).problems == ()
