"""What the shell completes besides commands and options: names that the platform around declares.

Nothing is connected to. Where there is no platform, or its manifest is wrong, there is nothing to complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from seedbed.project import Catalog

_Items = Iterable[tuple[str, str]]  # what may be typed, and what is said beside it
_Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _of_catalog(find: Callable[[click.Context, Catalog], _Items]) -> _Complete:
    """Return what click asks for the values of an option: those that `find` knows and that begin as typed."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from seedbed.errors import SeedbedError
        from seedbed.project import Project

        try:
            catalog = Project.open(Path.cwd() / (ctx.find_root().params["directory"] or ".")).catalog
            found = dict(find(ctx, catalog))
        except (SeedbedError, OSError):
            return []
        return [
            CompletionItem(value, help=words or None)
            for value, words in sorted(found.items())
            if value.startswith(incomplete)
        ]

    return complete


@_of_catalog
def environments(_: click.Context, catalog: Catalog) -> _Items:
    """Complete the names of environments; a pattern such as `dev-*` is none."""
    from seedbed.model.environment import SANDBOX

    yield SANDBOX, "embedded servers"
    for each in catalog.platform.environments:
        if "*" not in each.pattern:
            yield each.pattern, "protected" if each.protected else ""


@_of_catalog
def services(ctx: click.Context, catalog: Catalog) -> _Items:
    """Complete the services that have a database of the engines named before."""
    return ((each.service, "") for each in catalog.databases((), ctx.params.get("engines") or ()))


@_of_catalog
def engines(ctx: click.Context, catalog: Catalog) -> _Items:
    """Complete the engines of the services named before."""
    return ((each.engine, "") for each in catalog.databases(ctx.params.get("services") or ()))


@_of_catalog
def versions(ctx: click.Context, catalog: Catalog) -> _Items:
    """Complete the versions of the migrations that the selected databases have."""
    selected = catalog.databases(ctx.params.get("services") or (), ctx.params.get("engines") or ())
    return ((version, words) for _, version, words in _migrations(catalog, {each.id for each in selected}))


@_of_catalog
def migrations(_: click.Context, catalog: Catalog) -> _Items:
    """Complete migrations as `after=` names them, DATABASE:VERSION."""
    found = _migrations(catalog, {each.id for each in catalog.databases()})
    return ((f"{database}:{version}", words) for database, version, words in found)


@_of_catalog
def verifiable(ctx: click.Context, catalog: Catalog) -> _Items:
    """Complete the fields that refer and the names of expectations, of the services named before."""
    services = ctx.params.get("services") or ()
    yield from ((str(each.from_), str(each.to)) for each in catalog.references(services))
    yield from ((each.name, ", ".join(each.databases)) for each in catalog.expectations(services))


def _migrations(catalog: Catalog, ids: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the database, the version and a description of each migration of the databases `ids`."""
    for database in map(catalog.database, ids):
        for file in catalog.files(database):
            yield database.id, file.version, f"{database.id} {file.name}"
