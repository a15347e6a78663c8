"""Where seedbed connects to, and what it takes that from: DB_*, a URL, and libpq's own sources if asked for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.postgres.wire import connected, forwarding, free_port, role, run_as_task
from tests.support.projects import ProjectFiles, run, variables

STRAY = {
    "PGHOST": "nowhere.invalid",
    "PGHOSTADDR": "127.0.0.2",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGDATABASE": "nothing",
    "PGPASSWORD": "wrong",
    "PGSERVICE": "nowhere",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere/ca.pem",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCLIENTENCODING": "LATIN1",
    "PGOPTIONS": "-c search_path=evil -c default_transaction_read_only=on -c statement_timeout=1",
    "PGTZ": "Asia/Tokyo",
    "PGDATESTYLE": "German",
    "PGAPPNAME": "stray",
}
DECLARED = '[environments.staging.targets."user/postgres"]\n'


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


def tables(server: EmbeddedServer, database: str) -> list[str]:
    """Return the tables outside of seedbed's own schema."""
    with connected(server, database) as connection:
        rows = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'seedbed') ORDER BY 1"
        ).fetchall()
    return [name for (name,) in rows]


def test_db_variables_and_nothing_else_are_enough(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    files.tables(2)
    ran = run_as_task(files.root, "apply", "-e", "staging", env=variables(postgres_server, database))
    assert ran.code == 0, ran.everything
    assert tables(postgres_server, database) == ["public.t1", "public.t2"]


def test_missing_variables_are_named_all_at_once_and_nothing_is_guessed(files: ProjectFiles) -> None:
    files.tables(1)
    ran = run(files.root, "apply", "-e", "staging")
    assert ran.code == 2
    assert "DB_HOST, DB_USER, DB_PASSWORD, DB_NAME" in ran.everything
    assert "never falls back to this machine" in ran.everything


def test_bare_variables_with_several_targets_are_a_usage_error(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    files.manifest(["payment", "user"])
    files.tables(1)
    env = variables(postgres_server, database)
    ran = run(files.root, "apply", "-e", "staging", env=env)
    assert ran.code == 2
    assert "DB_HOST is set, but 2 databases are selected" in ran.everything
    assert tables(postgres_server, database) == []
    assert run(files.root, "apply", "-e", "staging", "-s", "user", env=env).code == 0


def test_each_service_has_prefixed_variables_of_its_own(
    postgres_server: EmbeddedServer, new_database: Callable[[], str], files: ProjectFiles
) -> None:
    files.manifest(["payment", "tutor-matching"])
    files.tables(1, service="payment")
    files.tables(1, service="tutor-matching", first=2)
    first, second = new_database(), new_database()
    env = variables(postgres_server, first, "PAYMENT_") | variables(
        postgres_server, second, "TUTOR_MATCHING_"
    )
    ran = run(files.root, "apply", "-e", "staging", env=env)
    assert ran.code == 0, ran.everything
    assert tables(postgres_server, first) == ["public.t1"]
    assert tables(postgres_server, second) == ["public.t2"]


def test_one_url_says_it_all(postgres_server: EmbeddedServer, database: str, files: ProjectFiles) -> None:
    files.tables(1)
    settings = postgres_server.dsn(database)
    socket = settings["host"].replace("/", "%2F")
    url = f"postgresql://{settings['user']}:unused@{socket}:{settings['port']}/{database}"
    ran = run(files.root, "apply", "-e", "staging", env={"DB_URL": url})
    assert ran.code == 0, ran.everything
    assert tables(postgres_server, database) == ["public.t1"]


def test_stray_libpq_variables_change_nothing(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    files.migration(
        "20260101000001_a", "CREATE TABLE a AS SELECT current_setting('TimeZone') AS zone, 'ü' AS text;"
    )
    ran = run(files.root, "apply", "-e", "staging", env={**variables(postgres_server, database), **STRAY})
    assert ran.code == 0, ran.everything
    assert tables(postgres_server, database) == ["public.a"]
    with connected(postgres_server, database) as connection:
        assert connection.execute("SELECT zone, text FROM a").fetchone() == ("UTC", "ü")


def test_stray_libpq_variables_fill_no_gap(files: ProjectFiles) -> None:
    files.tables(1)
    ran = run(files.root, "status", "-e", "staging", env=STRAY)
    assert ran.code == 2
    assert "DB_HOST, DB_USER, DB_PASSWORD, DB_NAME" in ran.everything


def test_the_password_file_of_the_user_is_not_read(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    """A file that everybody may read makes libpq complain; it would not if it did not look."""
    (files.root / ".pgpass").write_text("*:*:*:*:stray\n")
    (files.root / ".pgpass").chmod(0o644)
    ran = run_as_task(files.root, "status", "-e", "staging", env=variables(postgres_server, database))
    assert ran.code == 0, ran.everything
    assert "pgpass" not in ran.everything


def libpq(server: EmbeddedServer, database: str) -> dict[str, str]:
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    return {names[key]: value for key, value in server.dsn(database).items()}


def test_libpq_variables_count_where_the_manifest_asks_for_them(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    files.manifest(["user"], f'{DECLARED}libpq = "true"\n')
    files.tables(1)
    env = {**libpq(postgres_server, database), "PGOPTIONS": STRAY["PGOPTIONS"], "PGAPPNAME": "stray"}
    ran = run(files.root, "apply", "-e", "staging", env=env)
    assert ran.code == 0, ran.everything
    assert tables(postgres_server, database) == ["public.t1"]


def service_file(folder: Path, **settings: str) -> dict[str, str]:
    """Write a service file with a service `orders`, and return the variable that names it."""
    lines = "".join(f"{key}={value}\n" for key, value in settings.items())
    path = folder / "services.conf"
    path.write_text(f"# ours\n[other]\nhost=nowhere.invalid\n\n[orders]\n{lines}[last]\nport=1\n")
    return {"PGSERVICEFILE": str(path)}


def test_a_service_of_the_manifest_is_found_and_stray_variables_do_not_mix_in(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    files.manifest(["user"], f'{DECLARED}service = "orders"\n')
    files.tables(1)
    named = service_file(files.root, **postgres_server.dsn(database))
    ran = run(files.root, "apply", "-e", "staging", env={**STRAY, **named})
    assert ran.code == 0, ran.everything
    assert tables(postgres_server, database) == ["public.t1"]


def test_a_service_that_nobody_declares_is_unreachable(files: ProjectFiles) -> None:
    files.manifest(["user"], f'{DECLARED}service = "nowhere"\n')
    files.tables(1)
    ran = run(files.root, "apply", "-e", "staging", env=service_file(files.root, host="/tmp"))
    assert ran.code == 4
    assert 'definition of service "nowhere" not found' in ran.everything


def test_a_password_that_is_no_text_is_a_usage_error_and_no_bug(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    files.tables(1)
    env = {
        **variables(postgres_server, database),
        "DB_PASSWORD": "caf\udce9",
    }  # Latin-1, as a shell may hand it over
    ran = run(files.root, "apply", "-e", "staging", env=env)
    assert ran.code == 2, ran.everything
    assert "DB_PASSWORD holds what is not text" in ran.everything


def test_a_server_that_is_not_there_is_unreachable_and_nothing_was_touched(files: ProjectFiles) -> None:
    files.tables(1)
    env = {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(free_port()),
        "DB_USER": "a",
        "DB_PASSWORD": "pw",
        "DB_NAME": "b",
    }
    ran = run(files.root, "apply", "-e", "staging", env=env)
    assert ran.code == 4
    assert f"a@127.0.0.1:{env['DB_PORT']}/b cannot be reached" in ran.everything


def test_a_database_that_is_not_there_is_named_and_not_made(
    postgres_server: EmbeddedServer, files: ProjectFiles
) -> None:
    files.tables(1)
    ran = run(files.root, "apply", "-e", "staging", env=variables(postgres_server, "no_such_database"))
    assert ran.code == 3
    assert "no_such_database does not exist" in ran.everything
    assert "check DB_NAME" in ran.everything


def test_the_same_server_is_reached_over_tcp(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    files.tables(1)
    with forwarding(postgres_server) as port:
        env = {**variables(postgres_server, database), "DB_HOST": "127.0.0.1", "DB_PORT": str(port)}
        ran = run(files.root, "apply", "-e", "staging", env=env)
    assert ran.code == 0, ran.everything
    assert tables(postgres_server, database) == ["public.t1"]


def test_a_role_without_rights_is_told_so_and_it_is_no_bug(
    postgres_server: EmbeddedServer, database: str, files: ProjectFiles
) -> None:
    files.tables(1)
    with role(postgres_server, database) as name:
        env = {**variables(postgres_server, database), "DB_USER": name}
        ran = run(files.root, "apply", "-e", "staging", env=env)
    assert ran.code == 7, ran.everything
    assert "permission denied" in ran.everything
    assert "GRANT CREATE ON DATABASE" in ran.everything
    assert "Traceback" not in ran.everything
    assert tables(postgres_server, database) == []
