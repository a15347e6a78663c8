"""Emptying a real PostgreSQL: nothing stays, and everything can be made again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.event import TargetEmptied
from tests.support.postgres.platform import Place, options
from tests.support.projects import ProjectFiles

EVERYTHING = """
CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm SCHEMA public; CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN DATA WRAPPER bare;
CREATE SCHEMA "My Shop"; CREATE TABLE "My Shop"."It's" (id serial PRIMARY KEY, h hstore);
CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN short AS text; CREATE TYPE pair AS (a int, b mood);
CREATE TABLE t (id int PRIMARY KEY, m mood, s short); INSERT INTO t VALUES (1);
CREATE TABLE days (at date) PARTITION BY RANGE (at); CREATE TABLE day PARTITION OF days DEFAULT;
CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW mv AS SELECT * FROM v;
CREATE FUNCTION f(pair) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (pair AS int) WITH FUNCTION f(pair);
CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int); CREATE SEQUENCE numbers; CREATE STATISTICS s ON id, m FROM t;
CREATE PUBLICATION news FOR TABLE t; COMMENT ON SCHEMA public IS 'ours'; GRANT CREATE ON SCHEMA public TO pg_monitor;
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'nothing is dropped here'; END $$;
CREATE EVENT TRIGGER refuse ON sql_drop EXECUTE FUNCTION refuse();
CREATE FUNCTION look() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER "looks'" ON ddl_command_end EXECUTE FUNCTION look(); ALTER EXTENSION hstore ADD EVENT TRIGGER "looks'";
"""


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def place(files: ProjectFiles, postgres_server: EmbeddedServer, database: str) -> Place:
    return Place(files.root, postgres_server, {"user": database})


def test_everything_goes_and_can_be_made_again(place: Place, files: ProjectFiles) -> None:
    empty = place.schema()
    files.migration("1_everything", EVERYTHING)
    files.migration("2_index", "CREATE INDEX CONCURRENTLY t_idx ON t (s);", options="transaction:false")
    place.apply()
    place.execute("SELECT lo_from_bytea(0, 'a document')")
    full = place.schema()
    told = place.reset()
    assert told.code == 0
    assert [each.what for each in told.of(TargetEmptied)] == ["3 schemas (My Shop, public, seedbed)"]
    assert place.schema() == empty
    assert place.query("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]
    assert place.query("SELECT count(*) FROM pg_foreign_data_wrapper") == [(0,)]
    assert place.history() == {}
    assert place.apply().finished == ["1", "2"]
    assert place.schema() == full


def test_what_was_never_applied_to_is_refused(place: Place, files: ProjectFiles) -> None:
    from seedbed.errors import ForeignTarget

    files.tables(1)
    place.execute("CREATE TABLE theirs (id int)")
    with pytest.raises(ForeignTarget):
        place.reset()
    assert place.query("SELECT count(*) FROM theirs") == [(0,)]


def test_unfinished_work_goes_too(place: Place, files: ProjectFiles) -> None:
    files.migration("1_t", "CREATE TABLE t (id int);\nCREATE TABLE t (id int);", options="transaction:false")
    assert place.apply().code == 5
    assert place.reset().code == 0
    files.migration("1_t", "CREATE TABLE t (id int);")
    assert place.apply().finished == ["1"]


def test_a_table_that_somebody_uses_is_not_waited_for_for_ever_and_all_of_it_stays(
    place: Place, files: ProjectFiles
) -> None:
    options(files, lock_timeout="100ms")
    files.tables(3)
    place.apply()
    with place.connection() as other:
        other.execute("BEGIN; SELECT * FROM t2")
        told = place.reset()
        assert (told.code, "lock timeout" in told.error.error) == (7, True)
    assert len(place.versions()) == 3
    assert place.reset().code == 0


@pytest.fixture
def owner(place: Place, database: str) -> Iterator[str]:
    """A role that owns the database and is nothing more than that."""
    name = f"r_{uuid.uuid4().hex[:12]}"
    place.execute(f"CREATE ROLE {name} LOGIN; ALTER DATABASE {database} OWNER TO {name}")
    yield name
    place.execute(
        f"DROP OWNED BY {name} CASCADE; ALTER DATABASE {database} OWNER TO CURRENT_USER; DROP ROLE {name}"
    )


def test_whoever_merely_owns_the_database_may_empty_it(
    files: ProjectFiles, postgres_server: EmbeddedServer, database: str, owner: str
) -> None:
    place = Place(files.root, postgres_server, {"user": database}, user=owner)
    files.migration(
        "1_some",
        "CREATE EXTENSION pg_trgm; CREATE SCHEMA shop; CREATE TABLE shop.t (id int); CREATE TABLE t (id int);",
    )
    for _ in range(2):
        assert place.apply().finished == ["1"]
        assert place.reset().code == 0
    assert place.query(
        "SELECT current_user <> nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'"
    )
