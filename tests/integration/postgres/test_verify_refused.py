"""`verify` where permissions go while it reads: what was not read to its end has no verdict, and what was has its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from seedbed.engines.postgres import engine
from seedbed.engines.postgres.options import Options
from seedbed.engines.postgres.running import ids as reading
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.session import PostgresSession
from seedbed.errors import ExitCode
from seedbed.model.platform import DatabaseId, Field, Reference
from seedbed.model.verification import Verdict
from tests.support.postgres.wire import connected, target
from tests.support.verified_sessions import Watched, require_no_verdict, verified

HERE = DatabaseId("shop/postgres")
REFERENCE = Reference(Field(HERE, "orders.user_id"), Field(HERE, "users.id"), grace=0)
OTHER = Reference(Field(HERE, "notes.user_id"), Field(HERE, "people.id"), grace=0)
TABLES = """
CREATE TABLE users AS SELECT x AS id FROM generate_series(1, 2999) AS x;
CREATE TABLE orders AS SELECT x AS user_id FROM generate_series(1, 3000) AS x;
CREATE TABLE people AS SELECT * FROM users; CREATE TABLE notes AS SELECT * FROM orders;
CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
"""


@pytest.fixture
def name(postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Iterator[str]:
    name = new_database()
    with connected(postgres_server, name) as owner:
        owner.execute(TABLES.format(role=f"reads_{name}").encode())
        yield name
        owner.execute(f"DROP OWNED BY reads_{name}; DROP ROLE reads_{name}".encode())


@pytest.mark.parametrize(("look", "table"), [(1, "orders"), (3, "users"), (5, "users"), (7, "orders")])
def test_a_table_that_may_no_longer_be_read_leaves_its_reference_without_a_verdict_and_no_other(
    postgres_server: EmbeddedServer, name: str, monkeypatch: pytest.MonkeyPatch, look: int, table: str
) -> None:
    monkeypatch.setattr(reading, "_BLOCKS", 1)
    role = f"reads_{name}"
    place = postgres_server.settings_of(name)
    with (
        connected(postgres_server, name) as owner,
        engine.connect(target(engine.address(place, Options()))) as session,
    ):
        assert isinstance(session, PostgresSession)
        session.connection.execute(f"SET ROLE {role}".encode())

        def denied() -> None:
            owner.execute(f"REVOKE SELECT ON {table} FROM {role}".encode())

        found = verified({HERE: Watched(session, look, denied)}, REFERENCE, OTHER)
        refused, other = found.references
        require_no_verdict(verified({HERE: session}, REFERENCE), ExitCode.FAILED)
    assert (refused.verdict, refused.orphans) == (Verdict.UNVERIFIED, 0)
    assert refused.error is not None
    assert refused.error.exit_code is ExitCode.FAILED
    assert f"permission denied for table {table}" in refused.error.what
    assert "GRANT SELECT" in refused.error.try_
    assert (other.verdict, other.orphans) == (Verdict.BROKEN, 1)
    assert not found.is_passed
