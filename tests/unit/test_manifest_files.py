"""What lies in a database's directory: migrations, seeds, noise, and what is none of these."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedbed.errors import HistoryConflict, ManifestError, MigrationFileError, SeedFileError, SeveralErrors
from seedbed.manifest.files import LARGEST, migration_files, require_seed_kinds, seed_files
from seedbed.model.migration import MigrationFile, Source, checksum
from seedbed.model.platform import Database
from seedbed.model.seed import SeedKind

SUFFIXES = (".sql", ".py")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    directory = tmp_path / "services/user/postgres"
    (directory / "migrations").mkdir(parents=True)
    return Database("user", "postgres", PurePath(directory))


def _put(database: Database, name: str, data: bytes = b"select 1;\n") -> Path:
    path = Path(database.directory) / "migrations" / name
    path.write_bytes(data)
    return path


def _found(database: Database) -> tuple[MigrationFile, ...]:
    return migration_files(database, SUFFIXES, root=_root(database))


def _root(database: Database) -> PurePath:
    return database.directory.parent.parent.parent


def _refused(database: Database) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        _found(database)
    return caught.value


def test_a_file_is_read_whole_and_shown_from_the_platforms_root(database: Database) -> None:
    _put(database, "20261122093000_create_users.sql", b"select 1;\r\n")
    path = "services/user/postgres/migrations/20261122093000_create_users.sql"
    source = Source(path, ".sql", b"select 1;\r\n")
    assert _found(database) == (
        MigrationFile("20261122093000", "create_users", source, checksum(b"select 1;\n")),
    )


def test_versions_are_ordered_as_numbers(database: Database) -> None:
    for name in ("10_c.sql", "9_b.py", "020_d.sql", "1_a.sql"):
        _put(database, name)
    assert [each.version for each in _found(database)] == ["1", "9", "10", "020"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(0, 10**18 - 1), max_size=8))
def test_any_set_of_versions_comes_back_in_order(database: Database, versions: set[int]) -> None:
    paths = [_put(database, f"{each}_x.sql") for each in versions]
    try:
        assert [int(each.version) for each in _found(database)] == sorted(versions)
    finally:
        for path in paths:
            path.unlink()


@pytest.mark.parametrize("name", [".DS_Store", ".gitkeep", "README.md", "1_a.sql~"])
def test_noise_is_ignored(database: Database, name: str) -> None:
    _put(database, name)
    (Path(database.directory) / "migrations/__pycache__").mkdir()
    assert _found(database) == ()


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("create_users.sql", "it has no version, and a name looks like 20261122093000_create_users.sql or"),
        ("1create.sql", "a name looks like"),
        ("1_.sql", "letters, digits and _"),
        ("1_é.sql", "letters, digits and _"),
        ("1_-a.sql", "letters, digits and _"),
        ("1_create.cypher", "its engine reads .sql, .py, not .cypher"),
        ("1_create", "not no suffix"),
        ("1_create.SQL", "not .SQL"),
        ("1_a.sql.bak", "not .bak"),
        ("1234567890123456789_create.sql", "at most 18 digits, this one has 19"),
        ("1_create.sql\n", "a name looks like|its engine reads"),
        ("١_create.sql", "a name looks like"),
        ("notes.txt", "a name looks like"),
        ("1_\x1b.sql", "letters, digits and _"),
    ],
)
def test_a_name_that_does_not_parse_is_an_error(database: Database, name: str, because: str) -> None:
    _put(database, name)
    error = _refused(database)
    assert any(each in error.because for each in because.split("|")), error.because
    assert "nothing here is skipped silently" in error.try_
    assert str(error.at).startswith("services/user/postgres/migrations/")
    assert "\x1b" not in str(error)


def test_a_name_that_only_lacks_a_version_is_given_one(database: Database) -> None:
    _put(database, "fill_names.py")
    assert _refused(database).try_.startswith("20261122093000_fill_names.py, or move it elsewhere: ")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("20220517213052_create-surveys-table.sql", "create-surveys-table"),
        ("20200101000000-Add_Users.sql", "Add_Users"),
        ("1_v1.2_a.sql", "v1.2_a"),
        ("1_add users.sql", "add users"),
        ("1__a.sql", "_a"),
    ],
)
def test_names_are_as_free_as_dbmates(database: Database, name: str, label: str) -> None:
    _put(database, name)
    (found,) = _found(database)
    assert (found.version, found.name, found.source.suffix) == (re.split("[_-]", name)[0], label, ".sql")
    assert found.path.endswith(f"/{name}")


def test_all_files_that_cannot_be_migrations_are_named_at_once(database: Database) -> None:
    for name in ("1_a.sql", "2_b.up.sql", "2_b.down.sql", "notes.txt", "3_c.sql", "03_d.sql"):
        _put(database, name)
    with pytest.raises(SeveralErrors) as caught:
        _found(database)
    found = {str(each.at).rpartition("/")[2]: each for each in caught.value.errors}
    assert list(found) == ["2_b.down.sql", "2_b.up.sql", "3_c.sql", "notes.txt"]
    assert found["2_b.up.sql"].because == "a migration is one file, and .up says that this is one of two"
    assert "make one file of both" in found["2_b.down.sql"].try_
    assert "have the version 3" in found["3_c.sql"].what


def test_a_migration_that_is_too_large_is_refused_before_it_is_read(database: Database) -> None:
    with _put(database, "1_a.sql").open("wb") as file:
        file.truncate(LARGEST + 1)
    assert _refused(database).what == "the file has more than 64 MB"


def test_a_name_that_is_no_utf8_is_an_error_that_can_be_printed(database: Database) -> None:
    path = os.path.join(os.fsencode(database.directory), b"migrations", b"1_\xff.sql")
    try:
        Path(os.fsdecode(path)).touch()
    except OSError:
        pytest.skip("this file system takes no such names")
    str(_refused(database)).encode()


def test_two_files_of_one_version_are_a_conflict_that_names_both(database: Database) -> None:
    _put(database, "007_bond.sql")
    _put(database, "7_seven.sql")
    with pytest.raises(HistoryConflict) as caught:
        _found(database)
    assert "007_bond.sql" in caught.value.because
    assert "7_seven.sql" in caught.value.because
    service, engine = database.id.split("/")
    assert caught.value.try_.endswith(f"seedbed new -s {service} --engine {engine} --rebase 7_seven")


def test_a_symlink_is_followed(database: Database, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.sql").write_bytes(b"select 2;")
    (Path(database.directory) / "migrations/1_a.sql").symlink_to(tmp_path / "elsewhere.sql")
    assert _found(database)[0].source.data == b"select 2;"


def test_a_symlink_that_leads_nowhere_is_an_error(database: Database) -> None:
    (Path(database.directory) / "migrations/1_a.sql").symlink_to("nowhere")
    assert "leads nowhere" in _refused(database).because


def test_a_symlink_that_leads_to_itself_is_an_error(database: Database) -> None:
    (Path(database.directory) / "migrations/1_a.sql").symlink_to("1_a.sql")
    assert _refused(database).because


def test_a_directory_with_a_migrations_name_is_an_error(database: Database) -> None:
    (Path(database.directory) / "migrations/1_a.sql").mkdir()
    assert _refused(database).because == "it is a directory"


def test_a_pipe_is_an_error_and_is_not_waited_for(database: Database) -> None:
    os.mkfifo(Path(database.directory) / "migrations/1_a.sql")
    assert "not a regular file" in _refused(database).because


def test_a_file_that_may_not_be_read_is_an_error(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:  # chmod would not do: root reads everything
        raise PermissionError(13, "Permission denied")

    _put(database, "1_a.sql")
    monkeypatch.setattr("builtins.open", refuse)
    error = _refused(database)
    assert error.because == "permission denied"
    assert str(error.at).endswith("migrations/1_a.sql")


def test_a_file_where_the_directory_should_be_is_an_error(database: Database) -> None:
    directory = Path(database.directory) / "migrations"
    directory.rmdir()
    directory.touch()
    assert "not a directory" in _refused(database).because


def test_a_database_without_its_first_migration_has_none(database: Database) -> None:
    (Path(database.directory) / "migrations").rmdir()
    assert _found(database) == ()
    Path(database.directory).rmdir()
    assert _found(database) == ()


def test_a_directory_that_the_manifest_names_has_to_exist(tmp_path: Path) -> None:
    (tmp_path / "seedbed.toml").write_text("[services.user.postgres]\ndirectory = 'db/usr'\n")
    database = Database("user", "postgres", PurePath(tmp_path / "db/usr"))
    for look in (
        lambda: migration_files(database, SUFFIXES, root=tmp_path),
        lambda: seed_files(database, SeedKind.FIXTURE, root=tmp_path),
    ):
        with pytest.raises(ManifestError, match="user/postgres has no directory db/usr") as caught:
            look()
        assert str(caught.value.at).endswith("seedbed.toml:2:1")
    (tmp_path / "db/usr").mkdir(parents=True)
    assert migration_files(database, SUFFIXES, root=tmp_path) == ()


def _put_seed(database: Database, name: str, kind: SeedKind = SeedKind.FIXTURE) -> None:
    directory = Path(database.directory) / "seeds" / kind
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(name.encode())


def test_seeds_of_one_kind_come_in_the_order_of_their_names(database: Database) -> None:
    for name in ("20_orders.csv", "10_users.json", "30_more.py", "15_fix.sql", "README.md", ".x", "a.csv~"):
        _put_seed(database, name)
    _put_seed(database, "10_roles.csv", SeedKind.REFERENCE)
    found = seed_files(database, SeedKind.FIXTURE, (".sql", ".py"), root=_root(database))
    names = ["10_users.json", "15_fix.sql", "20_orders.csv", "30_more.py"]
    assert [each.path for each in found] == [f"services/user/postgres/seeds/fixture/{each}" for each in names]
    assert [each.suffix for each in found] == [".json", ".sql", ".csv", ".py"]
    assert [b"".join(each.read()).decode() for each in found] == names
    assert [each.size for each in found] == [len(each) for each in names]


@pytest.mark.parametrize("name", ["users.xlsx", "users", "users.CSV", "fix.cypher"])
def test_a_seed_of_another_kind_of_file_is_an_error(database: Database, name: str) -> None:
    _put_seed(database, name)
    with pytest.raises(SeedFileError, match="this is not a seed") as caught:
        seed_files(database, SeedKind.FIXTURE, (".sql",), root=_root(database))
    assert caught.value.because == "seeds of user/postgres end in .csv, .json, .py, .sql"


def test_all_files_that_are_no_seeds_are_named_at_once(database: Database) -> None:
    for name in ("b.txt", "a.xlsx", "users.csv"):
        _put_seed(database, name)
    with pytest.raises(SeveralErrors) as caught:
        seed_files(database, SeedKind.FIXTURE, root=_root(database))
    assert [str(each.at).rpartition("/")[2] for each in caught.value.errors] == ["a.xlsx", "b.txt"]


def test_a_database_without_seeds_has_none(database: Database) -> None:
    assert seed_files(database, SeedKind.REFERENCE, root=_root(database)) == ()


def test_all_that_is_wrong_with_the_files_of_a_database_is_said_at_once(database: Database) -> None:
    _put(database, "1_Wröng.sql")
    _put(database, "2_right.sql")
    _put(database, "notes.txt")
    _put(database, "002_twice.sql")
    with pytest.raises(SeveralErrors) as caught:
        _found(database)
    found = [(type(each), str(each.at).rpartition("/")[2]) for each in caught.value.errors]
    assert found == [
        (MigrationFileError, "1_Wröng.sql"),
        (HistoryConflict, "2_right.sql"),
        (MigrationFileError, "notes.txt"),
    ]


@pytest.mark.parametrize(
    ("name", "cure"), [("fixtures", "did you mean fixture?"), ("breads.csv", "move it into one of them")]
)
def test_what_lies_among_the_kinds_of_seeds_is_not_skipped(database: Database, name: str, cure: str) -> None:
    (Path(database.directory) / "seeds" / name).mkdir(parents=True)
    (Path(database.directory) / "seeds" / "README.md").write_text("noise", encoding="utf-8")
    with pytest.raises(SeedFileError, match="this is in no kind of seeds") as caught:
        require_seed_kinds(database, root=_root(database))
    assert str(caught.value.at) == f"services/user/postgres/seeds/{name}"
    assert str(caught.value.try_).startswith(cure)


@pytest.mark.parametrize("elsewhere", ["services/user", "services/usr/postgres"])
def test_a_first_migration_in_a_directory_that_is_nearly_the_right_one_is_not_skipped(
    tmp_path: Path, elsewhere: str
) -> None:
    (tmp_path / elsewhere / "migrations").mkdir(parents=True)
    manifest = tmp_path / "seedbed.toml"
    manifest.write_text("[services.user.postgres]\n", encoding="utf-8")
    database = Database("user", "postgres", PurePath(tmp_path / "services/user/postgres"))
    with pytest.raises(ManifestError, match=f"{elsewhere} is no database's") as caught:
        _found(database)
    assert "mkdir -p services/user/postgres" in str(caught.value.try_)


def test_a_database_without_its_first_migration_may_have_neighbours(tmp_path: Path) -> None:
    (tmp_path / "services/users/postgres/migrations").mkdir(parents=True)
    manifest = "[services.user.postgres]\n[services.users.postgres]\n"
    (tmp_path / "seedbed.toml").write_text(manifest, encoding="utf-8")
    assert _found(Database("user", "postgres", PurePath(tmp_path / "services/user/postgres"))) == ()
