"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class EnvironmentOption(click.Option):
    """The environment that a command is about. `command_context` says what there is where it is missing."""


def environment(function: F) -> F:
    return click.option(
        "-e",
        "--env",
        "env",
        cls=EnvironmentOption,
        envvar="SEEDBED_ENV",
        metavar="NAME",
        help="Environment, as declared in the manifest; or sandbox.  [env var: SEEDBED_ENV]",
    )(function)


def selection(function: F) -> F:
    """Add --service and --engine; the engine may also come from the command's own name (`seed:postgres`)."""
    function = click.option(
        "--engine",
        "engines",
        multiple=True,
        metavar="NAME",
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
        help="Select this service; may be repeated (default: all).",
    )(function)


def reviewed_plan(function: F) -> F:
    """Add the file that `seedbed plan --out` wrote, as an argument."""
    return click.argument(
        "plan", required=False, type=click.Path(exists=True, dir_okay=False), metavar="[PLAN]"
    )(function)


def wait(function: F) -> F:
    return click.option(
        "--wait",
        type=click.FloatRange(0),
        default=60.0,
        show_default="60",
        metavar="SECONDS",
        help="How long to wait for the lease.",
    )(function)


def deploy_wait(function: F) -> F:
    return click.option(
        "--wait",
        type=click.FloatRange(0),
        default=86_400.0,
        show_default="86400, a day",
        metavar="SECONDS",
        help="How long to wait for an update, or for an index to be built.",
    )(function)


def as_json(function: F) -> F:
    return click.option(
        "--json", "as_json", is_flag=True, help="Write one JSON document to standard output."
    )(function)
