"""What others may create in a database is never run by seedbed: operators and functions, squatted names, triggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.postgres.wire import connected, role
from tests.support.projects import ProjectFiles, Ran, run, variables

# Whatever stands here is in the way of a statement that leaves its functions and operators to the search_path.
_OPERATORS = (
    ("=", "text", "text"),
    ("=", "name", "text"),
    ("=", "oid", "regclass"),
    ("<>", "name", "text"),
    (">", "integer", "integer"),
    ("<", "integer", "integer"),
    (">=", "bigint", "bigint"),
    ("<=", "bigint", "bigint"),
    (">", "bigint", "bigint"),
)
_FUNCTIONS = (
    ("pg_backend_pid", "", "integer", "0"),
    ("current_setting", "text", "text", "''"),
    ("pg_try_advisory_lock", "bigint", "boolean", "true"),
    ("pg_advisory_unlock", "bigint", "boolean", "true"),
    ("pg_terminate_backend", "integer, bigint", "boolean", "true"),
    ("clock_timestamp", "", "timestamptz", "NULL"),
    ("transaction_timestamp", "", "timestamptz", "NULL"),
    ("lpad", "text, integer, text", "text", "''"),
    ("string_to_array", "text, text", "text[]", "'{}'"),
    ("to_regclass", "text", "regclass", "NULL"),
    ("format", "text, name", "text", "''"),
    ("unnest", "text[]", "SETOF text", "''"),
)
# What an exact match of argument types in the server's own schema does not shadow, even where that comes first.
_PROMOTED = (
    ("*", "numeric", "integer", "numeric"),
    ("-", "integer", "bigint", "bigint"),
    ("=", "name", "varchar", "boolean"),
    ("=", "oid", "regclass", "boolean"),
)


@pytest.fixture
def site(
    files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> Iterator[Site]:
    database = new_database()
    with role(postgres_server, database) as mallory:
        yield Site(files, postgres_server, database, mallory)


class Site:
    """A project, its database, and a role that may create things there; whoever runs those is written down."""

    def __init__(self, files: ProjectFiles, server: EmbeddedServer, database: str, mallory: str) -> None:
        self.files, self.server, self.database, self.mallory = files, server, database, mallory
        self.env = variables(server, database)
        self.ask(
            f"CREATE TABLE public.trapped (who text, what text); GRANT INSERT ON public.trapped TO PUBLIC; "
            f'GRANT CREATE ON SCHEMA public TO {mallory}; GRANT CREATE ON DATABASE "{database}" TO {mallory}'
        )

    def run(self, *arguments: str) -> Ran:
        return run(self.files.root, *arguments, "-e", "dev-ana", env=self.env)

    def ask(self, *statements: str, user: str = "") -> list[tuple[object, ...]]:
        """Run `statements`, as another user if one is named; return the rows of the last."""
        with connected(self.server, self.database, **({"user": user} if user else {})) as connection:
            cursors = [connection.execute(each.encode()) for each in statements]
            return cursors[-1].fetchall() if cursors[-1].description else []

    def trap(self, name: str, arguments: str, returns: str, value: str) -> str:
        """Return the statement that makes a function which writes down who runs it."""
        note = f"INSERT INTO public.trapped VALUES (current_user, '{name}')"
        result = "RETURN QUERY SELECT" if returns.startswith("SETOF") else "RETURN"
        given = ", ".join(f"a{n} {each}" for n, each in enumerate(filter(None, arguments.split(", "))))
        return (
            f"CREATE FUNCTION public.{name}({given}) RETURNS {returns} LANGUAGE plpgsql AS "
            f"$$ BEGIN {note}; {result} {value}; END $$"
        )

    def operator(self, number: int, name: str, left: str, right: str, returns: str = "boolean") -> list[str]:
        value = "true" if returns == "boolean" else "0"
        return [
            self.trap(f"trap{number}", f"{left}, {right}", returns, value),
            f"CREATE OPERATOR public.{name} (FUNCTION = public.trap{number}, LEFTARG = {left}, RIGHTARG = {right})",
        ]

    @property
    def trapped(self) -> list[tuple[object, ...]]:
        return self.ask("SELECT DISTINCT what, who FROM public.trapped ORDER BY 1, 2")


def work_through(site: Site) -> None:
    """Run every verb that reads or writes the history, over every kind of migration and of seed."""
    site.files.migration(
        "20260101000001_people",
        "CREATE TABLE public.people (id bigint PRIMARY KEY, name text, visits int DEFAULT 0);\n"
        "INSERT INTO public.people (id, name) VALUES (1, 'ana'), (2, 'bob'), (3, 'eve');",
        "DROP TABLE public.people;",
    )
    site.files.migration(
        "20260101000002_more", "CREATE TABLE public.more (id int);", "DROP TABLE public.more;"
    )
    path = site.files.root / "services" / "user" / "postgres" / "migrations"
    (path / "20260101000003_index.sql").write_text(
        "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY people_name ON public.people (name);\n"
        "-- migrate:down transaction:false\nDROP INDEX CONCURRENTLY public.people_name;\n"
    )
    (path / "20260101000004_visits.sql").write_text(
        "-- seedbed: backfill=public.people.id batch=2\n-- migrate:up\n"
        "UPDATE public.people SET visits = 7 WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2;\n"
    )
    (path / "20260101000005_names.py").write_text(
        '# seedbed: backfill=public.people.id batch=2\n\n\ndef up(row):\n    return {"name": row["name"] + "!"}\n'
    )
    site.files.seed("people.csv", "id,name\n1,ana\n9,zoe\n", kind="fixture")
    for arguments in (
        ["apply"],
        ["status"],
        ["plan"],
        ["seed", "--kind", "fixture"],
        ["seed", "--kind", "fixture"],
    ):
        ran = site.run(*arguments)
        assert ran.code == 0, (arguments, ran.everything)
    ran = site.run("repair", "20260101000005", "--forget", "--because", "to see")
    assert ran.code == 0, ran.everything
    site.run("repair", "--unlock", "--yes")
    site.run("revert", "--steps", "1")


@pytest.mark.slow
def test_operators_and_functions_that_come_before_the_server_s_own_are_never_run(site: Site) -> None:
    made = [self for n, each in enumerate(_OPERATORS) for self in site.operator(n, *each)]
    made += [site.trap(*each) for each in _FUNCTIONS]
    site.ask(*made, user=site.mallory)
    site.ask(f'ALTER DATABASE "{site.database}" SET search_path = public, pg_catalog')
    work_through(site)
    assert site.trapped == []


@pytest.mark.slow
def test_operators_that_fit_better_than_the_server_s_own_are_never_run(site: Site) -> None:
    site.ask(
        *(self for n, each in enumerate(_PROMOTED) for self in site.operator(n, *each)), user=site.mallory
    )
    work_through(site)
    assert site.trapped == []


def refused(site: Site, *words: str) -> None:
    """Require that every verb refuses to read the history, for the reason in `words`, and runs nothing."""
    site.files.migration("20260101000009_last", "CREATE TABLE public.last (id int);")
    for arguments in (["status"], ["plan"], ["apply"], ["doctor"], ["repair", "--unlock", "--yes"]):
        ran = site.run(*arguments)
        assert ran.code == 3, (arguments, ran.everything)
        for word in words:
            assert word in ran.everything.replace("\n", " "), (word, ran.everything)
    assert site.trapped == []


def test_a_schema_that_another_role_made_is_refused(site: Site) -> None:
    site.ask("CREATE SCHEMA seedbed", user=site.mallory)
    refused(site, f"schema seedbed belongs to {site.mallory}")


def test_views_under_the_names_of_our_tables_are_refused_before_they_are_planned(site: Site) -> None:
    trap = site.trap("evil", "", "integer", "1").replace("LANGUAGE", "IMMUTABLE LANGUAGE")
    views = [
        f"CREATE VIEW seedbed.migrations_{each} AS SELECT public.evil() AS format, 'a' AS platform, 'b' AS database, "
        "'c' AS environment, 'd'::text AS version"
        for each in ("identity", "history", "audit")
    ]
    site.ask("CREATE SCHEMA seedbed", "GRANT CREATE ON SCHEMA seedbed TO PUBLIC")
    site.ask(trap, *views, user=site.mallory)
    refused(site, "migrations_identity is no table", f"belongs to {site.mallory}")


def test_a_table_of_another_role_is_refused(site: Site) -> None:
    site.ask("CREATE SCHEMA seedbed", "GRANT CREATE ON SCHEMA seedbed TO PUBLIC")
    site.ask("CREATE TABLE seedbed.migrations_history (version text)", user=site.mallory)
    refused(site, f"table migrations_history belongs to {site.mallory}")


def test_a_trigger_that_calls_another_role_s_function_is_refused(site: Site) -> None:
    site.files.tables(1)
    assert site.run("apply").code == 0
    site.ask(
        "GRANT USAGE ON SCHEMA seedbed TO PUBLIC", "GRANT TRIGGER ON seedbed.migrations_history TO PUBLIC"
    )
    site.ask(
        site.trap("evil", "", "trigger", "NEW"),
        "CREATE TRIGGER catch BEFORE INSERT ON seedbed.migrations_history FOR EACH ROW EXECUTE FUNCTION public.evil()",
        user=site.mallory,
    )
    refused(site, f"trigger catch on migrations_history calls a function of {site.mallory}")


def test_a_schema_that_the_database_s_owner_or_a_role_of_ours_made_is_ours(site: Site) -> None:
    """The login is no superuser here, and has the rights of the role that made the schema."""
    site.files.tables(1)
    with role(site.server, site.database) as owners:
        site.ask(
            f"CREATE SCHEMA seedbed AUTHORIZATION {owners}",
            f"GRANT {owners} TO {site.mallory}",
            f"GRANT USAGE, CREATE ON SCHEMA public TO {site.mallory}",
        )
        site.env["DB_USER"] = site.mallory
        ran = site.run("apply")
        assert ran.code == 0, ran.everything
        assert site.run("status").code == 0
        site.ask("DROP SCHEMA seedbed CASCADE")


@pytest.mark.parametrize(
    "table", ["migrations_identity", "migrations_history", "migrations_audit", "migrations_verified"]
)
def test_a_history_that_lost_a_table_is_refused_and_never_empty(site: Site, table: str) -> None:
    site.files.tables(2)
    assert site.run("apply").code == 0
    site.ask(f"DROP TABLE seedbed.{table}")
    refused(site, f"table {table} is missing")


def test_a_login_with_the_name_of_the_history_s_schema_is_refused_before_it_is_made(site: Site) -> None:
    site.files.tables(1)
    site.ask("CREATE ROLE seedbed LOGIN SUPERUSER")
    try:
        site.env["DB_USER"] = "seedbed"
        ran = site.run("apply")
        assert ran.code == 3, ran.everything
        assert "has the name of this login" in ran.everything
        assert site.ask("SELECT FROM pg_namespace WHERE nspname = 'seedbed'") == []
    finally:
        site.ask("DROP ROLE seedbed")


def test_what_a_revert_removes_is_counted_by_no_operator_of_others(site: Site) -> None:
    for number, each in enumerate([("!~", "name", "name"), ("~", "name", "name"), ("<>", "name", "name")]):
        site.ask(*site.operator(number, *each))
    site.files.tables(2)
    site.files.migration(
        "20260102000000_drop", "CREATE TYPE public.mood AS ENUM ('a');", "DROP TYPE public.mood CASCADE;"
    )
    where = ("-e", "staging")
    assert run(site.files.root, "apply", *where, env=site.env).code == 0
    site.ask("INSERT INTO public.t1 VALUES (1), (2)", "INSERT INTO public.t2 VALUES (1)")
    ran = run(site.files.root, "revert", *where, "--to", "0", env=site.env)
    assert (ran.code, "table t1" in ran.everything) == (3, True), ran.everything
    assert site.trapped == []


# Seeds


@pytest.mark.parametrize("kind", ["reference", "fixture"])
def test_a_seed_whose_function_reaches_the_history_leaves_nothing_behind(site: Site, kind: str) -> None:
    site.files.migration(
        "20260101000001_roles",
        "CREATE TABLE public.roles (id int PRIMARY KEY);\nCREATE FUNCTION public.tidy() RETURNS void LANGUAGE sql AS "
        "$$ UPDATE seedbed.migrations_identity SET environment = 'elsewhere' $$;",
    )
    assert site.run("apply").code == 0
    site.files.seed("roles.sql", "INSERT INTO public.roles VALUES (1);\nSELECT public.tidy();\n", kind=kind)
    ran = site.run("seed", "--kind", kind)
    assert ran.code == 7, ran.everything
    assert "changes the history of this database" in ran.everything
    assert site.ask("SELECT count(*) FROM public.roles") == [(0,)]
    assert site.ask("SELECT environment FROM seedbed.migrations_identity") == [("dev-ana",)]


@pytest.mark.parametrize("name", ["roles.sql", "roles.csv"])
def test_a_seed_that_fires_a_deferred_trigger_on_the_history_leaves_nothing_behind(
    site: Site, name: str
) -> None:
    site.files.migration(
        "20260101000001_roles",
        "CREATE TABLE public.roles (id int PRIMARY KEY);\nCREATE FUNCTION public.tidy() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN UPDATE seedbed.migrations_identity SET environment = 'elsewhere'; RETURN NULL; END $$;\n"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON public.roles DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "EXECUTE FUNCTION public.tidy();",
    )
    assert site.run("apply").code == 0
    text = "id\n1\n" if name.endswith(".csv") else "INSERT INTO public.roles VALUES (1);\n"
    site.files.seed(name, text)
    ran = site.run("seed", "--kind", "reference")
    assert ran.code == 7, ran.everything
    assert "changes the history of this database" in ran.everything
    assert site.ask("SELECT environment FROM seedbed.migrations_identity") == [("dev-ana",)]


def test_no_rows_of_a_seed_go_into_the_history(site: Site) -> None:
    site.files.tables(1)
    assert site.run("apply").code == 0
    columns = "only_row,format,platform,database,environment"
    site.files.seed("seedbed.migrations_identity.csv", f"{columns}\ntrue,1,sample,user/postgres,dev-x\n")
    ran = site.run("seed", "--kind", "reference")
    assert ran.code == 7, ran.everything
    assert "changes the history of this database" in ran.everything
    assert site.ask("SELECT environment FROM seedbed.migrations_identity") == [("dev-ana",)]


@pytest.mark.parametrize("environment", ["prod", "dev-ana"])
def test_reference_data_that_changes_more_than_rows_is_refused_everywhere(
    site: Site, environment: str
) -> None:
    site.files.tables(1)
    where = ("-e", environment)
    more = ("--unreviewed",) if environment == "prod" else ()
    assert run(site.files.root, "apply", *where, *more, env=site.env).code == 0
    site.files.seed("t1.sql", "INSERT INTO t1 VALUES (1);\n\nALTER TABLE t1 ADD COLUMN extra int;\n")
    commands = [["seed", *where, "--kind", "reference", *more]]
    commands += [["plan", *where]] if more else []  # where seeds are reviewed
    for command in commands:
        ran = run(site.files.root, *command, env=site.env)
        assert ran.code == 2, ran.everything
        assert "t1.sql:3: error: ALTER TABLE t1" in ran.everything
        assert "has no place in reference data" in ran.everything
    assert site.ask("SELECT count(*) FROM t1") == [(0,)]
