"""The command line itself: environments, options before a command, and what people type from habit."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from seedbed import __version__
from seedbed.cli.main import COMMANDS, HABITS, cli, run
from seedbed.testing import reference

MANIFEST = """
[platform]
name = "sample"
[services.shop.memory]
[environments."dev-*"]
ephemeral = true
[environments.staging]
account = "222222222222"
"""

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEEDBED_ENV", raising=False)
    with reference.installed():
        yield tmp_path


@pytest.mark.parametrize("command", ["apply", "plan", "revert", "seed", "status"])
def test_a_call_without_an_environment_is_told_which_there_are(command: str, capsys: Printed) -> None:
    assert run([command]) == 2
    said = capsys.readouterr().err
    assert "no environment is named" in said
    assert "the platform has dev-*, staging, sandbox" in said
    assert "try:     -e staging, or set SEEDBED_ENV" in said


def test_that_is_a_document_where_one_was_asked_for(capsys: Printed) -> None:
    assert run(["status", "--json"]) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["error"] == "no environment is named"
    assert error["because"] == "the platform has dev-*, staging, sandbox"


def test_without_a_platform_that_is_what_is_said(platform: Path, capsys: Printed) -> None:
    (platform / "seedbed.toml").unlink()
    assert run(["status"]) == 2
    assert "seedbed.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "words", "named"),
    [
        ("nowhere-1", ["status"], "nowhere-1"),
        ("nowhere-1", ["status", "-e", "nowhere-2"], "nowhere-2"),
        ("nowhere-1", ["-e", "nowhere-3", "status"], "nowhere-3"),
        ("", ["-e", "nowhere-3", "status", "-e", "nowhere-2"], "nowhere-2"),
    ],
)
def test_the_environment_may_come_from_a_variable_or_stand_before_the_command(
    variable: str, words: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("SEEDBED_ENV", variable)
    assert run(words) == 2
    assert f"{named}" in capsys.readouterr().err


def test_a_command_that_is_about_no_environment_takes_none(capsys: Printed) -> None:
    assert run(["-e", "staging", "new", "add_phone"]) == 2
    assert "new takes no environment" in capsys.readouterr().err


def test_an_option_before_its_command_is_answered_with_the_right_order(capsys: Printed) -> None:
    assert run(["--wait", "5", "apply", "-e", "staging"]) == 2
    assert "--wait stands after the command: seedbed apply --wait 5 -e staging" in capsys.readouterr().err
    assert run(["-C", "my shop", "--wait", "5", "apply", "-e", "staging"]) == 2
    assert "command: seedbed -C 'my shop' apply --wait 5 -e staging" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["apply", "-C", "shop", "-e", "sandbox"], "stands before the command: seedbed -C DIR apply"),
        (["env", "up"], "Missing argument 'NAME'. For example: seedbed env up sandbox"),
        (["env", "down", "-e", "sandbox"], "No such option '-e'. For example: seedbed env down sandbox"),
    ],
)
def test_a_call_that_is_wrong_is_answered_with_one_that_is_right(
    words: list[str], answer: str, capsys: Printed
) -> None:
    assert run(words) == 2
    assert answer in capsys.readouterr().err


@pytest.mark.parametrize(("habit", "here"), HABITS.items())
def test_what_is_typed_from_habit_is_answered_with_what_it_is_here(
    habit: str, here: str, capsys: Printed
) -> None:
    assert here.split(maxsplit=1)[0] in COMMANDS
    assert habit not in COMMANDS
    assert run([habit, "-e", "staging"]) == 2
    assert f"There is no command '{habit}'. Here it is: seedbed {here}\n" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/dev/zero", "fifo", "/dev/null"])
def test_what_is_no_file_is_no_plan(path: str, platform: Path, capsys: Printed) -> None:
    if path == "fifo":
        os.mkfifo(platform / path)
    assert run(["apply", "-e", "staging", path]) == 2
    said = capsys.readouterr().err
    assert "the plan file cannot be read" in said
    assert "it is no regular file" in said


def _helps() -> Iterator[tuple[str, ...]]:
    yield ()
    for name in COMMANDS:
        yield (name,)
        command = cli.get_command(click.Context(cli), name)
        if isinstance(command, click.Group):
            yield from ((name, each) for each in command.commands)


@pytest.mark.parametrize("names", list(_helps()), ids=" ".join)
def test_every_help_fits_a_terminal_and_says_defaults_in_words(names: tuple[str, ...]) -> None:
    said = CliRunner().invoke(cli, [*names, "--help"], terminal_width=80).output
    assert [line for line in said.splitlines() if len(line) > 80] == []
    assert not re.search(r"\[default|x[<>]=", said)
    for option in re.findall(r"^  (-.*?)(?:  |$)", said, re.MULTILINE):
        assert re.search(rf"{re.escape(option)}\s+\S", said), f"{option} has no help"
    assert CliRunner().invoke(cli, ["help", *names], terminal_width=80).output == said


def test_help_of_a_command_that_is_none_is_answered_as_that_command_is(capsys: Printed) -> None:
    assert run(["help", "rollback"]) == 2
    assert "Here it is: seedbed revert" in capsys.readouterr().err


def test_seedbed_alone_shows_what_there_is(capsys: Printed) -> None:
    assert run([]) == 2
    said = capsys.readouterr().err
    assert all(f"  {name} " in said for name in COMMANDS)
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"seedbed, version {__version__}\n"
