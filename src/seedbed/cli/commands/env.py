"""`seedbed env up`, `seedbed env down`, `seedbed env list`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from seedbed.cli import options
from seedbed.cli.frame import Frame, framed
from seedbed.errors import Refused

if TYPE_CHECKING:
    from seedbed.engines.base import Variable
    from seedbed.model.environment import EnvironmentPattern
    from seedbed.model.platform import Database
    from seedbed.report.styles import Line, Row


@click.group("env")
def command() -> None:
    """Start an environment and all that is in it, end it, or list what there is.

    \b
    seedbed env up sandbox        its servers run until: seedbed env down sandbox
    seedbed env up dev-ana        tables deployed, everything migrated and seeded
    """


@command.command("up", short_help="Start an environment and all that is in it.")
@click.argument("name")
@options.selection
@click.option("--yes", is_flag=True, help="Do not ask before something is removed.")
@framed
def up(frame: Frame, name: str, services: tuple[str, ...], engines: tuple[str, ...], yes: bool) -> None:
    """Start NAME: the sandbox's servers, which then go on between commands; elsewhere deploy, apply and seed.

    \b
    seedbed env up sandbox
    seedbed env up sandbox -s user -s payment
    seedbed env up dev-ana --yes
    """
    environment = frame.project.environment(name)
    databases = frame.databases(services, engines)
    if environment.is_sandbox:
        _up_sandbox(frame, databases)
        return
    if environment.protected:
        raise Refused(
            f"{name} is protected, and env up asks nobody",
            because="what runs in production should be what somebody has read",
            try_=f"seedbed plan -e {name} --out plan.json; read it; seedbed deploy and seedbed apply",
        )
    selection = {"env": name, "services": services, "engines": engines}
    deployed = tuple(dict.fromkeys(each.service for each in frame.project.deployable(databases)))
    if deployed:
        _go_on_with(frame, "deploy", env=name, services=deployed, yes=yes)
    _go_on_with(frame, "apply", **selection)
    _go_on_with(frame, "seed", **selection)


@command.command("down", short_help="End what was started.")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask before stacks are deleted.")
@framed
def down(frame: Frame, name: str, yes: bool) -> None:
    """End NAME: the sandbox's servers, whose data stays; elsewhere delete the stacks, where all is ephemeral.

    \b
    seedbed env down sandbox
    seedbed env down dev-ana
    """
    if frame.project.environment(name).is_sandbox:
        _down_sandbox(frame)
    else:
        frame.project.insist_on_destroyable(name)
        _go_on_with(frame, "destroy", env=name, yes=yes)


@command.command("list", short_help="List what is declared, and what runs.")
@framed
def listing(frame: Frame) -> None:
    """List the environments that are declared, and what of the sandbox runs."""
    from seedbed.report.styles import Table, row

    kept = frame.project.kept()
    rows: list[Row | Line] = [
        row("sandbox", "ephemeral", f"runs: {', '.join(kept)}" if kept else "does not run")
    ]
    rows += [
        row(each.pattern, _kind(each), " ".join(filter(None, (each.account, each.region))))
        for each in frame.project.platform.environments
    ]
    frame.out.result([Table(tuple(rows))])


def _kind(declared: EnvironmentPattern) -> str:
    if declared.protected:
        return "protected"
    return "ephemeral" if declared.ephemeral else ""


def _up_sandbox(frame: Frame, databases: Sequence[Database]) -> None:
    project = frame.project
    with project.sandboxed(databases) as facts:
        project.keep(databases)
    frame.out.result([line for each in databases for line in _connection(frame, each, facts[each.id])])
    frame.out.log("\nthe servers run until: seedbed env down sandbox")


def _connection(frame: Frame, database: Database, facts: Mapping[str, str]) -> Iterator[Line]:
    """Yield how an application connects to `database`: variables where facts have one, secrets left out."""
    from seedbed.report.styles import Style, line

    yield line((str(database.id), Style.BOLD))
    for text in _settings(frame.project.engine(database.engine).variables, facts):
        yield line(text, indent=2)


def _settings(variables: Sequence[Variable], facts: Mapping[str, str]) -> Iterator[str]:
    for fact, value in facts.items():
        names = [each for each in variables if each.fact == fact]
        if any(each.secret for each in names):
            yield f"{names[0].name}: any, nobody looks at it"
        else:
            yield f"{names[0].name}={value}" if names else f"{fact}: {value}"


def _down_sandbox(frame: Frame) -> None:
    released, busy = frame.project.release()
    if released:
        frame.out.result(f"no longer kept running, and their data stays: {', '.join(released)}")
    else:
        frame.out.result("nothing of the sandbox was kept running")
    if busy:
        frame.out.result(f"still used by another command: {', '.join(busy)}")


def _go_on_with(frame: Frame, name: str, **given: Any) -> None:
    """Run another command as it is; one that does not end well ends this one, with its exit code."""
    frame.out.log(f"\n== {name}")
    other = import_module(f"seedbed.cli.commands.{name}").command
    try:
        click.get_current_context().invoke(other, **given)
    except click.exceptions.Exit as ended:
        if ended.exit_code:
            raise
