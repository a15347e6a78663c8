"""The lease of a memory target: everything that writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

from msgspec.structs import asdict, replace

from seedbed.engines.kit.errors import TAKEN, decide, foreign, interrupted, lease_lost
from seedbed.engines.kit.stepwise import Stepwise, is_gone
from seedbed.engines.kit.touched import Touched
from seedbed.errors import (
    Interrupted,
    Location,
    OutcomeUnknown,
    StepFailed,
    Unreachable,
)
from seedbed.model.event import Event, WorkProgressed
from seedbed.model.history import History, Identity, Owner, Revision
from seedbed.model.migration import Backfill, Step, Work
from seedbed.model.seed import Dataset, Loaded, Loading, OnLoading, RowSource, Script, ignore_loading
from seedbed.model.verification import QueryRow
from seedbed.support.phrases import count
from seedbed.testing.reference.channel import Channel
from seedbed.testing.reference.client import Rejected
from seedbed.testing.reference.history import history, plain
from seedbed.testing.reference.language import Statement, read, script_statements
from seedbed.testing.reference.queries import rows

_READ = 500  # rows of a seed that are read at once
_RECORDS = frozenset({"bind", "record", "forget", "tables"})  # requests that change nothing but the history

_DISCONNECTED = "the connection that held it is gone"


class MemoryLease:
    """The right to write, proven to the server by a token with every request."""

    def __init__(self, channel: Channel, owner: Owner, token: int) -> None:
        self._channel = channel
        self._owner = owner
        self._token = token
        self._touched = Touched()

    @property
    def is_touched(self) -> bool:
        return bool(self._touched)

    def _ask(self, do: str, *, anyway: bool = False, **request: Any) -> dict[str, Any]:
        """Return the server's answer to a request that shows the token; `anyway` asks even when interrupted.

        Raises LeaseLost, Interrupted, Rejected.
        """
        if self._channel.is_interrupted and not anyway:
            raise interrupted(f"work on {self._channel.target}")
        is_record = do in _RECORDS or (do == "commit" and not request["ops"])
        try:
            # What this server rejects has left nothing: every request of it is one transaction.
            with nullcontext() if is_record else self._touched.unless(Rejected):
                return self._channel.ask(do, token=self._token, **request)
        except Unreachable as error:
            raise lease_lost(self._channel.target, _DISCONNECTED) from error
        except Rejected as error:
            if error.code == "lease_lost":
                raise lease_lost(self._channel.target, TAKEN) from error
            if error.code == "interrupted":
                raise interrupted(f"work on {self._channel.target}") from error
            raise

    # history

    def history(self) -> History:
        try:
            return history(self._channel.ask("history"))
        except Unreachable as error:
            raise lease_lost(self._channel.target, _DISCONNECTED) from error

    def bind(self, identity: Identity) -> None:
        found = Identity(**self._ask("bind", identity=asdict(identity))["identity"])
        if found != identity:
            raise foreign(self._channel.target, found, identity)

    def rebind(self, identity: Identity, *, actor: str, because: str) -> None:
        self._ask("rebind", identity=asdict(identity), actor=actor, because=because)

    def record(self, revision: Revision, *, actor: str, because: str) -> None:
        self._ask("record", revision=plain(revision), actor=actor, because=because)

    def forget(self, version: str, *, actor: str, because: str) -> None:
        self._ask("forget", version=version, actor=actor, because=because)

    def reset(self) -> str:
        tables = self._ask("reset")["tables"]
        return f"{count(tables, 'table')} and the history"

    # migrations

    def apply(self, works: Sequence[Work]) -> Iterator[Event]:
        stored = self.history()
        for work in works:
            run = _Run(self._channel.target, work, self._owner, self._ask)
            yield from run.events(stored.revision(work.migration.version))

    # seeds

    def load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        parts = []
        for each in dataset.parts:
            parts.append(_part(each))
            on_loading(Loading(each.path, len(parts[-1][0])))
        try:
            answer = self._ask("load", parts=[{"ops": ops} for ops, _ in parts])
        except Rejected as error:
            number, _, what = error.what.partition(":")
            part, (_, lines) = dataset.parts[int(number)], parts[int(number)]
            at = Location(part.path, lines[error.op] if error.op < len(lines) else 0)
            raise StepFailed(
                f"{part.path} was refused", because=what, try_="correct the row; nothing was loaded", at=at
            ) from error
        loaded = [
            Loaded(part.path, **counts) for part, counts in zip(dataset.parts, answer["counts"], strict=True)
        ]
        is_known = not any(isinstance(each, Script) for each in dataset.parts)
        if is_known and not any(each.inserted or each.updated for each in loaded):
            self._touched.take_back()
        yield from loaded


def _part(part: RowSource | Script) -> tuple[list[list[Any]], tuple[int, ...]]:
    """Return (operations, the line of each) of one part of a dataset."""
    if not isinstance(part, Script):
        return _upserts(part)
    statements = script_statements(part)
    return [each.op for each in statements], tuple(each.line for each in statements)


def _upserts(source: RowSource) -> tuple[list[list[Any]], tuple[int, ...]]:
    """Return the operations of rows, all of them: a dataset is one request, because it stays or goes as a whole."""
    key = source.key or ("id",)
    ops: list[list[Any]] = []
    lines: list[int] = []
    for batch in source.batches(_READ):
        rows = [dict(zip(source.columns, values, strict=True)) for values in batch.rows]
        ops += [["upsert", source.table, [row.get(name) for name in key], row] for row in rows]
        lines += batch.lines
    return ops, tuple(lines)


class _Run(Stepwise):
    """One work on its way."""

    def __init__(self, target: str, work: Work, owner: Owner, ask: Any) -> None:
        super().__init__(target, work, owner.who)
        self.ask = ask

    def _carry_out(self, step: Step) -> Iterator[Event]:
        if step.backfill is not None:
            yield from self._fill(step, step.backfill)
        elif step.atomic:
            self._commit_with(_ops(step), self._after(step), step)
        else:
            yield from self._run(step)

    def _rows(self, query: str, most: int) -> Sequence[QueryRow]:
        return rows(self.ask, query, most)

    # the history

    def _commit(self, revision: Revision, *, anyway: bool = False) -> None:
        self._commit_with([], revision, anyway=anyway)

    def _commit_with(
        self, ops: list[list[Any]], revision: Revision, step: Step | None = None, *, anyway: bool = False
    ) -> None:
        """Carry out `ops` and write `revision`, both or neither; a finished revert leaves the history."""
        written: dict[str, Any] = (
            {"remove": revision.version} if is_gone(revision) else {"put": plain(revision)}
        )
        try:
            self.ask("commit", anyway=anyway, ops=ops, text=self._mark(step), **written)
        except Rejected as error:
            if step is None:
                raise
            self._refused(step, _statements(step)[error.op], error)
        self.revision = revision

    def _restore(self, before: Revision | None) -> None:
        written: dict[str, Any] = {"put": plain(before)} if before else {"remove": self.migration.version}
        self.ask("commit", anyway=True, ops=[], text=self._mark(None), **written)

    def _mark(self, step: Step | None) -> str:
        return f"{self.migration.label}: {step.summary}" if step else self.migration.label

    def _refused(self, step: Step, statement: Statement, error: Rejected) -> NoReturn:
        raise StepFailed(
            f"{self.migration.label} failed on {self.target}: {statement.text}",
            because=error.what,
            try_="correct the file and apply again; nothing of this step stayed",
            at=Location(self.migration.path, statement.line),
        ) from error

    # steps outside of transactions

    def _run(self, step: Step) -> Iterator[Event]:
        statement = _statements(step)[0]
        if self.revision.in_step:
            probed = self._probe(step, statement)
            yield self._probed(step, probed[1])
            if probed[0]:
                self._commit(self._after(step))
                return
        self._commit(replace(self.revision, in_step=True))
        try:
            self.ask("run", op=statement.op, until=statement.until, text=self._mark(step))
        except (Rejected, Interrupted) as error:
            self._undone()
            if isinstance(error, Rejected):
                self._refused(step, statement, error)
            raise
        self._commit(self._after(step))

    def _probe(self, step: Step, statement: Statement) -> tuple[bool, str]:
        """Return (whether the step took effect, what was found). Raises OutcomeUnknown where nobody can tell."""
        if step.repeatable:
            return False, "it is declared repeatable: it runs again"
        if not statement.is_provable:
            raise OutcomeUnknown(
                f"it is unknown whether step {step.index + 1} of {self.migration.label} took effect",
                because=f"a former run began `{statement.text}` and recorded no result",
                try_=decide(self.migration.version),
                at=Location(self.migration.path, statement.line),
            )
        table = statement.op[1]
        is_there = table in self.ask("tables")["tables"]
        if is_there is (statement.kind == "create"):
            return True, f"table {table} is {'there' if is_there else 'gone'}: it took effect"
        return False, f"table {table} is {'still there' if is_there else 'not there'}: it runs again"

    # backfills

    def _fill(self, step: Step, backfill: Backfill) -> Iterator[Event]:
        statement = _statements(step)[0]
        while True:
            put = plain(replace(self.revision, step=step.index))
            try:
                answer = self.ask(
                    "batch",
                    op=statement.op,
                    column=backfill.key,
                    limit=backfill.batch,
                    put=put,
                    text=self._mark(step),
                )
            except Rejected as error:
                self._refused(step, statement, error)
            if not answer["changed"]:
                break
            self.revision = replace(self.revision, checkpoint=answer["checkpoint"])
            yield WorkProgressed(
                self.target, self.migration.version, answer["done"], answer["total"], "rows", step.summary
            )
        self._commit(self._after(step))


def _statements(step: Step) -> list[Statement]:
    return read(step.body, step.line)


def _ops(step: Step) -> list[list[Any]]:
    return [each.op for each in _statements(step)]
