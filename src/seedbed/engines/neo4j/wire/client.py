"""The driver behind a thin face: statements in, plain data out, errors as ours; stoppable from any thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from seedbed.engines.kit.errors import interrupted
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.driver import import_driver
from seedbed.engines.neo4j.wire.errors import (
    ConnectionLost,
    CypherError,
    gone,
    not_connected,
    reading,
    server_error,
)
from seedbed.errors import Refused
from seedbed.wire.retrying import Policy, retried

if TYPE_CHECKING:
    import neo4j

    from seedbed.engines.neo4j.address import Address

CONNECT_TIMEOUT = 10.0  # seconds
OLDEST = (5, 0)  # the first release whose constraints and transactions are as we use them
SWEEP = 0.2  # seconds between two rounds of ending what an interruption has to end
SWEEPER_SECONDS = 5.0  # that its last round may take before the connections go
MARK, KIND, WHO, NUMBER = "seedbed", "seedbed_kind", "seedbed_who", "seedbed_transaction"  # of the metadata

Parameters = Mapping[str, Any]

_log = logging.getLogger("neo4j")


def gives_way(error: BaseException) -> bool:
    """Return whether it may go better another time: a deadlock, a change of leader, a connection that broke."""
    return isinstance(error, ConnectionLost) or (
        isinstance(error, CypherError) and error.is_transient and not error.is_ended
    )


_READING = Policy(attempts=6, base=0.05, cap=2.0, on=(CypherError, ConnectionLost))


class QueryResult(Struct, frozen=True):
    """What a statement returned, and what it changed (`nodes_created`, `properties_set`, …; only what is not 0)."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)


RunQuery = Callable[[str, Parameters | None], QueryResult]


class Transaction:
    """An open transaction; it is there on the server from its beginning, for everybody who looks."""

    def __init__(self, address: Address, session: neo4j.Session, open_: neo4j.Transaction) -> None:
        self._address = address
        self._session = session
        self._open = open_

    def run(self, statement: str, parameters: Parameters | None = None) -> QueryResult:
        """Return the answer to `statement`. Raises CypherError, ConnectionLost."""
        with translate_driver_errors(self._address):
            return _result(self._open.run(_literal(statement), dict(parameters or {})))

    def rows(self, statement: str, parameters: Parameters, size: int) -> Iterator[list[list[Any]]]:
        """Yield the rows of the answer to `statement`, `size` at a time, as they come. Raises as `run` does."""
        with translate_driver_errors(self._address):
            result = self._open.run(_literal(statement), dict(parameters))
            while some := result.fetch(size):
                yield [each.values() for each in some]

    def records(self, statement: str) -> Iterator[dict[str, Any]]:
        """Yield the records of the answer to `statement`, as plain data, as they come. Raises as `run` does."""
        with translate_driver_errors(self._address):
            for each in self._open.run(_literal(statement)):
                yield each.data()

    def execute(self, statement: str, parameters: Parameters | None = None) -> None:
        """Run `statement` to its end, whatever it returns. Raises CypherError, ConnectionLost."""
        with translate_driver_errors(self._address):
            self._open.run(_literal(statement), dict(parameters or {})).consume()

    def commit(self) -> None:
        """Commit. Raises CypherError: nothing stayed, unless it `is_open`; ConnectionLost with `in_commit`: unknown."""
        try:
            with translate_driver_errors(self._address, in_commit=True):
                self._open.commit()
        except CypherError as error:
            error.in_commit = True
            raise
        _require_bookmark(self._session)


class BoltClient:
    """One database, for any number of threads; each statement has a connection of its own.

    `version` is "2026.08.1", `edition` "community" or "enterprise".
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.version = ""
        self.edition = ""
        self._driver = _driver(address)
        self._stopped = threading.Event()
        self._closed = threading.Event()
        self._abandoned = threading.Event()
        self._reading = replace(_READING, when=self._may_pass)
        self._marks: set[str] = set()  # of the runs that an interruption ends
        self._sweeper: threading.Thread | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Read the server's version and edition. Raises Unreachable; Refused: no login, no such database, too old."""
        try:
            rows = self._once(queries.text("server"), {}).rows
        except (CypherError, ConnectionLost) as error:
            cause = error.__cause__
            raise not_connected(self.address, cause if isinstance(cause, Exception) else error) from None
        if not rows:
            raise Refused(f"{self.address} is not a Neo4j server", because="it does not return its version")
        with reading(self.address):
            self.version, self.edition = str(rows[0]["version"]), str(rows[0]["edition"])
        if _numbers(self.version) < OLDEST:
            raise Refused(
                f"{self.address} runs Neo4j {self.version}",
                because=f"seedbed knows Neo4j {OLDEST[0]} and newer",
                try_="upgrade the server",
            )

    def close(self) -> None:
        is_abandoned = self._closed.is_set()
        self._closed.set()
        if self._sweeper is not None and not is_abandoned:
            self._sweeper.join(SWEEPER_SECONDS)
        with suppress(Exception):  # a connection that cannot be closed is gone anyway
            self._driver.close()

    # asking

    def run_repeatable(self, statement: str, parameters: Parameters | None = None) -> QueryResult:
        """Return the answer to a statement that may be asked again: it reads, or is the same a second time.

        Raises CypherError, ConnectionLost.
        """
        return retried(self._reading, lambda: self._once(statement, parameters or {}))

    def _may_pass(self, error: BaseException) -> bool:
        """Return whether to ask again: never once the connections are given up."""
        return gives_way(error) and not self._closed.is_set()

    def read(self, statement: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Return the rows that a reading statement answers with. Raises CypherError, ConnectionLost."""
        return self.run_repeatable(statement, parameters).rows

    def run_once(
        self, statement: str, parameters: Parameters | None = None, *, timeout: float | None = None
    ) -> QueryResult:
        """Run one statement as a transaction of its own, once. Raises CypherError, ConnectionLost (it may be done)."""
        return self._once(statement, parameters or {}, timeout=timeout)

    def run_autocommit(self, statement: str, metadata: Mapping[str, str]) -> None:
        """Carry out a statement that commits as it goes, once. Raises CypherError, ConnectionLost."""
        import neo4j

        query = neo4j.Query(
            _literal(statement), metadata=dict(metadata), timeout=self.address.transaction_seconds
        )
        with self._session() as session, translate_driver_errors(self.address):
            session.run(query).consume()
            _require_bookmark(session)

    def explain(self, statement: str) -> neo4j.ResultSummary:
        """Return the driver's summary of EXPLAIN: plan and notifications. Raises CypherError, ConnectionLost."""
        with translate_driver_errors(self.address):
            session = self._driver.session(
                database=self.address.database,
                default_access_mode="WRITE",
                notifications_min_severity="INFORMATION",
            )
        with session, translate_driver_errors(self.address):
            return session.run(_literal(f"EXPLAIN {statement}")).consume()

    def _once(self, statement: str, parameters: Parameters, *, timeout: float | None = None) -> QueryResult:
        import neo4j

        with self._session() as session, translate_driver_errors(self.address):
            return _result(session.run(neo4j.Query(_literal(statement), timeout=timeout), dict(parameters)))

    @contextmanager
    def transaction(self, metadata: Mapping[str, str], *, only_reads: bool = False) -> Iterator[Transaction]:
        """Open a transaction and roll it back at the end of the block, unless it was committed.

        `only_reads`: the server refuses whatever would write. Raises CypherError, ConnectionLost.
        """
        with self._session("READ" if only_reads else "WRITE") as session:
            with translate_driver_errors(self.address):
                begun = session.begin_transaction(
                    metadata=dict(metadata), timeout=self.address.transaction_seconds
                )
            try:
                yield Transaction(self.address, session, begun)
            finally:
                with suppress(Exception):  # a connection that is gone takes its transaction along
                    begun.close()

    @contextmanager
    def _session(self, access: Literal["READ", "WRITE"] = "WRITE") -> Iterator[neo4j.Session]:
        if (
            self._abandoned.is_set()
        ):  # while its connections are being closed, the driver would open another one
            raise ConnectionLost(f"the connections to {self.address} were given up")
        # Reads go where writes go: in a cluster, any other member may not know yet what was committed.
        with translate_driver_errors(self.address):  # an abandoned driver is closed
            session = self._driver.session(database=self.address.database, default_access_mode=access)
        try:
            yield session
        finally:
            with suppress(Exception):
                session.close()

    # ending

    def marked(self, marks: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Return {id, who, milliseconds} of the transactions that the query called `marks` finds."""
        return self.read(queries.text(marks), {"database": self.address.database, **parameters})

    def end(self, transactions: list[str]) -> None:
        """Terminate `transactions` by their ids; unknown ids are not an error. Raises CypherError, ConnectionLost."""
        if transactions:
            self.run_repeatable(queries.text("end"), {"ids": transactions})

    # being stopped

    @property
    def is_interrupted(self) -> bool:
        return self._stopped.is_set()

    def watch(self, mark: str) -> None:
        """From now on an interruption ends the work of the run `mark`."""
        with self._lock:
            self._marks.add(mark)

    def unwatch(self, mark: str) -> None:
        with self._lock:
            self._marks.discard(mark)

    def interrupt(self) -> None:
        """End what is running on the server, and begin nothing more; from any thread, any number of times."""
        self._stopped.set()
        with self._lock:
            if self._sweeper is None and self._marks:
                self._sweeper = threading.Thread(target=self._sweep, name="interruption", daemon=True)
                self._sweeper.start()

    def _sweep(self) -> None:
        """End our work again and again: a statement that was just being sent is on the server a moment later."""
        while True:
            with self._lock:
                marks = sorted(self._marks)
            with suppress(CypherError, ConnectionLost):
                self.end([each["id"] for each in self.marked("work_of", {"marks": marks})])
            if not marks or self._closed.wait(SWEEP):
                return

    def abandon(self) -> None:
        """Close every connection, those that wait for an answer too; from any thread."""
        self._stopped.set()
        self._abandoned.set()
        self._closed.set()
        with suppress(Exception):
            self._driver.close()

    def sleep(self, seconds: float) -> None:
        """Sleep, unless interrupted. Raises Interrupted."""
        if self._stopped.wait(max(seconds, 0.0)):
            raise interrupted(f"work on {self.address}")


def _driver(address: Address) -> neo4j.Driver:
    import_driver()
    import neo4j

    if not _log.handlers:  # its exceptions contain the same; without a handler it would go to stderr
        _log.addHandler(logging.NullHandler())
    auth = neo4j.basic_auth(address.user, address.password.reveal()) if address.password else None
    try:
        return neo4j.GraphDatabase.driver(
            address.uri,
            auth=auth,
            connection_timeout=CONNECT_TIMEOUT,
            connection_acquisition_timeout=3 * CONNECT_TIMEOUT,
            keep_alive=True,
            notifications_min_severity="OFF",
            telemetry_disabled=True,
            user_agent="seedbed",
        )
    except (neo4j.exceptions.DriverError, ValueError, OSError) as error:
        raise not_connected(address, error) from None


@contextmanager
def translate_driver_errors(address: Address, *, in_commit: bool = False) -> Iterator[None]:
    """Turn the driver's exceptions into ours."""
    from neo4j.exceptions import DriverError, Neo4jError

    try:
        yield
    except Neo4jError as error:
        raise server_error(address, error) from error
    except (DriverError, OSError) as error:
        raise gone(address, error, in_commit=in_commit) from error


def _result(result: neo4j.Result) -> QueryResult:
    rows = [record.data() for record in result]
    counters = {
        name: value for name, value in vars(result.consume().counters).items() if type(value) is int and value
    }
    return QueryResult(rows, counters)


def _require_bookmark(session: neo4j.Session) -> None:
    """Raise ConnectionLost unless the server returned a bookmark for the commit.

    On a connection that an operator killed, the server ignores what comes, and the driver takes that for success.
    """
    if not session.last_bookmarks().raw_values:
        raise ConnectionLost("the server did not confirm the commit", in_commit=True)


def _literal(statement: str) -> Any:
    """Return `statement` typed as the driver wants it: a literal, since it comes from reviewed source."""
    return statement


def _numbers(version: str) -> tuple[int, ...]:
    """Return (2026, 8) of "2026.08.1-aura"."""
    return tuple(int(each) for each in version.split(".")[:2] if each.isdigit())
