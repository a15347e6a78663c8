"""Writes that show the lease: transactions that pass the fence, and schema statements that a successor would end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from seedbed.engines.kit.clock import now
from seedbed.engines.kit.errors import interrupted
from seedbed.engines.kit.lease import HeldLease, require_running
from seedbed.engines.kit.touched import Touched
from seedbed.engines.neo4j.graph import GraphTarget
from seedbed.engines.neo4j.store.lease_store import shown
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.client import (
    KIND,
    MARK,
    NUMBER,
    WHO,
    QueryResult,
    RunQuery,
    Transaction,
    gives_way,
)
from seedbed.engines.neo4j.wire.errors import ConnectionLost, CypherError
from seedbed.errors import Interrupted, LeaseLost
from seedbed.model.event import Listener, Retrying
from seedbed.wire.retrying import Attempt, Policy, retrying

T = TypeVar("T")
ATTEMPTS = 10  # that are followed by another one; where the connection broke, the lease is the bound
_POLICY = Policy(base=0.05, cap=2.0, when=gives_way)
_LOOKING = Policy(base=0.05, cap=2.0)


def _always(_: object) -> bool:
    return True


class FencedWriter:
    """The right to write, shown with every transaction. Thread-safe; transactions that write queue at the fence."""

    def __init__(self, graph: GraphTarget, held: HeldLease, listener: Listener) -> None:
        self.graph = graph
        self.held = held
        self._listener = listener
        self.touched = Touched()

    @property
    def is_touched(self) -> bool:
        """Whether anything that was sent under this lease stays in the graph, seedbed's own nodes aside, or may."""
        return bool(self.touched)

    @property
    def owner(self) -> str:
        return self.held.owner.who

    @property
    def interrupted(self) -> bool:
        """Whether the run is being interrupted."""
        return self.graph.client.is_interrupted

    def check(self) -> None:
        """Raise LeaseLost unless the lease is ours for sure, Interrupted if it is being stopped. Asks no server."""
        require_running(self.held, is_interrupted=self.interrupted)

    def read(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows that a reading `statement` answers with. Raises Interrupted, LeaseLost, CypherError."""
        self.check()
        try:
            return self.graph.read(statement, parameters or {})
        except ConnectionLost as error:
            raise self.unreachable(error) from None

    def write_record(self, work: Callable[[RunQuery], T], *, version: str = "", anyway: bool = False) -> T:
        """Do `work`, which changes seedbed's own nodes only, as `write` does."""
        return self._transact(lambda transaction: work(transaction.run), version, anyway=anyway)

    def write(
        self,
        work: Callable[[RunQuery], T],
        *,
        version: str = "",
        anyway: bool = False,
        changes: Callable[[T], object] = _always,
    ) -> T:
        """Do `work` in one transaction that commits only while the lease is ours; return what it returned.

        `work` gets what asks in that transaction, and is called again where the server gives way (a deadlock, a
        change of leader) or the connection broke. `version` is the migration that a retry is reported for; `anyway`:
        also after an interruption. `changes`: whether what it returned says that it changed anything. Raises LeaseLost,
        Interrupted; CypherError where the server refused: nothing stayed.
        """
        return self.transact(
            lambda transaction: work(transaction.run), version=version, anyway=anyway, changes=changes
        )

    def transact(
        self,
        work: Callable[[Transaction], T],
        *,
        version: str = "",
        anyway: bool = False,
        changes: Callable[[T], object] = _always,
    ) -> T:
        """Do as `write` does, with `work` having all of the transaction."""
        with self.touched.unless(Exception) as sent:
            try:
                done = self._transact(work, version, anyway=anyway)
            except LeaseLost:  # how it ended could not be asked
                sent.stays()
                raise
            if not changes(done):
                sent.undone()
            return done

    def _transact(self, work: Callable[[Transaction], T], version: str, *, anyway: bool) -> T:
        check = self.held.check if anyway else self.check
        for attempt in retrying(_POLICY, sleep=partial(self._pause, anyway=anyway)):
            check()
            name = uuid4().hex
            done: list[T] = []
            try:
                return self._attempt(work, name, done, anyway=anyway)
            except CypherError as error:
                if error.is_ended:
                    self._was_ended(anyway=anyway)
                # Whether what was being committed is, the fence tells, after it has ended or is through.
                if error.is_open and self._is_through(name):
                    return done[0]
                self._failed(attempt, error, version)
            except ConnectionLost as error:
                if error.in_commit and self._is_through(name):
                    return done[0]
                self._failed(attempt, error, version)
        raise AssertionError("attempts end by an answer or an error")

    def _attempt(self, work: Callable[[Transaction], T], name: str, done: list[T], *, anyway: bool) -> T:
        with self.graph.client.transaction(
            self._metadata("record" if anyway else "work", name)
        ) as transaction:
            if self.interrupted and not anyway:  # it may not have seen this transaction
                raise self._stopped()
            values = {**shown(self.held), "transaction": name}
            self._require_ours(transaction.run(queries.text("check_fence"), values))
            done.append(work(transaction))
            answer = transaction.run(queries.text("show_lease"), shown(self.held))
            if not answer.rows:  # they were there when it began, and it holds the fence
                raise CypherError("", "it deletes seedbed's own nodes; a pattern with a label would not")
            self._require_ours(answer)
            self.held.check()
            transaction.commit()
        return done[0]

    def _require_ours(self, answer: QueryResult) -> None:
        if not answer.rows or not answer.rows[0]["ours"]:
            raise self.held.taken()

    def _metadata(self, kind: str, transaction: str) -> dict[str, str]:
        """Return the metadata of a transaction of ours; `kind` is "work" or "record"."""
        owner = self.held.owner
        return {MARK: owner.id, WHO: owner.who, KIND: kind, NUMBER: transaction}

    def _was_ended(self, *, anyway: bool) -> None:
        """Say why our transaction was ended from outside: Interrupted, LeaseLost; return where it was neither."""
        self.held.confirm()
        if self.interrupted and not anyway:
            raise self._stopped()

    def _is_through(self, name: str) -> bool:
        """Return whether the transaction `name`, whose end is unknown, was committed. Raises LeaseLost."""
        for attempt in retrying(_LOOKING, sleep=partial(self._pause, anyway=True)):
            self.held.check()
            try:
                self._end(name)
                rows = self.graph.client.run_once(queries.text("last_through"), {}).rows
                self.held.confirm()  # a successor's transactions have names of their own
                return bool(rows) and rows[0]["transaction"] == name
            except (ConnectionLost, CypherError) as error:
                attempt.failed(error)
        raise AssertionError("attempts end by an answer or an error")

    def _end(self, name: str) -> None:
        """End the transaction `name`, and see it ended. Raises CypherError, ConnectionLost, LeaseLost."""
        server = self.graph.client
        while found := server.marked("called", {"transaction": name}):
            self.held.check()
            server.end([each["id"] for each in found])

    def _failed(self, attempt: Attempt, error: CypherError | ConnectionLost, version: str) -> None:
        """Emit that `version` is tried again. Raises `error` where it is not."""
        because = f"the connection broke: {error}" if isinstance(error, ConnectionLost) else error.message
        if attempt.number > ATTEMPTS and not isinstance(error, ConnectionLost):
            raise error
        delay = attempt.failed(error)
        if version:
            self._listener(Retrying(self.graph.target, version, because, attempt.number, delay))

    def _pause(self, seconds: float, *, anyway: bool) -> None:
        """Sleep as long as the lease is ours. Raises LeaseLost, Interrupted."""
        until = now() + seconds
        while (left := until - now()) > 0:
            self.held.check()
            if anyway:
                time.sleep(min(left, 0.1))
            else:
                self.sleep(min(left, 0.1))

    def sleep(self, seconds: float) -> None:
        """Sleep, unless interrupted. Raises Interrupted."""
        try:
            self.graph.client.sleep(seconds)
        except Interrupted:
            raise self._stopped() from None

    # what cannot be fenced, because it may not touch nodes

    def alter(self, statement: str) -> None:
        """Do as `send_schema` does, and count it. Raises as it does."""
        with self.touched.unless(CypherError, Interrupted):
            self.send_schema(statement)

    def send_schema(self, statement: str, *, version: str = "") -> None:
        """Carry out a schema statement as a transaction of its own; whoever calls counts it among what is touched.

        It is open on the server, marked as ours, before the lease is checked: whoever takes over after that check
        finds it and ends it, however long we sleep. Raises LeaseLost, Interrupted, CypherError (nothing stayed),
        ConnectionLost with `in_commit` (look whether it took effect; it has ended).
        """
        for attempt in retrying(_POLICY, sleep=partial(self._pause, anyway=False)):
            self.check()
            name = uuid4().hex
            try:
                self._alter(statement, name)
                return
            except CypherError as error:
                if error.is_ended:
                    self._was_ended(anyway=False)
                if error.is_open:
                    self._settle(name)
                    raise ConnectionLost(error.message, in_commit=True) from None
                self._failed(attempt, error, version)
            except ConnectionLost as error:
                if error.in_commit:
                    self._settle(name)
                    raise
                self._failed(attempt, error, version)

    def _alter(self, statement: str, name: str) -> None:
        with self.graph.client.transaction(self._metadata("work", name)) as transaction:
            if self.interrupted:
                raise self._stopped()
            self._confirm()
            transaction.execute(statement)
            self._confirm()
            transaction.commit()

    def _confirm(self) -> None:
        """Ask the server whether lease and fence are ours. Raises LeaseLost, CypherError, ConnectionLost."""
        self.held.check()
        self._require_ours(self.graph.client.run_repeatable(queries.text("show_lease"), shown(self.held)))

    def _settle(self, name: str) -> None:
        """Wait until the transaction `name` has ended, one way or the other. Raises LeaseLost."""
        self._is_through(name)  # it is not; but nothing of it is left when that is known

    def in_transactions(self, statement: str) -> None:
        """Carry out a statement that commits as it goes.

        Raises LeaseLost, Interrupted, CypherError, ConnectionLost: after each, any part of it may have stayed.
        """
        self.check()
        self._confirm()
        sent = self.touched.sending()
        try:
            self.graph.client.run_autocommit(statement, self._metadata("work", uuid4().hex))
        except CypherError as error:
            if error.is_ended:
                self._was_ended(anyway=False)
            if error.is_before:
                sent.undone()
            raise

    # errors

    def _stopped(self) -> Interrupted:
        return interrupted(f"work on {self.graph.target}")

    def unreachable(self, error: ConnectionLost) -> LeaseLost:
        """Return the error that a broken connection means for a read under the lease."""
        return self.held.unconfirmed(str(error))
