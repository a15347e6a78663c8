"""Several environments on one server: what is made and dropped for each, and that none reaches another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import psycopg
import pytest

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.engines.postgres.engine import PostgresEngine  # noqa: E402
from seedbed.engines.postgres.sandbox import EmbeddedServer  # noqa: E402
from seedbed.engines.postgres.sharing.names import template_database  # noqa: E402
from seedbed.errors import Refused, UsageError  # noqa: E402
from seedbed.model.secret import Secret  # noqa: E402
from seedbed.model.sharing import Share  # noqa: E402
from seedbed.testing import SharingContract  # noqa: E402
from tests.support.postgres.shared import Base, Part, base_server  # noqa: E402
from tests.support.postgres.wire import HERE, connected  # noqa: E402
from tests.support.projects import ProjectFiles, run  # noqa: E402

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with base_server() as found:
        yield found


@pytest.fixture(params=["rds", "boss"])
def base(request: pytest.FixtureRequest, server: EmbeddedServer) -> Base:
    return Base(server, request.param)


@pytest.fixture
def rds(server: EmbeddedServer) -> Base:
    """The server, as one reaches it whose administrator is no superuser."""
    return Base(server, "rds")


def named(base: Base, who: str) -> Part:
    return base.part(f"dev-{who}{next(_numbers)}")


# Made, and dropped


def test_a_part_is_made_once_and_its_logins_have_the_rights_that_they_have_anywhere(base: Base) -> None:
    ana = named(base, "ana")
    told = base.make(ana)
    assert f"database {ana.name}" in told
    assert "canary" not in told
    ana.can("CREATE TABLE t (id bigserial PRIMARY KEY)", "CREATE SCHEMA s", "CREATE EXTENSION citext")
    ana.can("INSERT INTO t DEFAULT VALUES", "SELECT id FROM t", which="app_user")
    for refused in ("DROP TABLE t", "CREATE TABLE mine ()", f"SET ROLE {ana.names['user']}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ana.can(refused, which="app_user")
    assert base.make(ana) == ""
    with base.reached() as shared:
        assert ana.share in shared.listed()


def test_a_password_that_changed_is_set(rds: Base) -> None:
    ana = named(rds, "ana")
    rds.make(ana)
    ana.password = "canary-new-1f9c"
    assert "set the password" in rds.make(ana)
    assert ana.can("SELECT 1", which="app_user") == [(1,)]


@pytest.mark.parametrize("password", ["canary-plain-1f9c", "canary-ñandú\u00a01f9c"])
def test_a_password_is_kept_as_the_server_wants_it_kept(rds: Base, password: str) -> None:
    """With as many rounds as it says (it does since version 16), and prepared as whoever logs in prepares it."""
    ana = named(rds, "ana")
    ana.password = password
    says = int(rds.server.version.split(".")[0]) >= 16
    with connected(rds.server, "postgres") as connection:
        if says:
            connection.execute("ALTER ROLE rds SET scram_iterations = 5000")
        rds.make(ana)
        if says:
            connection.execute("ALTER ROLE rds RESET scram_iterations")
        kept = connection.execute(
            "SELECT split_part(rolpassword, ':', 1) FROM pg_authid WHERE rolname LIKE %s", [f"{ana.name}%"]
        ).fetchall()
    assert kept == [(f"SCRAM-SHA-256${5000 if says else 4096}",)] * 2
    assert ana.can("SELECT 1", which="app_user") == [(1,)]


def test_a_part_goes_whole_while_its_logins_are_at_work_and_nothing_else_does(base: Base) -> None:
    ana, ben, whole = named(base, "ana"), named(base, "ben"), named(base, "ana")
    base.make(ben)
    before = base.everything()
    base.make(ana)
    base.make(whole)
    ana.can("CREATE TABLE t (id int)")
    with ana.login() as owner, ana.login("app_user") as app:
        told = base.drop(ana)
        for each in (owner, app):
            with pytest.raises(psycopg.OperationalError):
                each.execute("SELECT 1")
    assert told.split("; ") == [
        f"database {ana.name}",
        f"login {ana.names['app_user']}",
        f"login {ana.names['user']}",
    ]
    assert base.drop(ana) == ""
    base.drop(whole)
    assert base.everything() == before
    assert ben.can("SELECT 1") == [(1,)]


def test_what_its_owner_said_of_a_database_does_not_keep_it(rds: Base) -> None:
    ana = named(rds, "ana")
    rds.make(ana)
    ana.can(
        f"ALTER DATABASE {ana.name} WITH IS_TEMPLATE true", f"ALTER DATABASE {ana.name} SET role = 'nobody'"
    )
    ana.can(f"COMMENT ON DATABASE {ana.name} IS 'seedbed share of nobody'")
    with rds.reached() as shared:
        assert ana.share in shared.listed()
    rds.drop(ana)
    with rds.reached() as shared:
        assert ana.share not in shared.listed()


def test_what_others_gave_a_login_goes_with_it_and_what_it_made_there_stays(rds: Base) -> None:
    ana, ben = named(rds, "ana"), named(rds, "ben")
    rds.make(ana)
    rds.make(ben)
    ben.can(
        "CREATE TABLE mine (id int)",
        f"GRANT SELECT ON mine TO {ana.names['app_user']}",
        f"GRANT CONNECT ON DATABASE {ben.name} TO {ana.names['user']}",
        f"GRANT CREATE ON SCHEMA public TO {ana.names['user']}",
    )
    with ana.login(database=ben.name) as connection:
        connection.execute("CREATE TABLE hers (id int)")
    rds.drop(ana)
    assert ben.can("SELECT count(*) FROM hers, mine") == [(0,)]
    rds.drop(ben)


@pytest.mark.parametrize("said", ["SET role = '{}_migrate'", "CONNECTION LIMIT 0"])
def test_what_an_owner_said_of_a_database_keeps_no_other_part_from_going(rds: Base, said: str) -> None:
    ana, ben = named(rds, "ana"), named(rds, "ben")
    rds.make(ana)
    rds.make(ben)
    ben.can(
        "CREATE TABLE mine (id int)",
        f"GRANT SELECT ON mine TO {ana.names['app_user']}",
        f"ALTER DATABASE {ben.name} {said.format(ben.name)}",
    )
    rds.drop(ana)
    with rds.reached() as shared:
        assert ana.share not in shared.listed()
    rds.make(ben)
    rds.drop(ben)


def test_a_login_that_is_there_already_is_nobody_s_to_take(rds: Base) -> None:
    ana = named(rds, "ana")
    with connected(rds.server, "postgres") as connection:
        connection.execute(f"CREATE ROLE {ana.names['app_user']} LOGIN".encode())
        with pytest.raises(Refused, match="did not make it"):
            rds.make(ana)
        assert rds.drop(ana) == ""
        connection.execute(f"DROP ROLE {ana.names['app_user']}".encode())


def test_what_is_missing_is_named_and_no_password_is_told(rds: Base) -> None:
    ana = named(rds, "ana")
    with rds.reached() as shared, pytest.raises(UsageError, match=ana.names["app_user"]) as caught:
        shared.make(ana.share, {"user": ana.logins["user"]})
    assert "canary" not in str(caught.value)


class Sharing(Base):
    """The server, as the contract looks at it."""

    engine = PostgresEngine()
    platform, database = "sample", "b/postgres"

    def logins(self, share: Share) -> Mapping[str, Secret]:
        return self._part(share).logins

    def fill(self, share: Share) -> None:
        self._part(share).can("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1), (2)")

    def content(self, share: Share) -> object:
        part = self._part(share)
        tables = [str(row[0]) for row in part.can("SELECT relname FROM pg_class WHERE relname = 't'")]
        return {each: part.can(f"SELECT id FROM {each} ORDER BY id") for each in tables}

    def _part(self, share: Share) -> Part:
        return self.part(share.environment, share.service)


class TestSharing(SharingContract):
    @pytest.fixture
    def sharing(self, server: EmbeddedServer) -> Sharing:
        return Sharing(server, "rds")


# Apart


@pytest.fixture(scope="module")
def two(server: EmbeddedServer) -> tuple[Part, Part]:
    base = Base(server, "rds")
    ana, ben = base.part("dev-a"), base.part("dev-a-b")
    base.make(ana)
    base.make(ben)
    ana.settle()
    base.keep(ana, "kept")
    return ana, ben


@pytest.mark.parametrize("which", ["user", "app_user"])
def test_nobody_connects_to_another_s_database_nor_to_those_of_the_administrator(
    two: tuple[Part, Part], which: str
) -> None:
    ana, ben = two
    with ben.login() as connection:
        names = [str(row[0]) for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
    others = {each for each in names if each != ben.name}
    assert {ana.name, "postgres", "template1", "template0"} <= others
    for each in sorted(others):
        with (
            pytest.raises(psycopg.OperationalError, match=r"permission denied|not currently accepting"),
            ben.login(which, database=each),
        ):
            pass
    assert any(each.startswith("seedbed_template_") for each in others)


@pytest.mark.parametrize("which", ["user", "app_user"])
def test_nobody_ends_or_reads_what_another_one_does(two: tuple[Part, Part], which: str) -> None:
    ana, ben = two
    with ana.login() as hers, ben.login(which) as his:
        hers.execute("SELECT 'her own words'")
        pid = hers.info.backend_pid
        seen = his.execute(
            "SELECT query, state, client_addr FROM pg_stat_activity WHERE pid = %s", [pid]
        ).fetchone()
        assert seen == ("<insufficient privilege>", None, None)
        for each in ("pg_terminate_backend", "pg_cancel_backend"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                his.execute(f"SELECT {each}({pid})".encode())
        assert hers.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE mine TEMPLATE {template}",
        "CREATE DATABASE mine TEMPLATE {hers}",
        "DROP DATABASE {hers}",
        "ALTER DATABASE {hers} OWNER TO CURRENT_USER",
        "ALTER DATABASE {own} RENAME TO dev_a_c_user_db",
        "ALTER DATABASE {hers} SET search_path = evil",
        "GRANT CONNECT ON DATABASE {hers} TO CURRENT_USER",
        "SET ROLE {hers}_migrate",
        "SET SESSION AUTHORIZATION {hers}_migrate",
        "ALTER ROLE {hers}_app PASSWORD 'x'",
        "COMMENT ON ROLE {own}_migrate IS 'x'",
        "GRANT {hers}_migrate TO CURRENT_USER",
        "SET ROLE seedbed_template_migrate",
        "SET ROLE rds",
        "CREATE ROLE mine",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE TABLESPACE mine LOCATION '/tmp'",
        "COPY pg_class TO PROGRAM 'true'",
    ],
)
def test_nobody_changes_what_is_the_server_s_or_another_s(two: tuple[Part, Part], statement: str) -> None:
    ana, ben = two
    with ben.login() as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'seedbed_template_%'")
        (template,) = found.fetchall()[0]
        text = statement.format(hers=ana.name, own=ben.name, template=template)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(text.encode())


# Applied, as the environment's own task does it


IN_BASE = """
[environments.shared-dev]
account = "111111111111"
region = "eu-central-1"
base = true
"""


def in_base(files: ProjectFiles) -> None:
    """Let the project's dev environments lie in a base."""
    files.manifest(["user"], IN_BASE)
    path = files.root / "seedbed.toml"
    text = path.read_text(encoding="utf-8")
    lying = 'ephemeral = true\nregion = "eu-central-1"\nbase = "shared-dev"\n'
    path.write_text(text.replace("ephemeral = true\n", lying, 1), encoding="utf-8")


def variables(part: Part) -> dict[str, str]:
    """Return what the environment's task is told: no administrator."""
    return {
        "DB_HOST": HERE,
        "DB_PORT": str(part.base.server.port),
        "DB_NAME": part.name,
        "DB_USER": part.names["user"],
        "DB_PASSWORD": part.logins["user"].reveal(),
        "DB_APP_USER": part.names["app_user"],
        "DB_APP_PASSWORD": part.logins["app_user"].reveal(),
    }


def test_an_environment_applies_without_an_administrator_and_another_begins_with_what_was_kept(
    rds: Base, files: ProjectFiles
) -> None:
    in_base(files)
    files.tables(2)
    ana, ben = named(rds, "ana"), named(rds, "ben")
    rds.make(ana)
    applied = run(files.root, "apply", "-e", ana.environment, env=variables(ana))
    assert applied.code == 0, applied.everything
    ana.can("INSERT INTO t1 VALUES (1)", which="app_user")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ana.can("SELECT * FROM seedbed.migrations_history", which="app_user")
    assert rds.keep(ana, "two-tables")
    rds.make(ben, "two-tables")
    nothing = run(files.root, "plan", "--exit-code", "-e", ben.environment, env=variables(ben))
    assert nothing.code == 0, nothing.everything
    files.tables(1, first=3)
    applied = run(files.root, "apply", "-e", ben.environment, env=variables(ben))
    assert applied.code == 0, applied.everything
    ben.can("INSERT INTO t3 VALUES (1)", which="app_user")
    strange = run(files.root, "plan", "-e", ana.environment, env=variables(ben))
    assert strange.code == 3, strange.everything


def test_what_reaches_beyond_a_database_is_refused_before_anything_is_touched_unless_the_file_allows_it(
    rds: Base, files: ProjectFiles
) -> None:
    in_base(files)
    ana = named(rds, "ana")
    rds.make(ana)
    told = f"GRANT SELECT ON t TO {ana.names['app_user']};"
    path = files.migration("20260101000001_roles", f"CREATE TABLE t (id int); {told}")
    planned = run(files.root, "plan", "-e", ana.environment, env=variables(ana))
    assert "refused where it lies in a base" in planned.everything
    refused = run(files.root, "apply", "-e", ana.environment, env=variables(ana))
    assert refused.code == 3, refused.everything
    assert "PG302" in refused.everything
    assert ana.can("SELECT to_regclass('t')") == [(None,)]
    text = path.read_text(encoding="utf-8")
    path.write_text(f'-- seedbed: allow=PG302 because "it is there"\n{text}', encoding="utf-8")
    applied = run(files.root, "apply", "-e", ana.environment, env=variables(ana))
    assert applied.code == 0, applied.everything


# Copies


RICH = (
    "CREATE TABLE t (id bigserial PRIMARY KEY, note text)",
    "INSERT INTO t (note) VALUES ('seeded')",
    "CREATE SCHEMA s CREATE VIEW v AS SELECT note FROM public.t",
    "CREATE FUNCTION s.twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'",
    "REVOKE EXECUTE ON FUNCTION s.twice(int) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION s.twice(int) TO {app}",
    "CREATE TYPE s.kind AS ENUM ('a')",
    "REVOKE USAGE ON TYPE s.kind FROM PUBLIC",
    "GRANT USAGE ON TYPE s.kind TO {app}",
    "GRANT TRUNCATE ON t TO {app} WITH GRANT OPTION",
    "CREATE TABLE hidden (id int, seen int)",
    "REVOKE ALL ON hidden FROM {app}",
    "GRANT SELECT (seen) ON hidden TO {app}",
    "CREATE TABLE rows (id int)",
    "INSERT INTO rows VALUES (1), (2)",
    "ALTER TABLE rows ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY few ON rows TO {app} USING (id = 1)",
    "CREATE EXTENSION citext",
    "CREATE STATISTICS about ON id, note FROM t",
    "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT TRUNCATE ON TABLES TO {app}",
    "SELECT lo_from_bytea(4711, 'large')",
    "GRANT SELECT ON LARGE OBJECT 4711 TO {app}",
    "CREATE TABLE told (place text DEFAULT current_database(), who text DEFAULT current_user)",
)
RIGHTS = """
SELECT what, replace(rights::text, %(own)s, '') FROM (
    SELECT relname AS what, relacl AS rights FROM pg_class WHERE relnamespace > 16383 OR relnamespace = 2200
    UNION ALL SELECT attrelid::regclass || attname, attacl FROM pg_attribute WHERE attacl IS NOT NULL
    UNION ALL SELECT proname, proacl FROM pg_proc WHERE oid > 16383
    UNION ALL SELECT nspname, nspacl FROM pg_namespace
    UNION ALL SELECT defaclobjtype::text || defaclnamespace::regnamespace, defaclacl FROM pg_default_acl
    UNION ALL SELECT 'large', lomacl FROM pg_largeobject_metadata
    UNION ALL SELECT extname, ARRAY[makeaclitem(extowner, extowner, 'SELECT', false)] FROM pg_extension
    UNION ALL SELECT typname, ARRAY[makeaclitem(typowner, typowner, 'USAGE', false)] FROM pg_type WHERE oid > 16383
    UNION ALL SELECT 'owner ' || relname, ARRAY[makeaclitem(relowner, relowner, 'SELECT', false)] FROM pg_class
              WHERE oid > 16383
) AS r ORDER BY 1, 2
"""


def rights(part: Part) -> list[tuple[str, ...]]:
    """Return who owns what and who may do what, without what its names have of their own; grants in an order."""
    with connected(part.base.server, part.name) as connection:
        rows = connection.execute(RIGHTS, {"own": part.name}).fetchall()
    return [(str(what), *sorted(str(found).strip("{}").split(","))) for what, found in rows]


def rich(base: Base) -> Part:
    ana = named(base, "ana")
    base.make(ana)
    ana.settle()
    ana.can(*(each.format(app=ana.names["app_user"]) for each in RICH))
    return ana


def test_a_copy_has_all_that_was_kept_under_its_own_logins(base: Base) -> None:
    ana, ben = rich(base), named(base, "ben")
    template = f"digest-{ana.environment}"
    hers = [each for each in base.everything() if each[1] == ana.name]
    assert base.keep(ana, template)
    assert [each for each in base.everything() if each[1] == ana.name] == hers
    before = rights(ana)
    assert f"a copy of template {template}" in base.make(ben, template)
    assert rights(ben) == before == rights(ana)
    assert ben.can("SELECT note, s.twice(2) FROM s.v", which="app_user") == [("seeded", 4)]
    assert ben.can("SELECT to_regnamespace('seedbed_template')") == [(None,)]
    assert ben.can("SELECT id FROM rows", which="app_user") == [(1,)]
    told = ben.can("INSERT INTO told DEFAULT VALUES RETURNING place, who", which="app_user")
    assert told == [(ben.name, ben.names["app_user"])]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ben.can("SELECT id FROM hidden", which="app_user")
    found = ben.can("SELECT platform, database, environment FROM seedbed.migrations_identity")
    assert found == [("sample", "user/postgres", ben.environment)]
    ben.can(
        "INSERT INTO t (note) VALUES ('his')", "ALTER TABLE t ADD COLUMN more int", "DROP SCHEMA s CASCADE"
    )
    ben.can("DROP EXTENSION citext")
    assert ana.can("SELECT count(*) FROM t") == [(1,)]
    assert base.make(ben, template) == ""
    # ... and neither the one who was copied nor the copy is bound to the other.
    base.drop(ana)
    ben.can("SELECT note FROM t")
    base.drop(ben)
    with base.reached() as shared:
        assert template in shared.templates()
        shared.drop_template(template)
        assert template not in shared.templates()


@pytest.mark.parametrize("is_his", [True, False])
def test_the_rights_in_a_copy_are_read_where_nobody_but_the_administrator_wrote_them_down(
    rds: Base, is_his: bool
) -> None:
    """A template whose maker had a schema of that name, and one that was kept before rights were written down."""
    ana, ben = rich(rds), named(rds, "ben")
    template = f"unwritten-{ana.environment}"
    written = '{"owner": "o", "app": "a", "statements": ["CREATE ROLE his SUPERUSER"]}'
    if is_his:
        ana.can("CREATE SCHEMA seedbed_template", f"COMMENT ON SCHEMA seedbed_template IS '{written}'")
    assert rds.keep(ana, template)
    if not is_his:
        name = template_database("sample", "user/postgres", template)
        with connected(rds.server, "postgres") as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
            with connected(rds.server, name) as inside:
                inside.execute("DROP SCHEMA seedbed_template")
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
    rds.make(ben, template)
    assert rights(ben) == rights(ana)


def test_a_copy_s_history_says_whose_it_was_and_forgets_what_was_verified_there(rds: Base) -> None:
    ana, ben = named(rds, "ana"), named(rds, "ben")
    rds.make(ana)
    ana.settle()
    ana.can("INSERT INTO seedbed.migrations_verified (record) VALUES ('{}')")
    assert rds.keep(ana, "verified")
    rds.make(ben, "verified")
    told = [("bind", f"a copy of what {ana.environment} had")]
    assert ben.can("SELECT action, because FROM seedbed.migrations_audit") == told
    assert ben.can("SELECT record FROM seedbed.migrations_verified") == []
    ben.can("INSERT INTO seedbed.migrations_verified (record) VALUES ('{}')")
    assert rds.make(ben, "verified") == ""
    assert ben.can("SELECT action, because FROM seedbed.migrations_audit") == told
    assert ben.can("SELECT record FROM seedbed.migrations_verified") == [("{}",)]


def test_a_copied_history_of_a_newer_seedbed_is_refused_and_left_as_it_is(rds: Base) -> None:
    ana, ben = named(rds, "ana"), named(rds, "ben")
    rds.make(ana)
    ana.settle()
    ana.can("UPDATE seedbed.migrations_identity SET format = 99")
    assert rds.keep(ana, "newer")
    with pytest.raises(Refused, match="written by a newer seedbed"):
        rds.make(ben, "newer")
    assert ben.can("SELECT environment FROM seedbed.migrations_identity") == [(ana.environment,)]
    assert ben.can("SELECT count(*) FROM seedbed.migrations_audit") == [(0,)]


def test_nothing_is_kept_of_a_database_that_somebody_is_connected_to_or_that_has_settings_of_its_own(
    rds: Base,
) -> None:
    ana = named(rds, "ana")
    rds.make(ana)
    with ana.login():
        assert not rds.keep(ana, "busy")
    ana.can(f"ALTER DATABASE {ana.name} SET work_mem = '1MB'")
    assert not rds.keep(ana, "own")
    ana.can(f"ALTER DATABASE {ana.name} RESET work_mem", f"GRANT TEMPORARY ON DATABASE {ana.name} TO PUBLIC")
    assert not rds.keep(ana, "own")
    assert not rds.keep(named(rds, "nobody"), "none")
    with rds.reached() as shared:
        assert not {"busy", "own", "none"} & set(shared.templates())


TELLING = (
    ("INSERT INTO told VALUES (current_database())", "TRUNCATE told"),
    ("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '{name}' $$", "DROP FUNCTION f"),
    (
        "ALTER TABLE told ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "ALTER TABLE told DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    ),
)
TELLING_TOO = (
    ("INSERT INTO told VALUES (format('by %s.', current_user))", "TRUNCATE told"),
    ("CREATE MATERIALIZED VIEW v AS SELECT session_user::text AS who", "DROP MATERIALIZED VIEW v"),
    ("CREATE FUNCTION f() RETURNS text LANGUAGE sql RETURN '{name}'", "DROP FUNCTION f"),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET application_name = '{name}' RETURN 1",
        "DROP FUNCTION f",
    ),
    ("CREATE VIEW v AS SELECT '{name}' AS whose", "DROP VIEW v"),
    ("ALTER TABLE told ALTER who SET DEFAULT '{name}'", "ALTER TABLE told ALTER who DROP DEFAULT"),
    ("ALTER TABLE told ADD CONSTRAINT c CHECK (who <> '{name}')", "ALTER TABLE told DROP CONSTRAINT c"),
    ("CREATE INDEX i ON told (who) WHERE who <> '{name}'", "DROP INDEX i"),
    ("CREATE POLICY p ON told USING (who = '{name}')", "DROP POLICY p ON told"),
    ("CREATE RULE r AS ON DELETE TO told DO INSTEAD SELECT '{name}'", "DROP RULE r ON told"),
    ("COMMENT ON TABLE told IS 'of {name}'", "COMMENT ON TABLE told IS NULL"),
)


@pytest.mark.parametrize(
    ("made", "undone"), [*TELLING, *(pytest.param(*each, marks=pytest.mark.soak) for each in TELLING_TOO)]
)
def test_what_holds_a_name_of_its_environment_or_hides_what_it_holds_is_not_kept(
    rds: Base, telling: Part, made: str, undone: str
) -> None:
    template = f"told-{next(_numbers)}"
    telling.can(made.format(name=telling.name))
    assert not rds.keep(telling, template)
    telling.can(undone)
    if "FORCE" in made:
        assert rds.keep(telling, template)


@pytest.fixture(scope="module")
def telling(server: EmbeddedServer) -> Part:
    base = Base(server, "rds")
    part = base.part("dev-telling")
    base.make(part)
    part.can("CREATE TABLE told (who text)")
    return part


def test_the_templates_of_a_database_are_few_and_those_used_last_stay(rds: Base) -> None:
    ana, ben = rds.part(f"dev-x{next(_numbers)}", "pay"), rds.part(f"dev-y{next(_numbers)}", "pay")
    rds.make(ana)
    for n in range(4):
        assert rds.keep(ana, f"pay-{n}")
    rds.make(ben, "pay-0")
    assert rds.keep(ana, "pay-4")
    with rds.reached() as shared:
        found = [each for each in shared.templates() if each.startswith("pay-")]
    assert found == ["pay-0", "pay-2", "pay-3", "pay-4"]
