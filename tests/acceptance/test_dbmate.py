"""Directories that dbmate has written for years are applied, reverted and seeded as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psycopg
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.projects import ProjectFiles, Ran, run, variables

# The examples of dbmate's manual: a down that nobody wrote, several pairs in one file, an option.
MANUAL = {
    "20151127184807_create_users_table.sql": (
        "-- migrate:up\ncreate table users (\n  id integer,\n  name varchar(255),\n  email varchar(255) not null\n);\n\n"
        "-- migrate:down\n"
    ),
    "20151128_accounts.sql": (
        "-- migrate:up\nCREATE TABLE accounts (id SERIAL PRIMARY KEY);\n\n-- migrate:down\nDROP TABLE accounts;\n\n"
        "-- migrate:up\nALTER TABLE accounts ADD COLUMN email VARCHAR;\n\n"
        "-- migrate:down\nALTER TABLE accounts DROP COLUMN email;\n"
    ),
    "20151129000000_colors.sql": (
        "-- migrate:up\nCREATE TYPE colors AS ENUM ('red');\n-- migrate:down\nDROP TYPE colors;\n"
    ),
    "20151129000001_add_orange.sql": (
        "-- migrate:up transaction:false\nALTER TYPE colors ADD VALUE 'orange' AFTER 'red';\n\n-- migrate:down\n"
    ),
}
LONG = "index_of_members_by_the_name_of_their_organisation_and_the_day_they_came"
# What real directories have: hyphens, capitals, digits of any number, long names, comments for a down, schemas of their
# own, and an extension in one of them.
DIRECTORY = {
    "001-create-schemas.sql": (
        "-- migrate:up\nCREATE SCHEMA app;\nCREATE SCHEMA extensions;\nCREATE EXTENSION pg_trgm SCHEMA extensions;\n"
        "-- migrate:down\nDROP EXTENSION pg_trgm;\nDROP SCHEMA extensions;\nDROP SCHEMA app;\n"
    ),
    "20220517213052_create-members-table.sql": (
        "-- migrate:up\nCREATE TABLE app.members (id serial PRIMARY KEY, organisation text, came date);\n\n"
        "-- migrate:down\nDROP TABLE app.members;\n"
    ),
    "20220518000000_Add-Index.v2.sql": (
        f"-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY {LONG} ON app.members (organisation, came);\n"
        f"-- migrate:down\nDROP INDEX IF EXISTS app.{LONG};\n"
    ),
    "20220519000000_rename-index.sql": (
        f"-- migrate:up\nALTER INDEX app.{LONG} RENAME TO members_idx;\n"
        f"-- migrate:down\nALTER INDEX app.members_idx RENAME TO {LONG};\n"
    ),
    "20220520000000_fix-members.sql": (
        "-- migrate:up\nUPDATE app.members SET came = now() WHERE came IS NULL;\n\n"
        "-- migrate:down\n-- nothing to undo\n"
    ),
}
PATH = {
    "20220601000000_search-index.sql": (
        "-- migrate:up\nCREATE INDEX members_search ON members USING gin (organisation gin_trgm_ops);\n"
        "-- migrate:down\nDROP INDEX members_search;\n"
    ),
}


class Directory:
    """A directory of migrations, and commands on a fresh database."""

    def __init__(self, files: ProjectFiles, env: Mapping[str, str]) -> None:
        self.files = files
        self.env = env

    def write(self, texts: Mapping[str, str]) -> None:
        for name, text in texts.items():
            path = self.files.root / "services/user/postgres/migrations" / name
            path.write_text(text, encoding="utf-8", newline="")

    def run(self, *arguments: str) -> Ran:
        return run(self.files.root, *arguments, "-e", "dev-test", env=self.env)


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def directory(files: ProjectFiles, postgres_server: EmbeddedServer, database: str) -> Directory:
    return Directory(files, variables(postgres_server, database))


def query(server: EmbeddedServer, database: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(**server.dsn(database), autocommit=True) as connection:  # type: ignore[arg-type]
        return connection.execute(text.encode()).fetchall()


def test_the_examples_of_the_manual_run_unchanged(
    directory: Directory, postgres_server: EmbeddedServer, database: str
) -> None:
    directory.write(MANUAL)
    applied = directory.run("apply")
    assert (applied.code, "4 migrations applied" in applied.out) == (0, True), applied.everything
    columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'accounts'::regclass AND attnum > 0 ORDER BY attnum"
    assert query(postgres_server, database, columns) == [("id",), ("email",)]
    assert query(postgres_server, database, "SELECT 'orange'::colors::text") == [("orange",)]


def test_all_files_whose_down_nobody_wrote_are_named_at_once(directory: Directory) -> None:
    directory.write(MANUAL)
    assert directory.run("apply").code == 0
    refused = directory.run("revert", "--to", "0")
    assert refused.code == 3
    for name, line in (("20151127184807_create_users_table", 8), ("20151129000001_add_orange", 4)):
        assert f"{name}.sql:{line}: error: {name} cannot be reverted on user/postgres" in refused.err
        assert f"its down section on line {line} is empty" in refused.err
    assert "write there what undoes it" in refused.err


def test_a_directory_with_hyphens_long_names_and_empty_downs_runs_unchanged(
    directory: Directory, postgres_server: EmbeddedServer, database: str
) -> None:
    directory.write(DIRECTORY)
    directory.files.seed(
        "members.csv",
        "# seedbed: table=app.members\nid,organisation,came\n7,one,2020-01-01\n",
        kind="fixture",
    )
    applied = directory.run("apply")
    assert (applied.code, "5 migrations applied" in applied.out) == (0, True), applied.everything
    assert directory.run("seed", "--kind", "fixture").code == 0
    inserted = "INSERT INTO app.members (organisation) VALUES ('two') RETURNING id"
    assert query(postgres_server, database, inserted) == [(8,)]
    refused = directory.run("revert")
    assert refused.code == 3
    assert "accept the file: seedbed repair -e dev-test -s user --engine postgres" in refused.err
    assert " 20220520000000 --checksum" in refused.err
    name = "20220520000000_fix-members.sql"
    directory.write({name: DIRECTORY[name].replace("-- nothing to undo", "SELECT 'nothing to undo';")})
    assert (
        directory.run("repair", "20220520000000", "--checksum", "--because", "a down that does nothing").code
        == 0
    )
    reverted = directory.run("revert", "--steps", "3")
    assert reverted.code == 0, reverted.everything
    indexes = "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'app.members'::regclass"
    assert query(postgres_server, database, indexes) == [("app.members_pkey",)]
    assert directory.run("revert", "--to", "0").code == 0


def test_everything_that_is_wrong_in_a_directory_is_named_in_one_run(directory: Directory) -> None:
    directory.write(
        {
            "1_a.sql": "-- migrate:up\nSELEKT 1;\nBEGIN;\n",
            "2_b.sql": "-- migrate:up\nCOPY t FROM stdin;\n1\n\\.\n",
            "3_c.sql": "CREATE TABLE c (id int);\n",
        }
    )
    refused = directory.run("plan")
    assert refused.code == 2
    for at in ("1_a.sql:2:1", "1_a.sql:3", "2_b.sql:2", "3_c.sql"):
        assert f"migrations/{at}: error: " in refused.err
    assert len(directory.run("plan", "--json").document["errors"]) == 4


def test_names_without_a_schema_mean_those_of_the_search_path(
    directory: Directory, postgres_server: EmbeddedServer, database: str
) -> None:
    manifest = directory.files.root / "seedbed.toml"
    section = "[services.user.postgres]\n"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(
        text.replace(section, f'{section}search_path = ["app", "extensions"]\n'), encoding="utf-8"
    )
    directory.write({**DIRECTORY, **PATH})
    applied = directory.run("apply")
    assert (applied.code, "6 migrations applied" in applied.out) == (0, True), applied.everything
    where = "SELECT indrelid::regclass::text FROM pg_index WHERE indexrelid = 'app.members_search'::regclass"
    assert query(postgres_server, database, where) == [("app.members",)]
    reverted = directory.run("revert")
    assert reverted.code == 0, reverted.everything
