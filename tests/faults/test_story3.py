"""Payment's story 3, as `tests.soak.backfill` tells it, on a small table."""

from __future__ import annotations

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.backfill import story


def test_story_3_converts_every_row_although_it_is_killed_and_a_writer_goes_on(
    postgres_server: EmbeddedServer,
) -> None:
    told = story(postgres_server, rows=20_000, kills=3, seed=3)
    assert told.problems == ()
    assert told.kills == 3
    assert told.written > 0
