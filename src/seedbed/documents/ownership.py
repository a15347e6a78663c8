"""Whether what is in databases is their services' alone."""

from __future__ import annotations

from typing import Annotated

from seedbed.documents.document import Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.model.verification import OwnershipResult, Reader, Verdict


class ReaderEntry(Part, frozen=True):
    """The login of another service that can read a database."""

    database: Annotated[str, says("The database that is reached with this login.")]
    login: Annotated[str, says("Its name on the server.")]
    count: Annotated[int, says("How many tables it can read.")]
    names: Annotated[tuple[str, ...], says("The first of them.")]

    @classmethod
    def of(cls, reader: Reader) -> ReaderEntry:
        return cls(reader.database, reader.login, reader.count, reader.names)


class OwnershipEntry(Part, frozen=True):
    """One database."""

    database: Annotated[str, says("Its id.")]
    verdict: Annotated[
        Verdict,
        says(
            "`ok`; `broken`: another database is the same one, or, in a protected environment, another service's login"
            " can read it; `tolerated`: such a login can, elsewhere; `unverified`: the server did not say, or its login"
            " is another service's, too."
        ),
    ]
    same: Annotated[tuple[str, ...], says("Databases of other services that are the same one.")]
    readers: Annotated[tuple[ReaderEntry, ...], says("Logins of other services that can read it.")]
    alike: Annotated[
        tuple[str, ...],
        says("Databases of other services on its server that are reached with the same login."),
    ]
    error: Annotated[ErrorEntry | None, says("Why the server did not say; null where it did.")]

    @classmethod
    def of(cls, found: OwnershipResult, environment: str) -> OwnershipEntry:
        return cls(
            found.database,
            found.verdict,
            found.same,
            tuple(map(ReaderEntry.of, found.readers)),
            found.alike,
            ErrorEntry.of(found.error, environment) if found.error else None,
        )
