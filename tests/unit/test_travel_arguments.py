"""Parameters of commands as arguments: whatever was typed, what is sent means the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedbed.cli.context import CommandContext, CommandKind, command_context, kind_of
from seedbed.cli.main import COMMANDS, cli
from seedbed.cli.options import Moment
from seedbed.cli.travel.arguments import KEPT, arguments, files, placed, require_no_directory
from seedbed.errors import UsageError


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command, those within groups too, by its name."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {each}", command.commands[each]) for each in command.commands)
        else:
            yield name, command


EVERY = dict(commands())
TRAVELLING = {name: each for name, each in EVERY.items() if kind_of(each) is not CommandKind.LOCAL}


def test_every_command_says_what_it_does_with_databases() -> None:
    reads = {name for name, each in EVERY.items() if kind_of(each) is CommandKind.READS}
    writes = {name for name, each in EVERY.items() if kind_of(each) is CommandKind.WRITES}
    shares = {f"share {each}" for each in ("make", "keep", "list", "drop")}
    snapshots = {f"snapshot {each}" for each in ("delete", "drill", "drop", "list", "restore", "take")}
    assert reads == {"dump", "plan", "status", "verify", *shares, *snapshots}
    assert writes == {"apply", "repair", "reset", "restore", "revert", "seed"}


def test_a_command_that_does_not_say_it_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="says what it does with databases"):

        @command_context  # type: ignore[arg-type]
        def command(context: CommandContext) -> None:
            """Forget to say it."""


@pytest.mark.parametrize("name", EVERY)
def test_only_what_travels_can_be_kept_here_or_left_alone(name: str) -> None:
    options = {each.name for each in EVERY[name].params}
    assert ({"local", "detach"} <= options) == (name in TRAVELLING)
    assert not ({"local", "detach"} & options) or name in TRAVELLING


def parsed(command: click.Command, words: list[str]) -> dict[str, Any]:
    """Return the parameters of a call, but for those that a command keeps to itself."""
    found = command.make_context("x", list(words)).params
    return {name: value for name, value in found.items() if name not in KEPT}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def _values(param: click.Parameter, there: str) -> st.SearchStrategy[str]:
    kind = param.type
    if isinstance(kind, click.Choice):
        return st.sampled_from([str(each) for each in kind.choices])
    if isinstance(kind, click.IntRange):
        return st.integers(int(kind.min or 0), 10**6).map(str)
    if isinstance(kind, click.FloatRange):
        return st.floats(float(kind.min or 0), 1e9).map(repr)
    if isinstance(kind, Moment):
        return st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
    if isinstance(kind, click.Path):
        if not kind.file_okay:
            return st.just(str(Path(there).parent))
        return st.just(there) if kind.exists else st.sampled_from(["new.json", f"{there}.new", "-o", "ä ö"])
    return TEXT


@st.composite
def calls(draw: st.DrawFn, command: click.Command, there: str) -> list[str]:
    """Draw what may be typed after a command's name: options in any order and form, then its arguments."""
    options: list[list[str]] = []
    alone: list[str] = []
    for param in command.params:
        if param.name in KEPT or (not param.required and draw(st.booleans())):
            continue
        values = _values(param, there)
        if not isinstance(param, click.Option):
            alone.append(draw(values))
        elif param.is_flag:
            options.append([draw(st.sampled_from([*param.opts, *param.secondary_opts]))])
        else:
            for _ in range(draw(st.integers(1, 3)) if param.multiple else 1):
                name, value = max(param.opts, key=len), draw(values)
                options.append(draw(st.sampled_from([[f"{name}={value}"], [name, value]])))
    words = [word for option in draw(st.permutations(options)) for word in option]
    return [*words, "--", *alone]


@pytest.mark.parametrize("name", TRAVELLING)
@settings(max_examples=max(20, settings.get_profile("seedbed").max_examples // 2))
@given(data=st.data())
def test_what_is_sent_has_the_parameters_of_what_was_typed(name: str, data: st.DataObject) -> None:
    command = TRAVELLING[name]
    typed = data.draw(calls(command, str(Path(__file__))))
    try:
        values = parsed(command, typed)
    except click.UsageError:  # a value that looks like an option: then nothing is sent
        return
    sent = arguments(command, values)
    assert parsed(command, sent) == values
    assert arguments(command, parsed(command, sent)) == sent


def test_calls_that_mean_the_same_are_sent_as_one() -> None:
    apply = TRAVELLING["apply"]
    forms = (
        ["-e", "staging", "--wait", "60", "-s", "user"],
        ["-suser", "--env=staging", "--through=contract", "-vv", "--color", "never", "--detach"],
    )
    sent = {tuple(arguments(apply, apply.make_context("apply", list(each)).params)) for each in forms}
    assert sent == {("--env=staging", "--service=user")}


def test_files_have_names_and_at_the_other_end_a_place() -> None:
    plan, restore = TRAVELLING["plan"], TRAVELLING["restore"]
    assert [(each.name, is_read) for each, is_read in files(plan)] == [("out", False)]
    assert [(each.name, is_read) for each, is_read in files(restore)] == [("file", True)]
    values = {"env": "staging", "services": ("plan.json",), "out": "/home/ana/plan.json"}
    sent = arguments(plan, values, {"out": "plan.json"})
    assert sent == ["--env=staging", "--service=plan.json", "--out=plan.json"]
    places = {"plan.json": Path("/tmp/r/plan.json")}
    assert placed(plan, sent, places) == ["--env=staging", "--service=plan.json", "--out=/tmp/r/plan.json"]
    assert placed(restore, ["plan.json"], places) == ["/tmp/r/plan.json"]


def test_a_directory_is_not_sent(tmp_path: Path) -> None:
    plan = TRAVELLING["plan"]
    require_no_directory(plan, {"assembly": None, "out": "plan.json"})
    with pytest.raises(UsageError, match="--assembly names a directory"):
        require_no_directory(plan, {"assembly": str(tmp_path)})


def test_what_is_no_text_is_not_sent() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        arguments(TRAVELLING["repair"], {"version": "\udcff"})
