"""What nobody reviewed in a protected environment: it is said, and what is left of it says so; decisions have reasons."""

from __future__ import annotations

from collections.abc import Callable

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.postgres.wire import connected
from tests.support.projects import ProjectFiles, run, variables


def test_what_is_left_of_an_emergency_says_that_nobody_reviewed_it(
    files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    files.tables(2)
    database = new_database()
    env = variables(postgres_server, database)

    def left(query: str) -> list[str]:
        with connected(postgres_server, database) as connection:
            return [str(row[0]) for row in connection.execute(query.encode())]

    applied = run(files.root, "apply", "-e", "prod", "--unreviewed", env=env)
    assert applied.code == 0, applied.everything
    assert "prod is protected, and this was not reviewed" in applied.err
    owners = left("SELECT owner FROM seedbed.migrations_history")
    assert len(owners) == 2
    assert all(each.endswith(", unreviewed") for each in owners), owners

    reverted = run(files.root, "revert", "-e", "prod", "--unreviewed", env=env)
    assert (reverted.code, "this was not reviewed" in reverted.err) == (0, True), reverted.everything
    (actor,) = left("SELECT actor FROM seedbed.migrations_audit")
    assert actor.endswith(", unreviewed"), actor

    words = ("repair", "-e", "prod", "20260101000001", "--forget")
    refused = run(files.root, *words, env=env)
    assert (refused.code, "--because" in refused.err) == (3, True), refused.everything
    assert left("SELECT version FROM seedbed.migrations_history") == ["20260101000001"]
    decided = run(files.root, *words, "--because", "the table is gone", env=env)
    assert decided.code == 0, decided.everything
    assert left("SELECT because FROM seedbed.migrations_audit ORDER BY id") == ["", "the table is gone"]

    elsewhere = variables(postgres_server, new_database())
    freely = run(files.root, "apply", "-e", "dev-ana", "--unreviewed", env=elsewhere)
    assert (freely.code, "not reviewed" in freely.err) == (0, False), freely.everything
