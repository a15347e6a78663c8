"""Errors of the server and the driver as exceptions of ours, and as errors for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedbed.errors import AccessRefused, SeedbedError, StepFailed, Unreachable
from seedbed.model.secret import Redactor

if TYPE_CHECKING:
    from neo4j.exceptions import Neo4jError

    from seedbed.engines.neo4j.address import Address

# A transaction that is terminated while it waits for a lock has a code of its own.
_ENDED = ("Transaction.Terminated", "Transaction.LockClientStopped", "Transaction.TransactionMarkedAsFailed")
_TIMED_OUT = "Transaction.TransactionTimedOut"
_MISSING = ("Database.DatabaseNotFound", "Database.GraphNotFound")
_FORBIDDEN = "Security.Forbidden"
# ParsedStatement out before a statement touches anything.
_BEFORE = ("Statement.SyntaxError", "Statement.SemanticError", "Statement.ParameterMissing", "Security.")
_ENTERPRISE = "Enterprise Edition"
_UNKNOWN = re.compile("ProcedureNotFound|[Uu]nknown function|no (procedure|function) with the name")
_OUT_OF_MEMORY = "OutOfMemoryError"


class CypherError(Exception):
    """The server refused a statement or a commit: nothing of that transaction stays.

    Unless it was a commit that gave way: the members of a cluster may agree on it all the same.
    """

    in_commit = False

    def __init__(self, code: str, message: str, *, is_transient: bool = False) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.is_transient = is_transient

    @property
    def is_ended(self) -> bool:
        """Whether the transaction was terminated: by us, an operator, a takeover."""
        return self.code.endswith(_ENDED)

    @property
    def is_open(self) -> bool:
        """Whether what was being committed may be committed."""
        return self.in_commit and self.is_transient and not self.is_ended

    @property
    def is_timeout(self) -> bool:
        return self.code.startswith("Neo.") and _TIMED_OUT in self.code

    @property
    def is_before(self) -> bool:
        """Whether the statement was refused before it did anything, transactions of its own included."""
        return any(each in self.code for each in _BEFORE)

    @property
    def try_(self) -> str:
        if "apoc." in self.message.lower() and _UNKNOWN.search(f"{self.code} {self.message}"):
            return (
                "install APOC on that server; the sandbox's Neo4j has no plugins: write it without APOC, or use an"
                " environment whose server has it"
            )
        if _ENTERPRISE in self.message:
            return "it needs Neo4j Enterprise: leave it out, or use that edition"
        if _FORBIDDEN in self.code:
            return "grant that to the user whom NEO4J_USERNAME names"
        if _OUT_OF_MEMORY in self.code:
            return "use a backfill (// seedbed: backfill=Label.key), or give the server more memory"
        if self.is_timeout:
            return "`transaction_seconds` in the manifest, and db.transaction.timeout of the server, bound it"
        return ""


class ConnectionLost(Exception):
    """The connection broke. What was under way has been rolled back or will be, unless it was being committed."""

    def __init__(self, because: str, *, in_commit: bool = False) -> None:
        super().__init__(because)
        self.in_commit = in_commit


def server_error(address: Address, error: Neo4jError) -> CypherError:
    """Return the server's error, secrets masked."""
    code, text = error.code or "Neo.Unknown", _message(address, error.message or str(error))
    # The server calls it transient: but what is too large for it once, is so again.
    is_transient = error.is_retryable() and _OUT_OF_MEMORY not in code
    return CypherError(code, text, is_transient=is_transient)


def gone(address: Address, error: Exception, *, in_commit: bool = False) -> ConnectionLost:
    return ConnectionLost(_message(address, str(error)), in_commit=in_commit)


def not_connected(address: Address, error: Exception) -> SeedbedError:
    """Return why connecting failed: AccessRefused where the server rejects it, else Unreachable."""
    from neo4j.exceptions import AuthError, ConfigurationError, Neo4jError

    message = _message(address, getattr(error, "message", "") or str(error))
    if isinstance(error, AuthError | ConfigurationError):
        return AccessRefused(
            f"{address} refused the login" if address.user else f"{address} wants a login",
            because=message,
            try_="check NEO4J_USERNAME and NEO4J_PASSWORD",
        )
    if isinstance(error, Neo4jError) and (error.code or "").endswith(_MISSING):
        return AccessRefused(
            f"there is no database {address.database} at {address.uri}",
            because=message,
            try_="check NEO4J_DATABASE; outside the sandbox seedbed creates no databases",
        )
    if isinstance(error, Neo4jError) and _FORBIDDEN in (error.code or ""):
        return AccessRefused(
            f"{address.user} has no access to {address}",
            because=message,
            try_="grant it, or log in as another",
        )
    return Unreachable(
        f"{address} cannot be reached",
        because=message,
        try_="check NEO4J_URI, the network and its rules; +s in the URI means TLS, and has to be what is there",
    )


def _message(address: Address, text: str) -> str:
    return " ".join(Redactor(address.secrets)(text).split())


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turn what the server refused while `doing` something into the error that a person reads."""
    try:
        yield
    except CypherError as error:
        raise failed(doing, error) from None
    except ConnectionLost as error:
        raise Unreachable(
            f"{doing} failed: the connection is gone", because=str(error), try_="run the same command again"
        ) from None


@contextmanager
def reading(address: Address) -> Iterator[None]:
    """Say of rows that are taken apart in the context, and are not what our query returns, that it is not Neo4j."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Unreachable(
            f"what answers at {address} is not Neo4j",
            because=f"it answered a query with other rows than it returns ({type(error).__name__}: {error})",
            try_="check NEO4J_URI, and what stands in front of the server",
        ) from None


def failed(doing: str, error: CypherError) -> StepFailed:
    return StepFailed(
        f"{doing} failed: {error.message}",
        because=error.code,
        try_=error.try_ or "fix the cause and run the same command again",
    )
