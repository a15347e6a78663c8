"""`seedbed init`: what is written, what is left alone, what is refused; nothing is started."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from seedbed import __version__
from seedbed.cli.context import CommandContext
from seedbed.cli.main import cli
from seedbed.engines import registry
from seedbed.errors import SeedbedError
from seedbed.project import Project, starter
from seedbed.support import extras
from tests.support.documents import problems

ENGINES = ("dynamodb", "neo4j", "opensearch", "postgres")


def init(directory: Path, *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(
        cli, ["-C", str(directory), "init", *arguments], input=typed, prog_name="seedbed"
    )


def tree(root: Path) -> dict[str, bytes]:
    return {str(each.relative_to(root)): each.read_bytes() for each in root.rglob("*") if each.is_file()}


def test_every_installed_engine_has_something_to_begin_with() -> None:
    assert tuple(starter.engines()) == ENGINES


def test_a_platform_is_written_whose_files_are_all_read_without_a_complaint(tmp_path: Path) -> None:
    done = init(tmp_path, "shop", "--yes", *(part for each in ENGINES for part in ("--engine", each)))
    assert done.exit_code == 0, done.output
    project = Project.open(tmp_path / "shop")
    assert project.platform.name == "shop"
    databases = project.catalog.databases()
    assert [each.id for each in databases] == [f"catalog/{each}" for each in ENGINES]
    for database in databases:
        [file] = project.catalog.files(database)
        migration = project.catalog.parse(database.id, file)
        assert migration.hazards == () or not migration.hazards
        seeds = Path(database.directory) / "seeds" / "fixture"
        assert list(seeds.iterdir())


def test_every_file_that_has_a_schema_names_the_one_that_lies_there(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    init(tmp_path, "shop", "--yes", *(part for each in ENGINES for part in ("--engine", each)))
    found = sorted((tmp_path / "shop").rglob("*.toml"))
    assert {each.name for each in found} == {"seedbed.toml", "tables.toml", "indexes.toml"}
    for path in found:
        text = path.read_text(encoding="utf-8")
        directive = re.match(r"#:schema (\S+)\n", text)
        assert directive, path
        schema = json.loads((path.parent / directive[1]).read_text(encoding="utf-8"))
        jsonschema.validate(tomllib.loads(text), schema)


def test_the_next_commands_are_those_of_the_directory_in_which_they_are_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = init(tmp_path, "my shop", "--yes", "--json")
    document = json.loads(there.stdout)
    assert problems(document) == []
    assert document["next"] == [
        "cd 'my shop'",
        "seedbed env up sandbox",
        "seedbed apply -e sandbox",
        "seedbed seed -e sandbox",
        "seedbed status -e sandbox",
    ]
    assert Project.open(tmp_path / "my shop").platform.name == "my-shop"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert "cd " not in init(tmp_path / "here", "--yes").output


def test_what_is_not_installed_yet_is_the_first_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "missing", lambda packages: [each for each in packages if each == "neo4j"])
    line = extras.install_line("neo4j", "sandbox")
    assert f"  {line}\n" in init(tmp_path, "--yes", "--engine", "neo4j").output
    assert "pip install" not in init(tmp_path, "other", "--yes").output.replace(tmp_path.name, "")


def test_a_second_time_nothing_is_written_and_everything_is_said_to_be_left_alone(tmp_path: Path) -> None:
    first = json.loads(init(tmp_path, "shop", "--yes", "--json").stdout)
    before = tree(tmp_path)
    again = init(tmp_path, "shop", "--yes", "--json")
    assert again.exit_code == 0
    document = json.loads(again.stdout)
    assert document["written"] == []
    assert {each["path"] for each in document["kept"]} == {
        each for each in first["written"] if not each.startswith("services/")
    }
    assert {each["because"] for each in document["kept"]} == {"it is there"}
    assert tree(tmp_path) == before


def test_in_a_repository_what_is_there_stays_and_the_workflow_goes_where_github_looks(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    database = tmp_path / "data" / "services" / "catalog" / "postgres"
    (database / "migrations").mkdir(parents=True)
    (database / "migrations" / "1_mine.sql").write_text("-- migrate:up\nSELECT 1;\n", encoding="utf-8")
    (tmp_path / "data" / ".gitignore").write_text("mine\n", encoding="utf-8")
    before = tree(tmp_path)
    done = init(tmp_path, "data", "--yes")
    assert done.exit_code == 0, done.output
    assert {name: text for name, text in tree(tmp_path).items() if name in before} == before
    assert ".gitignore was left alone: it should have .seedbed/, release.tar" in done.output
    assert "services/catalog/postgres was left alone: it has files" in done.output
    assert [each.name for each in database.rglob("*.sql")] == ["1_mine.sql"]
    workflow = (tmp_path / ".github" / "workflows" / "seedbed.yml").read_text(encoding="utf-8")
    assert '        working-directory: "data"\n' in workflow


def test_a_manifest_that_is_there_is_the_platforms_and_gets_what_goes_beside_it(tmp_path: Path) -> None:
    manifest = '[platform]\nname = "mine"\n[services.user.postgres]\n'
    (tmp_path / "seedbed.toml").write_text(manifest, encoding="utf-8")
    done = init(tmp_path, "--yes", "--engine", "opensearch")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "seedbed.toml").read_text(encoding="utf-8") == manifest
    assert not (tmp_path / "services").exists()
    assert "[postgres,sandbox]" in (tmp_path / ".github" / "workflows" / "seedbed.yml").read_text()
    assert "#:schema schemas/seedbed.json at its top" in done.output
    assert done.output.rstrip().endswith("seedbed plan -e sandbox")


def test_a_link_that_leads_nowhere_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").symlink_to(tmp_path / "elsewhere")
    assert init(tmp_path, "--yes").exit_code == 0
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "postgre"), "did you mean postgres?"),
        (("--engine", "postgres,neo4j"), "--engine postgres --engine neo4j"),
        (("--platform", "Shop!"), "cannot be the name of a platform"),
        (("--service", "a_b"), "cannot be the name of a service"),
        (("file",), "is no directory"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = init(tmp_path, "--yes", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert tree(tmp_path) == {"file": b""}


def test_inside_of_a_platform_no_other_one_is_started(tmp_path: Path) -> None:
    (tmp_path / "seedbed.toml").write_text('[platform]\nname = "mine"\n', encoding="utf-8")
    done = init(tmp_path, "billing", "--yes")
    assert done.exit_code == 2
    assert "declare [services.catalog.postgres] there" in done.stderr
    assert not (tmp_path / "billing").exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "schemas").write_text("", encoding="utf-8")
    done = init(tmp_path, "--yes")
    assert done.exit_code == 2
    assert "schemas/seedbed.json cannot be written" in done.stderr


def test_where_something_cannot_be_written_nothing_of_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "notes.txt").write_text("mine")
    real = Path.open

    def full(path: Path, *arguments: Any, **named: Any) -> Any:
        opened = real(path, *arguments, **named)
        if path.name == "seedbed.yml":
            opened.write = refuse
        return opened

    def refuse(_: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    failed = init(tmp_path, "shop", "--yes")
    assert failed.exit_code == 2, failed.output
    assert "No space left" in failed.output
    assert tree(tmp_path) == {"shop/notes.txt": b"mine"}
    monkeypatch.undo()
    assert init(tmp_path, "shop", "--yes").exit_code == 0
    assert (tmp_path / "shop" / "services" / "catalog").is_dir()


def test_on_a_terminal_names_and_engines_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CommandContext, "can_ask", True)
    done = init(tmp_path, "program", "--json")
    assert done.exit_code == 0  # a document is asked for by a program
    done = init(tmp_path, "asked", typed="\nitems\npostgres, neo4j\n")
    assert done.exit_code == 0, done.output
    databases = Project.open(tmp_path / "asked").catalog.databases()
    assert [each.id for each in databases] == ["items/neo4j", "items/postgres"]


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("shop", "shop"),
        ("My Shop 2", "my-shop-2"),
        ("2026-shop", "shop"),
        ("Ünicode", "nicode"),
        ("---", "platform"),
    ],
)
def test_a_platform_is_named_after_its_directory(name: str, platform: str) -> None:
    assert starter.platform_name(Path("/srv") / name) == platform


@pytest.mark.parametrize(
    ("from_an_index", "line"),
    [
        (True, f'pip install "seedbed[dynamodb,postgres,sandbox]=={__version__}"'),
        (
            False,
            f'pip install "./wheels/seedbed-{__version__}-py3-none-any.whl[dynamodb,postgres,sandbox]"',
        ),
    ],
)
def test_the_workflow_installs_this_version_with_what_is_needed(
    from_an_index: bool, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "is_from_an_index", lambda: from_an_index)
    request = starter.StarterRequest(Path("/srv/shop"), "shop", "catalog", ("postgres", "dynamodb"))
    _, text = starter._workflow(request)
    assert f"      - run: {line}\n" in text
    assert registry.names()
    with pytest.raises(SeedbedError):
        starter.require_possible(starter.StarterRequest(Path("/srv/shop"), "shop", "catalog", ("none",)))


def test_the_app_that_makes_the_stacks_is_written_where_it_is_asked_for_as_the_docs_show_it(
    tmp_path: Path,
) -> None:
    assert "cdk/" not in init(tmp_path, "shop", "--yes").output
    done = init(tmp_path, "shop", "--yes", "--cdk")
    assert (done.exit_code, "+ cdk/app.py" in done.output) == (0, True), done.output
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "deploy-with-cdk.md").read_text(encoding="utf-8")
    for name in ("app.py", "cdk.json"):
        text = (tmp_path / "shop" / "cdk" / name).read_text(encoding="utf-8")
        assert f'title="cdk/{name}"\n{text}```' in page
    (tmp_path / "shop" / "cdk" / "app.py").write_text("mine", encoding="utf-8")
    assert init(tmp_path, "shop", "--yes", "--cdk").exit_code == 0
    assert (tmp_path / "shop" / "cdk" / "app.py").read_text(encoding="utf-8") == "mine"
