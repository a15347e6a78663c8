"""Hints: every command that a message can print is one that the command line takes."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

import seedbed
from seedbed.cli.main import COMMANDS, cli
from seedbed.errors import (
    _TAKES_ENVIRONMENT,
    _TAKES_SELECTION,
    _TAKES_SERVICES,
    Hint,
    call,
    called_with,
    hint_text,
)
from tests.support.source import tree

pytestmark = pytest.mark.usefixtures("trees")

SOURCE = Path(seedbed.__file__).parent
NAMES = "|".join(map(re.escape, COMMANDS))
PRINTED = re.compile(rf"\bseedbed (-C \S+ )?({NAMES})\b")
# What an argument that is computed may be; a file has to be there for `apply PLAN`.
SAMPLES = {
    "plan": "plan.json",
    "step.value": "expand",
    "out": "plan.json",
    "path": "plan.json",
    "str(release)": "12",
    "plan.path": "plan.json",
    "written": "status",
    "services": "user",
    "f\"--{form or 'bare'}\"": "--dotenv",
}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "call":
                yield f"{file.relative_to(SOURCE)}:{node.lineno}", node


def _sample(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return SAMPLES.get(ast.unparse(node).partition("[")[0], "20260301090000")


def _names(node: ast.expr) -> list[str]:
    """Return what the name of a command may be; `verb` of a plan is one of two."""
    return [str(node.value)] if isinstance(node, ast.Constant) else ["apply", "revert"]


@cache
def hints() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return every command that a hint names: where that is, its name and its arguments."""
    return [
        (where, name, tuple(_sample(each) for each in node.args[1:] if not isinstance(each, ast.Starred)))
        for where, node in _calls()
        if node.args
        and isinstance(node.args[0], ast.Constant | ast.Name)
        and (
            (isinstance(node.args[0], ast.Name) and node.args[0].id == "verb")
            or isinstance(node.args[0], ast.Constant)
        )
        for name in _names(node.args[0])
        if name.split()[0] in COMMANDS
    ]


def _parse(words: list[str]) -> str:
    """Have the real command line read `words`, and return the directory that -C names; nothing is run."""
    group: click.Command = cli
    ctx = cli.make_context("seedbed", words[1:])
    directory = ctx.params["directory"] or ""
    words = [*ctx._protected_args, *ctx.args]
    while isinstance(group, click.Group):
        name, command, words = group.resolve_command(ctx, words)
        assert command is not None, name
        group = command
    try:
        group.make_context(group.name, list(words), parent=ctx)
    except click.exceptions.Exit:
        assert words == ["--help"] or "--help" in words
    return directory


def test_there_are_hints() -> None:
    assert len(hints()) > 30
    assert {name for _, name, _ in hints()} >= {
        "apply",
        "deploy",
        "new",
        "plan",
        "repair",
        "revert",
        "status",
    }


@pytest.mark.parametrize(("target", "directory"), [("", ""), ("tutor-matching/neo4j", "../my platform")])
def test_every_hint_is_a_command_that_the_command_line_takes(
    target: str, directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plan.json").touch()
    (tmp_path / "release.tar").touch()
    monkeypatch.chdir(tmp_path)
    refused = {}
    for where, name, arguments in hints():
        with called_with(directory):
            said = hint_text(Hint(call(name, *arguments)), "staging", target)
        try:
            assert _parse(shlex.split(said)) == directory
        except Exception as error:
            refused[where, said] = repr(error)
    assert refused == {}


@pytest.mark.parametrize("name", sorted(_TAKES_ENVIRONMENT | _TAKES_SELECTION))
def test_what_completes_a_hint_is_what_the_command_takes(name: str) -> None:
    group, _, within = name.partition(" ")
    command = cli.get_command(click.Context(cli), group)
    if isinstance(command, click.Group):
        command = command.commands[within]
    assert command is not None
    options = {option for each in command.params for option in each.opts}
    assert ("-e" in options) is (name in _TAKES_ENVIRONMENT)
    assert ({"-s", "--engine"} <= options) is (name in _TAKES_SELECTION)
    assert ("-s" in options and "--engine" not in options) is (name in _TAKES_SERVICES)


def test_a_hint_is_completed_where_it_is_shown() -> None:
    hint = Hint("accept it: ", call("repair", "1", "--checksum"), "; or ", call("status", about_all=True))
    assert hint == "accept it: seedbed repair -e ENV 1 --checksum; or seedbed status -e ENV"
    assert hint_text(hint, "staging", "user/postgres") == (
        "accept it: seedbed repair -e staging -s user --engine postgres 1 --checksum; or seedbed status -e staging"
    )
    base = Hint(call("deploy", environment="shared-dev"))
    assert hint_text(base, "dev-ana", "") == "seedbed deploy -e shared-dev"
    about = Hint(call("new", "--rebase", "1", about="ai/opensearch"))
    assert hint_text(about, "staging", "user/postgres") == "seedbed new -s ai --engine opensearch --rebase 1"
    assert hint_text("look", "staging", "user/postgres") == "look"


def test_a_hint_names_the_directory_that_the_command_line_named() -> None:
    hint = Hint("start one: ", call("init"), "; or ", call("status"))
    with called_with("../my platform"):
        assert hint_text(hint, "staging", "") == (
            "start one: seedbed -C '../my platform' init; or seedbed -C '../my platform' status -e staging"
        )
    assert hint_text(hint, "staging", "") == "start one: seedbed init; or seedbed status -e staging"


def test_what_a_shell_would_not_take_is_quoted() -> None:
    assert Hint(call("apply", "my plan's.json")) == """seedbed apply -e ENV 'my plan'"'"'s.json'"""


def test_no_message_writes_a_command_by_hand() -> None:
    """A command in a text is not completed, and nobody parses it. What is typed after a `cd`, and help, has its own."""
    by_hand = []
    for file in sorted(SOURCE.rglob("*.py")):
        nodes = list(ast.walk(tree(file)))
        read = {id(each.value) for each in nodes if isinstance(each, ast.Expr)}  # docstrings
        by_hand += [
            f"{file.relative_to(SOURCE)}:{each.lineno}: {each.value}"
            for each in nodes
            if isinstance(each, ast.Constant)
            and isinstance(each.value, str)
            and id(each) not in read
            and PRINTED.search(each.value)
            and file.relative_to(SOURCE).as_posix()
            not in {"project/starter.py", "project/image.py", "cli/main.py"}
            and "postgres/sharing/" not in file.as_posix()  # what it writes into comments of a server
        ]
    assert by_hand == []
