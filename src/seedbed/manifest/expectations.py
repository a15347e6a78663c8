"""[[expectations]], of the manifest and of the file beside a database -> `Expectation`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from msgspec import UNSET, UnsetType

from seedbed.errors import Location
from seedbed.manifest.sections import IN_WORDS, ExpectationSection, ExpectationsFile
from seedbed.model.platform import Database, DatabaseId, Expectation, Query, Tolerance
from seedbed.support.guess import guess_path, suggestion
from seedbed.toml.document import read_document
from seedbed.toml.lines import KeyPath
from seedbed.toml.problems import convert
from seedbed.toml.text import Kind, Text, printable, read

FILE = "expectations.toml"
_KIND = Kind(called=FILE, translate_errors=IN_WORDS)
_NOWHERE = DatabaseId("")  # beside which the manifest lies


def expectations(text: Text, ids: Collection[str]) -> tuple[Expectation, ...]:
    """Return what the manifest declares; `ids`: of its databases. Raises UsageError, with file and line."""
    sections = [
        convert(text, section, ExpectationSection, ("expectations", index))
        for index, section in enumerate(text.data.get("expectations", ()))
    ]
    return _expectations(text, sections, ids, _NOWHERE, {})


def beside(
    database: Database, ids: Collection[str], declared: Mapping[str, Location]
) -> tuple[Expectation, ...]:
    """Return what the expectations.toml in the directory of `database` declares, nothing where there is none.

    `declared`: the names that others have, and where. Raises UsageError, with file and line.
    """
    path = Path(database.directory, FILE)
    if not path.is_file():
        return ()
    text = read(path, _KIND)
    document = read_document(text, ExpectationsFile, lambda _: ())
    return _expectations(text, document.expectations, ids, database.id, declared)


def _expectations(
    text: Text,
    sections: Sequence[ExpectationSection],
    ids: Collection[str],
    own: DatabaseId,
    declared: Mapping[str, Location],
) -> tuple[Expectation, ...]:
    places = dict(declared)
    found = []
    for index, section in enumerate(sections):
        at = ("expectations", index)
        if section.name in places:
            raise text.error(
                f"there are two expectations of the name {printable(section.name)!r}",
                at=(*at, "name"),
                because=f"the other one is declared at {places[section.name]}",
                try_="name what each of them says",
            )
        places[section.name] = text.location(at)
        found.append(expectation(text, at, section, ids, own))
    return tuple(found)


def expectation(
    text: Text, at: KeyPath, section: ExpectationSection, ids: Collection[str], own: DatabaseId = _NOWHERE
) -> Expectation:
    """Return what the section at the key `at` declares, which lies beside the database `own`. Raises UsageError."""
    queries = _queries(text, at, section, ids, own)
    return Expectation(section.name, queries, text.location(at), _tolerance(section))


def _queries(
    text: Text, at: KeyPath, section: ExpectationSection, ids: Collection[str], own: DatabaseId
) -> tuple[Query, ...]:
    if isinstance(section.equal, UnsetType) is isinstance(section.query, UnsetType):
        raise text.error(
            "an expectation has a query, or numbers that are equal",
            at=at,
            because="it has neither" if section.query is UNSET else "it has both",
            try_="`query`, which finds nothing where all is well; or `equal`, queries that have the same number",
        )
    if isinstance(section.equal, UnsetType):
        if section.tolerance:
            raise text.error(
                "a query that finds nothing has no tolerance",
                at=(*at, "tolerance"),
                because="only numbers lie apart",
                try_="remove it, or compare numbers with `equal`",
            )
        return (_query(text, at, str(section.query), section.database, ids, own),)
    if section.database is not UNSET or len(section.equal) < 2:
        raise text.error(
            "`equal` compares the queries in it",
            at=(*at, "equal"),
            because="each of them names its database"
            if section.database is not UNSET
            else "there is no second one",
            try_='equal = [{ database = "…", query = "…" }, { database = "…", query = "…" }]',
        )
    return tuple(
        _query(text, (*at, "equal", number), each.query, each.database, ids, own)
        for number, each in enumerate(section.equal)
    )


def _query(
    text: Text, at: KeyPath, query: str, database: str | UnsetType, ids: Collection[str], own: DatabaseId
) -> Query:
    if isinstance(database, UnsetType):
        if own is _NOWHERE:
            raise text.error(
                "a query names no database",
                at=at,
                because="the manifest lies beside all of them",
                try_='database = "SERVICE/ENGINE"',
            )
        return Query(own, query)
    require_declared(text, (*at, "database"), database, ids)
    return Query(DatabaseId(database), query)


def share(percent: str) -> Decimal:
    """Return what a share is of the whole: of "0.1%" 0.001."""
    return Decimal(percent.rstrip("%")) / 100


def _tolerance(section: ExpectationSection) -> Tolerance:
    if isinstance(section.tolerance, str):
        return Tolerance(share=share(section.tolerance))
    return Tolerance(number=Decimal(str(section.tolerance)))


def require_declared(text: Text, at: KeyPath, database: str, ids: Collection[str]) -> None:
    """Raise UsageError, at the key `at`, for a database that the manifest does not have."""
    if database not in ids:
        likely = guess_path(database, sorted(ids))
        raise text.error(
            f"there is no database {printable(database)}",
            at=at,
            because="[services] does not declare it",
            try_=suggestion(likely or database, sorted(ids), nothing="declare it, or remove this"),
        )
