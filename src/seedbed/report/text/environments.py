"""Environments, and how to connect to the databases of one, as pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seedbed.documents.environments import (
    ConnectionEntry,
    ConnectionsDocument,
    EnvironmentEntry,
    EnvironmentsDocument,
)
from seedbed.model.environment import SANDBOX
from seedbed.report.styles import Line, Lines, Style, Table, line, row
from seedbed.report.text.errors import error_text
from seedbed.report.text.inventory import there_text
from seedbed.support.dotenv import dotenv_line, export_line
from seedbed.support.phrases import listed


def environments_text(document: EnvironmentsDocument) -> Lines:
    """Return the environments, one row each; then those that are there, and what could not be looked at."""
    page: Lines = [
        Table(tuple(row(each.pattern, _kind(each), _about(each)) for each in document.environments))
    ]
    if there := there_text(document.there):
        page += [line(), *there]
    for error in document.errors:
        page += error_text(error)
    if places := [f"{each.account} {each.region}" for each in document.looked if each.done]:
        page.append(line((f"looked at {listed(places)}, and nowhere else", Style.DIM)))
    return page


def _kind(environment: EnvironmentEntry) -> str:
    if environment.protected:
        return "protected"
    return "ephemeral" if environment.ephemeral else ""


def _about(environment: EnvironmentEntry) -> str:
    if environment.pattern == SANDBOX:
        return f"runs: {', '.join(environment.runs)}" if environment.runs else "does not run"
    return " ".join(filter(None, (environment.account, environment.region)))


def connections_text(document: ConnectionsDocument) -> Lines:
    """Return how applications connect, database by database."""
    return [each for database in document.databases for each in _connection(database)]


def _connection(database: ConnectionEntry) -> Iterator[Line]:
    yield line((database.database, Style.BOLD))
    for name, value in database.variables.items():
        yield line(f"{name}={value}", indent=2)


def dotenv_text(document: ConnectionsDocument) -> Lines:
    """Return a .env file with the variables of all databases. Raises ValueError as `dotenv_line` does."""
    return _file(document, dotenv_line)


def export_text(document: ConnectionsDocument) -> Lines:
    """Return a script that exports the variables of all databases."""
    return _file(document, export_line)


def _file(document: ConnectionsDocument, written: Callable[[str, str], str]) -> Lines:
    """Return each variable once: those of AWS are the same for all."""
    page: Lines = []
    seen: set[str] = set()
    for database in document.databases:
        page.append(line(f"# {database.database}"))
        page += [line(written(*each)) for each in database.variables.items() if each[0] not in seen]
        seen |= database.variables.keys()
    return page
