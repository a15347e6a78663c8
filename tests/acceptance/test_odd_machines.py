"""Where the machine, the disk or what others installed is to blame: a plain error, the right code, never "a bug"."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seedbed.cli import main
from seedbed.cli.context import CommandContext
from seedbed.project import Project
from seedbed.support import extras
from tests.support.projects import ProjectFiles

MANIFEST = '[platform]\nname = "shop"\n\n[services.user.postgres]\n'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A platform of one database, and the working directory."""
    (tmp_path / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def closed(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which nothing can be written, whoever we are."""
    folder = shop / "closed"
    folder.mkdir()
    original = Path.open

    def open_(self: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        if folder in self.parents and set(mode) & set("wxa"):
            raise OSError(30, "Read-only file system", str(self))
        return original(self, mode, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_)
    return folder


def test_a_new_migration_on_a_read_only_disk_is_refused_with_its_path(
    closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed.parent.joinpath("seedbed.toml").write_text(f'{MANIFEST}directory = "closed"\n', encoding="utf-8")
    code = main.run(["new", "add_phone", "-s", "user"])
    err = capsys.readouterr().err
    assert code == 2
    assert "add_phone.sql: error: the migration cannot be written\n  because: Read-only file system" in err
    assert "bug" not in err


def test_after_the_last_second_of_the_year_9999_comes_the_next_number(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shop / "services" / "user" / "postgres" / "migrations"
    folder.mkdir(parents=True)
    (folder / "99991231235959_last.sql").write_text("-- migrate:up\nSELECT 1;\n", encoding="utf-8")
    assert main.run(["new", "one_more", "-s", "user"]) == 0
    assert "99991231235960_one_more.sql" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["status", "plan", "apply", "seed", "env up sandbox"])
def test_a_platform_without_a_database_says_so_in_whole_sentences(
    shop: Path, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "seedbed.toml").write_text('[platform]\nname = "shop"\n', encoding="utf-8")
    words = typed.split()
    assert main.run([*words, *(() if "env" in words else ("-e", "sandbox"))]) == 2
    assert capsys.readouterr().err == (
        "error: the platform has no database\n"
        "  because: seedbed.toml declares none\n"
        "  try:     add a section for one, [services.SERVICE.ENGINE]; engines are dynamodb, neo4j, opensearch, postgres\n"
    )


@pytest.mark.parametrize("path", ["/dev/zero", "fifo"])
def test_a_plan_that_is_no_regular_file_is_refused_and_not_read(
    shop: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import os

    os.mkfifo(shop / "fifo")
    assert main.run(["apply", "-e", "sandbox", path]) == 2
    assert (
        f"{path}: error: the plan file cannot be read\n  because: it is no regular file"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("raised", ["ImportError('no libpq')", "RuntimeError('wrong processor')"])
def test_a_driver_that_cannot_be_imported_is_named_with_what_installs_it_anew(
    files: ProjectFiles, raised: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = files.root / "packages"
    (packages / "botocore").mkdir(parents=True)
    (packages / "botocore" / "__init__.py").write_text(f"raise {raised}\n", encoding="utf-8")
    for name in [each for each in sys.modules if each.partition(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(packages))
    extras._is_installed.cache_clear()
    files.root.joinpath("seedbed.toml").write_text(
        '[platform]\nname = "shop"\n\n[services.user.dynamodb]\n'
        '[environments.dev-test]\naccount = "000000000000"\nregion = "eu-central-1"\nephemeral = true\n',
        encoding="utf-8",
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code = main.run(["-C", str(files.root), "status", "-e", "dev-test"])
    err = capsys.readouterr()
    told = err.out + err.err
    assert code == 2, told
    assert "botocore is installed and cannot be imported" in told
    assert "pip install --force-reinstall botocore" in told
    assert "a bug in seedbed" not in told


def test_a_process_that_gets_no_more_of_what_it_needs_is_told_so(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Project, "open", full)
    assert main.run(["status", "-e", "sandbox"]) == 4
    err = capsys.readouterr().err
    assert "error: this process got no more file descriptors" in err
    assert "bug" not in err


@pytest.mark.parametrize(("is_touched", "code"), [(False, 4), (True, 5)])
def test_what_ran_out_after_a_first_write_is_told_as_partly_done(is_touched: bool, code: int) -> None:
    context = CommandContext({}, command="apply", as_json=False)
    context._run = cast(Any, SimpleNamespace(context=SimpleNamespace(is_touched=is_touched)))
    found = context.exhausted(MemoryError())
    assert found is not None
    assert found.exit_code == code
