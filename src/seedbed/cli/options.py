"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from click.types import OptionHelpExtra

F = TypeVar("F", bound=Callable[..., Any])
COLORS = ("auto", "always", "never")


class EnvironmentOption(click.Option):
    """The environment that a command is about. `command_context` says what there is where it is missing."""


class NumberOption(click.Option):
    """An option for a number, whose help says itself what the default is; the range shows where it is left."""

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        return {}


class Moment(click.ParamType[datetime]):
    """A time in ISO 8601, in UTC where it says nothing else."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is no time; write 2026-11-28, 2026-11-28T10:00 or 2026-11-28T10:00:00+01:00.",
                param,
                ctx,
            )
        return found if found.tzinfo else found.replace(tzinfo=UTC)


class Duration(click.ParamType[float]):
    """A length of time, in seconds: 30min, 8h, 3d; 90s where `in_seconds` says that so little may be meant."""

    name = "duration"
    _UNITS: ClassVar = {"min": 60.0, "h": 3600.0, "d": 86_400.0}

    def __init__(self, *, in_seconds: bool = False) -> None:
        self._units = {"s": 1.0, **self._UNITS} if in_seconds else self._UNITS

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if not isinstance(value, str):
            return value
        number, unit = value.rstrip("sminhd"), value.lstrip("0123456789")
        if (
            not (number.isascii() and number.isdigit() and len(number) <= 6 and int(number))
            or unit not in self._units
        ):
            first = "90s, " if "s" in self._units else ""
            self.fail(f"{value!r} is no length of time; write {first}30min, 8h or 3d.", param, ctx)
        return int(number) * self._units[unit]


def known(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return the function `what` of `completion`, imported when a shell asks for it."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from seedbed.cli import completion

        found: list[CompletionItem] = getattr(completion, what)(ctx, param, incomplete)
        return found

    return complete


def environment(function: F) -> F:
    return click.option(
        "-e",
        "--env",
        "env",
        cls=EnvironmentOption,
        envvar="SEEDBED_ENV",
        metavar="NAME",
        shell_complete=known("environments"),
        help="Environment: one that the manifest declares, or sandbox (default: $SEEDBED_ENV).",
    )(function)


def selection(function: F) -> F:
    """Add --service and --engine; the engine may also come from the command's own name (`seed:postgres`)."""
    function = click.option(
        "--engine",
        "engines",
        multiple=True,
        metavar="NAME",
        shell_complete=known("engines"),
        help="Select this engine; may be repeated (default: all).",
    )(function)
    return services(function)


def services(function: F) -> F:
    """Add --service alone, for what is about whole stacks."""
    return click.option(
        "-s",
        "--service",
        "services",
        multiple=True,
        metavar="NAME",
        shell_complete=known("services"),
        help="Select this service; may be repeated (default: all).",
    )(function)


def reviewed_plan(function: F) -> F:
    """Add the file that `seedbed plan --out` wrote, as an argument."""
    return click.argument(
        "plan", required=False, type=click.Path(exists=True, dir_okay=False), metavar="[PLAN]"
    )(function)


def output(function: F) -> F:
    """Add what every command has: how much is said, and in which colours."""
    for option in (
        click.option(
            "--color", type=click.Choice(COLORS), help="Whether to write in colour (default: auto)."
        ),
        click.option("-q", "--quiet", count=True, help="Show results and failures only, no progress."),
        click.option("-v", "--verbose", count=True, help="Show more detail; twice: tracebacks."),
    ):
        function = option(function)
    return function


def travelling(function: F) -> F:
    """Add what every command has that runs in a task where databases are reached by one."""
    for option in (
        click.option("--detach", is_flag=True, help="Start the task, print the run's id, and leave."),
        click.option("--local", is_flag=True, help="Run here, not in a task (ephemeral only)."),
    ):
        function = option(function)
    return function


def fresh(function: F) -> F:
    """Add --fresh, for looks that are told from the state document where databases are reached by a task."""
    return click.option(
        "--fresh", is_flag=True, help="Ask the databases by a task, not what the last run left."
    )(function)


def wait(function: F) -> F:
    return click.option(
        "--wait",
        cls=NumberOption,
        type=click.FloatRange(0),
        default=60.0,
        metavar="SECONDS",
        help="How long to wait for the lease (default: 60).",
    )(function)


def deploy_wait(function: F) -> F:
    return click.option(
        "--wait",
        cls=NumberOption,
        type=click.FloatRange(0),
        default=86_400.0,
        metavar="SECONDS",
        help="How long to wait for an update, or for an index to be built (default: 86400, a day).",
    )(function)


def assembly(words: str) -> Callable[[F], F]:
    """Add --assembly, a cloud assembly that was synthesised before; `words`: what its help says."""
    return click.option(
        "--assembly", type=click.Path(exists=True, file_okay=False), metavar="DIR", help=words
    )


def drop(function: F) -> F:
    return click.option(
        "--drop",
        multiple=True,
        metavar="STACK",
        help="Leave this stack as it is, which the app no longer makes; may be repeated.",
    )(function)


def as_json(function: F) -> F:
    return click.option(
        "--json", "as_json", is_flag=True, help="Write one JSON document to standard output."
    )(function)


def as_markdown(function: F) -> F:
    return click.option(
        "--markdown", is_flag=True, help="Write it as Markdown, for a comment or a job's summary."
    )(function)


def most(function: F) -> F:
    """Add --most, how many of the newest are listed."""
    return click.option(
        "--most",
        cls=NumberOption,
        type=click.IntRange(1, 1000),
        default=20,
        metavar="N",
        help="How many to list (default: 20).",
    )(function)


def said_by(function: F) -> F:
    """Add --as, what a caller says of himself: a note beside what the store's authority knows of him."""
    return click.option(
        "--as",
        "note",
        default="",
        metavar="NOTE",
        help="Who you are, for people: github:ana. Shown beside your identity, and no evidence.",
    )(function)


def gate(words: str) -> Callable[[F], F]:
    """Add --through, the last phase to run; `words`: what its help says."""
    return click.option(
        "--through",
        type=click.Choice(["expand", "migrate", "contract"]),
        default="contract",
        help=f"{words} (default: contract).",
    )


def to(words: str) -> Callable[[F], F]:
    """Add --to, the version to stop at; `words`: what its help says."""
    return click.option("--to", metavar="VERSION", shell_complete=known("versions"), help=words)
