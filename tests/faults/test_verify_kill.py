"""One of the ends of `tests.soak.verify_kill`, small."""

from __future__ import annotations

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.verify_kill import ended, prepared


def test_verify_that_is_ended_while_it_reads_records_nothing_and_leaves_no_file(
    postgres_server: EmbeddedServer,
) -> None:
    with prepared(postgres_server) as stage:
        assert ended(stage, "to", "ctrl-c") == []
