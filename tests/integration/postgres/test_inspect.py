"""The canonical schema of a real PostgreSQL: every setting a line, and the same lines for the same schema."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from seedbed.engines.postgres.schema import inspect
from seedbed.engines.postgres.schema.inspect import fingerprint
from seedbed.engines.postgres.wire.driver import rows_of_all

Connection = psycopg.Connection[tuple[Any, ...]]

_EVERYTHING = """
CREATE SCHEMA billing; CREATE EXTENSION citext; CREATE EXTENSION hstore SCHEMA billing;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN email AS citext NOT NULL CHECK (value ~ '@');
CREATE TYPE money2 AS (amount numeric(10,2), currency char(3));
CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION plain (locale = 'C');
CREATE SEQUENCE numbers AS smallint INCREMENT 5 CYCLE;
CREATE TABLE users (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email citext NOT NULL UNIQUE, feels mood,
    name varchar(20) COLLATE "C" DEFAULT 'x', loud text GENERATED ALWAYS AS (name || '!') STORED, tags text[]);
CREATE TABLE billing.payments (
    id serial, user_id int REFERENCES users ON DELETE CASCADE DEFERRABLE, amount numeric(10,2) CHECK (amount > 0),
    EXCLUDE USING btree (id WITH =)) WITH (fillfactor = 70);
ALTER TABLE billing.payments ADD CONSTRAINT small CHECK (amount < 100) NOT VALID;
CREATE INDEX large ON billing.payments (user_id, lower(amount::text)) WHERE amount > 5;
CREATE UNLOGGED TABLE lost (id int); CREATE TABLE child () INHERITS (lost);
CREATE TABLE days (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE days_2024 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events (id int, at date, FOREIGN KEY (id, at) REFERENCES days);
CREATE FUNCTION next_of(a int) RETURNS int LANGUAGE sql AS $$
 SELECT a + 1 $$;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE users DISABLE TRIGGER touched;
CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE VIEW names WITH (security_barrier) AS SELECT id, name FROM users;
CREATE MATERIALIZED VIEW ids AS SELECT id FROM users; CREATE INDEX ON ids (id);
CREATE RULE no_delete AS ON DELETE TO names DO INSTEAD NOTHING;
ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON users FOR SELECT TO public USING (id > 0);
COMMENT ON TABLE users IS 'the users'; COMMENT ON COLUMN users.name IS 'it''s a name';
COMMENT ON CONSTRAINT small ON billing.payments IS 'not yet';
GRANT SELECT ON users TO pg_monitor WITH GRANT OPTION; GRANT UPDATE (name) ON users TO public;
REVOKE EXECUTE ON FUNCTION next_of(int) FROM public;
ALTER DEFAULT PRIVILEGES IN SCHEMA billing GRANT SELECT ON TABLES TO pg_monitor;
CREATE STATISTICS both_ids ON id, at FROM days;
CREATE PUBLICATION news FOR TABLE users (id, name) WHERE (id > 5);
CREATE FUNCTION look() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER looks ON ddl_command_end WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION look();
"""

_TOLD = """
aggregate public.total(integer) returns integer step int4pl state integer initial '0' kind n parallel u
attribute public.money2.amount numeric(10,2)
column billing.payments.id integer not null default nextval('billing.payments_id_seq'::regclass)
column public.users.email public.citext not null
column public.users.feels public.mood
column public.users.id integer not null identity always
column public.users.loud text generated stored ((name)::text || '!'::text)
column public.users.name character varying(20) collate "C" default 'x'::character varying
column public.users.tags text[]
comment on table column public.users.name is 'it''s a name'
comment on table constraint small on billing.payments is 'not yet'
comment on table public.users is 'the users'
composite public.money2
constraint days_2024_pkey on public.days_2024 PRIMARY KEY (id, at) inherited
constraint email_check on public.email CHECK ((VALUE OPERATOR(public.~) '@'::public.citext))
constraint payments_id_excl on billing.payments EXCLUDE USING btree (id WITH =)
constraint payments_user_id_fkey on billing.payments FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE DEFERRABLE
constraint small on billing.payments CHECK ((amount < (100)::numeric)) NOT VALID
default grant SELECT on r in billing to pg_monitor
domain public.email public.citext not null
enum public.mood ('sad', 'ok', 'happy')
event trigger looks on ddl_command_end calls public.look() tags DROP TABLE
extension citext
function public.next_of(integer) as CREATE OR REPLACE FUNCTION public.next_of(a integer)⏎ RETURNS integer⏎ LANGUAGE sql⏎AS $function$⏎ SELECT a + 1 $function$
grant SELECT on table public.users to pg_monitor with grant option
grant UPDATE on column public.users.name to public
index CREATE INDEX large ON billing.payments USING btree (user_id, lower((amount)::text)) WHERE (amount > (5)::numeric)
index CREATE UNIQUE INDEX days_2024_pkey ON public.days_2024 USING btree (id, at) part of public.days_pkey
not public function public.next_of(integer)
policy own on public.users permissive for r to public using (id > 0)
publication news insert update delete truncate
published in news public.users (id, name) where (id > 5)
range public.floatrange of double precision multirange public.floatmultirange operators float8_ops difference float8mi
rule on public.names CREATE RULE no_delete AS⏎    ON DELETE TO public.names DO INSTEAD NOTHING;
schema billing
sequence public.numbers smallint start 1 by 5 from 1 to 32767 cache 1 cycle
sequence public.users_id_seq integer start 1 by 1 from 1 to 2147483647 cache 1 owned by public.users.id
statistics CREATE STATISTICS public.both_ids ON id, at FROM public.days
table billing.payments with (fillfactor=70)
table public.child inherits public.lost
table public.days partition by RANGE (at)
table public.days_2024 partition of public.days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
table public.lost unlogged
table public.users row security
trigger on public.users CREATE TRIGGER touched BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.touch() disabled
"""


@pytest.fixture
def connection(postgres_database: str) -> Iterator[Connection]:
    with psycopg.connect(postgres_database, autocommit=True, prepare_threshold=None) as opened:
        yield opened


def schema(connection: Connection, exclude_schemas: Collection[str] = ()) -> list[str]:
    return inspect.schema(partial(rows_of_all, connection), exclude_schemas)


def settings(connection: Connection, statements: str) -> set[str]:
    """Return the lines that `statements` add; whatever they take away is left aside."""
    before = set(schema(connection))
    connection.execute(statements.encode())
    return set(schema(connection)) - before


def test_every_setting_is_a_line(connection: Connection) -> None:
    connection.execute(_EVERYTHING.encode())
    lines = schema(connection)
    assert set(_TOLD.strip().split("\n")) - set(lines) == set()
    assert lines == sorted(lines)
    assert not any("\n" in line for line in lines)
    assert [line for line in lines if line.startswith("constraint events")] == [
        "constraint events_id_at_fkey on public.events FOREIGN KEY (id, at) REFERENCES public.days(id, at)"
    ]


def test_what_an_extension_or_a_range_brings_along_is_not_told(connection: Connection) -> None:
    lines = schema(connection)
    connection.execute(
        "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TYPE intrange AS RANGE (subtype = int)"
    )
    assert sorted(set(schema(connection)) - set(lines)) == [
        "extension citext",
        "extension hstore",
        "range public.intrange of integer multirange public.intmultirange operators int4_ops",
    ]


def test_an_empty_database_has_little_to_tell(connection: Connection) -> None:
    assert schema(connection) == [
        "extension plpgsql",
        "grant USAGE on schema public to public",
        "schema public",
    ]


def test_the_order_in_which_columns_came_does_not_matter(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (a int NOT NULL, b text DEFAULT 'x')")
    before = schema(connection)
    connection.execute("ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a int NOT NULL")
    assert schema(connection) == before


def test_applied_again_everything_reads_the_same(connection: Connection) -> None:
    empty = schema(connection)
    connection.execute(_EVERYTHING.encode())
    before = schema(connection)
    connection.execute(
        "DROP EVENT TRIGGER looks; DROP PUBLICATION news; DROP EXTENSION hstore; DROP SCHEMA billing CASCADE;"
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner;"
        "GRANT USAGE ON SCHEMA public TO public; COMMENT ON SCHEMA public IS 'standard public schema'"
    )
    assert schema(connection) == empty
    connection.execute(_EVERYTHING.encode())
    assert schema(connection) == before
    assert fingerprint(schema(connection)) == fingerprint(before) != fingerprint(empty)


def test_data_is_no_schema(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (id serial); CREATE MATERIALIZED VIEW m AS SELECT * FROM t WITH NO DATA"
    )
    before = schema(connection)
    connection.execute("INSERT INTO t DEFAULT VALUES; REFRESH MATERIALIZED VIEW m; ANALYZE t")
    assert schema(connection) == before


def test_the_search_path_and_an_open_transaction_change_nothing(connection: Connection) -> None:
    connection.execute("CREATE SCHEMA a; CREATE TABLE a.t (id serial)")
    before = schema(connection)
    connection.execute("SET search_path = a; BEGIN")
    assert schema(connection) == before
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    assert connection.execute("SHOW search_path").fetchone() == ("a",)


def test_excluded_schemas_are_not_told(connection: Connection) -> None:
    before = schema(connection)
    connection.execute(
        'CREATE SCHEMA "se\'ed"; CREATE TABLE "se\'ed".t (id int PRIMARY KEY); COMMENT ON TABLE "se\'ed".t IS \'x\''
    )
    assert schema(connection, exclude_schemas={"se'ed"}) == before


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("ALTER TABLE t ALTER a SET NOT NULL", "column public.t.a integer not null"),
        ("ALTER TABLE t REPLICA IDENTITY FULL", "table public.t replica identity full"),
        ("ALTER TABLE t ALTER b SET STORAGE EXTERNAL", "column public.t.b text storage e"),
        ("REVOKE ALL ON t FROM CURRENT_USER", None),
        ("GRANT SELECT ON t TO CURRENT_USER", None),
        ("ALTER TABLE t OWNER TO pg_monitor", None),
        ("COMMENT ON SCHEMA public IS 'ours'", "comment on schema public is 'ours'"),
    ],
)
def test_a_change_is_told(connection: Connection, statement: str, line: str | None) -> None:
    connection.execute("CREATE TABLE t (a int, b text)")
    assert settings(connection, statement) == ({line} if line else set())
