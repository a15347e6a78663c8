"""One migration on its way through a target: steps one by one, each with its record.

Data statements commit together with their record. A schema statement cannot: it is recorded as begun, run, and
recorded as finished, and the catalogue shows the outcome of one that an earlier run began. What commits batches of its
own is recorded the same way, and runs again only where the file declares it repeatable.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.kit.errors import decide
from seedbed.engines.kit.stepwise import Stepwise, is_gone
from seedbed.engines.kit.touched import SentWrite
from seedbed.engines.neo4j.files.commands import SchemaCommand, parse_command
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.files.split import Statement, split
from seedbed.engines.neo4j.files.statements import StatementKind, kind_of
from seedbed.engines.neo4j.files.steps import undone_by
from seedbed.engines.neo4j.rules import registry
from seedbed.engines.neo4j.rules.schema_hazards import creates_nothing, existing_for, name_taken
from seedbed.engines.neo4j.running.backfill import GraphBackfill
from seedbed.engines.neo4j.running.index_progress import wait_online
from seedbed.engines.neo4j.schema.catalogue import Catalogue, read_catalogue, same
from seedbed.engines.neo4j.schema.probe import took_effect
from seedbed.engines.neo4j.schema.reverse import reverse_of
from seedbed.engines.neo4j.store import history
from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
from seedbed.engines.neo4j.wire.client import RunQuery, Transaction
from seedbed.engines.neo4j.wire.errors import ConnectionLost, CypherError
from seedbed.errors import Interrupted, Irreversible, Location, OutcomeUnknown, SeedbedError, StepFailed
from seedbed.model.event import ServerNotice, WorkProgressed
from seedbed.model.history import Revision
from seedbed.model.migration import Direction, Phase, Step, Work
from seedbed.model.verification import QueryRow
from seedbed.wire.retrying import Policy, retrying

_LOST_COMMITS = Policy(attempts=3, base=0.0)  # where the connection breaks in each of them


class StepwiseRun(Stepwise):
    """One work on its way; `reverses` holds what undoes its schema steps, by number.

    `events` raises StepFailed, OutcomeUnknown, LeaseLost, Interrupted, Irreversible where no undo is known.
    """

    def __init__(self, lease: FencedWriter, work: Work) -> None:
        super().__init__(lease.graph.target, work, lease.owner)
        self.lease, self.graph = lease, lease.graph
        self.reverses: Mapping[int, str] = {}
        self._altered: SentWrite | None = None  # the schema statement in hand, if this run sent it

    def _take_up(self, stored: Revision | None) -> bool:
        resumed = super()._take_up(stored)
        if stored is not None:
            self.reverses = history.reverses(self.lease.read, stored.version)
        return resumed

    def _prepare(self) -> Iterator[Progress]:
        self._snapshot()
        return iter(())

    def _snapshot(self) -> None:
        """Let the hook make a copy before a contract migration begins; the history keeps what it is called."""
        command = self.graph.address.snapshot
        is_untouched = not (self.revision.step or self.revision.in_step or self.revision.checkpoint)
        is_contract = self.migration.phase is Phase.CONTRACT and self.work.direction is Direction.UP
        if not (command and is_contract and is_untouched):
            return
        from seedbed.engines.neo4j.dump_restore.snapshot import take

        self.lease.check()
        self.revision = replace(self.revision, snapshot=take(command, self.graph, self.migration))

    def _carry_out(self, step: Step) -> Iterator[Progress]:
        if step.backfill is not None:
            yield from self._backfill(step)
        elif step.atomic:
            self._together(step)
        elif undone_by(step.body) is not None or self._kind(step) is StatementKind.SCHEMA:
            yield from self._schema(step)
        else:
            yield from self._in_transactions(step)

    def _kind(self, step: Step) -> StatementKind:
        (only,) = split(step.body)
        return kind_of(only)

    def _rows(self, query: str, most: int) -> Sequence[QueryRow]:
        from seedbed.engines.neo4j.running.queries import rows

        return rows(self.graph, query, most)

    # the history

    def _record(self, run: RunQuery, revision: Revision) -> None:
        """Write `revision` to the history; a finished revert removes it, with an entry in the audit."""
        if is_gone(revision):
            history.forget(run, revision.version)
            history.audit(run, self.lease.owner, "revert", revision.version, "")
        else:
            history.write(run, revision, self.reverses)

    def _commit(self, revision: Revision, *, anyway: bool = False) -> None:
        version = self.migration.version
        self.lease.write_record(lambda run: self._record(run, revision), version=version, anyway=anyway)
        self.revision = revision

    def _restore(self, before: Revision | None) -> None:
        version = self.migration.version

        def work(run: RunQuery) -> None:
            if before is not None:
                history.write(run, before)
            else:
                history.forget(run, version)

        self.lease.write_record(work, anyway=True)

    # data, with its record

    def _together(self, step: Step) -> None:
        statements, after = split(step.body), self._after(step)
        last = statements[0]

        def work(transaction: Transaction) -> None:
            nonlocal last
            for last in statements:
                transaction.execute(last.text)
            self._record(transaction.run, after)

        try:
            self.lease.transact(work, version=self.migration.version)
        except CypherError as error:
            raise self._failed(step, error, last) from None
        self.revision = after

    def _failed(self, step: Step, error: CypherError, statement: Statement | None = None) -> StepFailed:
        line = step.line + (statement.line - 1 if statement else 0)
        return StepFailed(
            f"{self.migration.label}: {error.message}",
            because=error.code,
            try_=error.try_,
            at=Location(self.migration.path, line),
        )

    # schema, between two records

    def _schema(self, step: Step) -> Iterator[Progress]:
        statement = self._statement(step)
        if not statement:  # it undoes what did nothing
            self._commit(self._after(step))
            return
        command = parse_command(statement)
        if not self.revision.in_step or not (yield from self._is_done(step, command)):
            if not self.revision.in_step:
                yield from self._begin(step, command)
            self._alter(step, command, statement)
        yield from self._wait(step, command)
        self._commit(self._after(step))

    def _statement(self, step: Step) -> str:
        """Return the statement that `step` stands for; "" for nothing. Raises Irreversible."""
        number = undone_by(step.body)
        if number is None:
            return step.body
        if number not in self.reverses:
            raise Irreversible(
                f"there is no undo for step {number + 1} of {self.migration.label} on {self.target}",
                because="it was recorded here without being run, so the schema before it is unknown",
                try_="write its `// migrate:down` section",
                at=self._at(step),
            )
        return self.reverses[number]

    def _catalogue(self) -> Catalogue:
        return read_catalogue(self.lease.read)

    def _catalogue_anyway(self) -> Catalogue:
        """Return the catalogue, also after an interruption: it decides what is recorded. Raises LeaseLost."""
        try:
            return read_catalogue(self.graph.read)
        except ConnectionLost as error:
            raise self.lease.unreachable(error) from None

    def _begin(self, step: Step, command: SchemaCommand) -> Iterator[Progress]:
        """Record that `step` begins, with what undoes it. Raises StepFailed for what is there, or gone, already.

        Yields a notice where it does nothing, because the same has another name.

        Checked before it is recorded as begun: what exists by then was not created by this step, however the run ends.
        """
        now = self._catalogue()
        if not command.is_guarded and took_effect(command, now):
            is_there = command.subject is not None
            raise StepFailed(
                f"{self.migration.label}: {command.noun.lower()} {command.name} "
                + ("exists already" if is_there else "does not exist"),
                because="it was so before this migration began",
                try_=f"find out what did that, or use {'IF NOT EXISTS' if is_there else 'IF EXISTS'}",
                at=self._at(step),
            )
        existing = existing_for(command, now)
        if existing is not None and command.subject is not None:
            if existing.name != command.name:
                text = creates_nothing(command, existing)
                yield ServerNotice(self.target, self.migration.version, "WARNING", text)
            elif existing.noun is command.noun and not same(existing.subject, command.subject):
                self._require_allowed(step, name_taken(command, existing))
        if self.work.direction is Direction.UP:
            self.reverses = {**self.reverses, step.index: reverse_of(command, now)}
        self._commit(replace(self.revision, in_step=True))

    def _require_allowed(self, step: Step, what: str) -> None:
        """Raise StepFailed unless the file allows a name that belongs to something else."""
        rule = registry.NAME_TAKEN
        if all(each.code != rule.code for each in self.migration.allows):
            raise StepFailed(
                f"{self.migration.label}: {what}",
                because=rule.why,
                try_=f'{rule.instead}; or say allow={rule.code} because "…"',
                at=self._at(step),
            )

    def _alter(self, step: Step, command: SchemaCommand, statement: str) -> None:
        """Run a schema statement that is recorded as begun. Raises StepFailed, Interrupted: it left nothing."""
        sent = self._altered = self.lease.touched.sending()
        try:
            self._alter_for_sure(command, statement)
        except CypherError as error:
            sent.undone()
            self._undone()
            raise self._failed(step, error) from None
        except Interrupted:
            sent.undone()
            self._undone()
            raise

    def _alter_for_sure(self, command: SchemaCommand, statement: str) -> None:
        """Run a schema statement; where the answer to its commit got lost, the catalogue has it."""
        for attempt in retrying(_LOST_COMMITS):
            try:
                self.lease.send_schema(statement, version=self.migration.version)
                return
            except ConnectionLost as error:
                if took_effect(command, self._catalogue_anyway()):
                    return
                attempt.failed(CypherError("", f"its commit failed {attempt.number} times: {error}"))

    def _wait(self, step: Step, command: SchemaCommand) -> Iterator[Progress]:
        """Wait until what `command` made can be used. Raises StepFailed: it was taken away again."""
        version, failure = self.migration.version, None
        try:
            for each in wait_online(
                self.lease.read,
                command,
                sleep=self.lease.sleep,
                undo=lambda: self._take_back(step, command),
            ):
                what = f"index {each.name} is being filled"
                yield WorkProgressed(self.target, version, round(each.percent), 100, "percent", what)
        except StepFailed as error:
            failure = error
        if failure is not None:
            self._undone()
            raise StepFailed(
                f"{self.migration.label}: {failure.what}",
                because=failure.because,
                try_=failure.try_,
                at=self._at(step),
            )

    def _take_back(self, step: Step, command: SchemaCommand) -> None:
        is_ours = self.work.direction is Direction.DOWN or self.reverses.get(step.index, "")
        if is_ours and command.subject is not None:
            self.lease.send_schema(f"DROP {command.noun} {quoted(command.name)} IF EXISTS")
            if self._altered:
                self._altered.undone()

    def _is_done(self, step: Step, command: SchemaCommand) -> Generator[Progress, None, bool]:
        """Return whether a step that a former run began took effect: the catalogue knows."""
        done = took_effect(command, self._catalogue())
        is_there = done is (command.subject is not None)
        words = f"{command.noun.lower()} {command.name} is {'there' if is_there else 'not there'}"
        verdict = words if done else f"{words}: it runs again"
        yield self._probed(step, verdict)
        return done

    # statements that commit as they go

    def _in_transactions(self, step: Step) -> Iterator[Progress]:
        if self.revision.in_step:
            self._require_repeatable(step)
            verdict = "it is declared repeatable: it runs again"
            yield self._probed(step, verdict)
        else:
            self._commit(replace(self.revision, in_step=True))
        try:
            self.lease.in_transactions(step.body)
        except CypherError as error:
            if error.is_before:
                self._undone()
                raise self._failed(step, error) from None
            raise self._half_done(step, error.message, error.code) from None
        except ConnectionLost as error:
            raise self._half_done(step, "the connection broke", str(error)) from None
        self._commit(self._after(step), anyway=True)  # it is done, whoever asked to stop meanwhile

    def _require_repeatable(self, step: Step) -> None:
        if step.repeatable:
            return
        raise OutcomeUnknown(
            f"it is unknown how much of {self.migration.label} took effect on {self.target}",
            because="an earlier run began it and did not record its end, and it commits as it goes",
            try_=decide(self.migration.version),
            at=self._at(step),
        )

    def _half_done(self, step: Step, what: str, because: str) -> OutcomeUnknown:
        """Return the error about a step that ended in its middle; its record says so, unless it is repeatable."""
        if step.repeatable:
            with suppress(SeedbedError, CypherError, ConnectionLost):
                self._begins_anew()
            try_ = "fix the migration and run the same command again: it starts from the beginning"
        else:
            try_ = decide(self.migration.version)
        return OutcomeUnknown(
            f"{self.migration.label}: {what}",
            because=f"{because}; what it had committed before stays",
            try_=try_,
            at=self._at(step),
        )

    # backfills

    def _backfill(self, step: Step) -> Iterator[Progress]:
        walk = GraphBackfill(self.lease, self.migration, step)
        if self.revision.checkpoint is None:
            walk.require_keys()
            self._commit(self.revision)
        try:
            yield from walk.batches(self.revision.checkpoint)
        except CypherError as error:
            raise self._failed(step, error) from None
        self._commit(self._after(step))
