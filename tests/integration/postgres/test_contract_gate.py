"""A contract of a protected environment, on a real server: refused, verified, applied, as a person does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.postgres.wire import connected, snapshot
from tests.support.projects import ProjectFiles, Ran, run, variables

REFERENCE = """
[[references]]
from = "order/postgres:orders.user_id"
to = "user/postgres:users.id"
grace = "0s"
"""
ENV = "-e", "prod"


@pytest.mark.slow
def test_a_contract_waits_for_verify_and_runs_once_it_passed(
    files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    files.manifest(["order", "user"], REFERENCE)
    files.migration(
        "20260101000001_make", "CREATE TABLE users (id int, name text); INSERT INTO users VALUES (7);"
    )
    files.migration(
        "20260101000001_make",
        "CREATE TABLE orders (user_id int); INSERT INTO orders VALUES (7);",
        service="order",
    )
    files.migration("20260101000002_drop", "ALTER TABLE users DROP name;", directives="phase=contract")
    databases = {service: new_database() for service in ("order", "user")}
    env: dict[str, str] = {}
    for service, database in databases.items():
        env |= variables(postgres_server, database, f"{service.upper()}_")

    def seedbed(*arguments: str) -> Ran:
        return run(files.root, *arguments, env=env)

    assert seedbed("apply", *ENV, "--unreviewed", "--through", "migrate").code == 0
    before = {each: snapshot(postgres_server, each) for each in databases.values()}
    planned = seedbed("plan", *ENV, "--out", "plan.json")
    assert planned.code == 0, planned.everything
    assert (
        "waits for verify: never verified: order/postgres:orders.user_id → user/postgres:users.id"
        in planned.out
    )
    refused = seedbed("apply", *ENV, "plan.json")
    assert refused.code == 3, refused.everything
    assert "prod is protected: contracts of user/postgres wait for verify" in refused.err
    assert "seedbed verify -e prod" in refused.err
    assert {each: snapshot(postgres_server, each) for each in databases.values()} == before

    # What could not be read is kept as that, and lets nothing through.
    login = f"denied_{databases['user']}"
    with connected(postgres_server, databases["user"]) as owner:
        owner.execute(f"CREATE ROLE {login} LOGIN".encode())
        owner.execute(f"GRANT USAGE ON SCHEMA seedbed TO {login}".encode())
        owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA seedbed TO {login}".encode())
        denied = run(files.root, "verify", *ENV, env={**env, "USER_DB_USER": login})
        owner.execute(f"DROP OWNED BY {login}; DROP ROLE {login}".encode())
    assert denied.code == 7, denied.everything
    assert "permission denied for table users" in denied.out
    assert "not kept" not in denied.out
    assert "unverified since" in seedbed("verify", *ENV, "--history").out
    assert seedbed("apply", *ENV, "plan.json").code == 3

    verified = seedbed("verify", *ENV)
    assert verified.code == 0, verified.everything
    assert "not kept" not in verified.everything
    applied = seedbed("apply", *ENV, "plan.json")
    assert applied.code == 0, applied.everything
    assert "ok since" in seedbed("verify", *ENV, "--history").out
