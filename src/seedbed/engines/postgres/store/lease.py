"""The lease on a PostgreSQL target: everything that writes goes through here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from seedbed.engines.base import Progress
from seedbed.engines.kit.touched import SentWrite
from seedbed.engines.postgres.running import transactional
from seedbed.engines.postgres.store import ownership
from seedbed.engines.postgres.store.fenced_writer import FencedWriter
from seedbed.engines.postgres.wire.messages import ServerError, asking, plain, run, translate_errors
from seedbed.errors import LeaseLost, OutcomeUnknown, Refused
from seedbed.model.event import WorkStarted
from seedbed.model.history import History, Identity, Revision, RevisionState
from seedbed.model.migration import Work
from seedbed.model.seed import Dataset, Loaded, OnLoading, Script, ignore_loading


class PostgresLease:
    """Holds the advisory lock of its session; when the session goes, so does the lease."""

    def __init__(self, writer: FencedWriter) -> None:
        self._writer = writer

    @property
    def is_touched(self) -> bool:
        return bool(self._writer.touched)

    def history(self) -> History:
        with translate_errors(f"reading the history of {self._writer.target}"):
            return self._writer.table.read(asking(self._writer.wire))

    def bind(self, identity: Identity) -> None:
        """Make the history and stamp it. Raises Refused where its schema is not ours, or is the login's own."""
        schema = self._writer.address.history_schema
        if plain(self._writer.wire).user == schema:
            raise Refused(
                f"the history's schema {schema} has the name of this login",
                because='with the usual search_path, `"$user", public`, unqualified names would lead into it',
                try_="log in as another role, or name another history_schema in the manifest",
            )
        with translate_errors(f"making the history of {self._writer.target}"):
            self._run(self._writer.table.definition(identity))

    def rebind(self, identity: Identity, *, actor: str, because: str) -> None:
        with translate_errors(f"binding {self._writer.target}"):
            self._run(self._writer.table.rebound(identity, actor, because))

    def _run(self, text: str) -> None:
        """Send `text`, which looks whether the history is ours. Raises Refused where it is not."""
        try:
            run(self._writer.wire, text)
        except ServerError as error:
            schema = self._writer.address.history_schema
            raise ownership.refusal(schema, error.sqlstate, str(error)) or error from None

    def apply(self, works: Sequence[Work]) -> Iterator[Progress]:
        """Carry out `works`; neighbours that fit into a transaction each travel in one message together."""
        unfinished = {each.version: each for each in self.history().unfinished}
        if not all(transactional.is_short(work) for work in works) or unfinished:
            self._writer.require_driver()
        for group in transactional.grouped(works, unfinished):
            first = group[0]
            revision = unfinished.get(first.migration.version)
            if transactional.is_short(first) and revision is None:
                yield from transactional.apply(self._writer, group)
            else:
                yield from self._carry_out(first, revision)

    def _carry_out(self, work: Work, revision: Revision | None) -> Iterator[Progress]:
        steps = work.migration.steps(work.direction)
        yield WorkStarted(
            self._writer.target,
            work.migration.version,
            work.migration.name,
            work.direction.value,
            len(steps),
            resumed=revision is not None,
        )
        from seedbed.engines.postgres.running import backfill, stepwise

        carry_out = backfill.apply if any(step.backfill for step in steps) else stepwise.apply
        with translate_errors(f"applying {work.migration.label}"):
            yield from carry_out(self._writer, work, revision)

    def record(self, revision: Revision, *, actor: str, because: str) -> None:
        action = "record " + (
            "applied" if revision.state is RevisionState.APPLIED else f"at step {revision.step}"
        )
        audit = self._writer.table.audit(actor, action, revision.version, because)
        with translate_errors(f"recording {revision.label}"):
            run(self._writer.wire, f"BEGIN; {self._writer.table.write(revision)}; {audit}; COMMIT")

    def forget(self, version: str, *, actor: str, because: str) -> None:
        audit = self._writer.table.audit(actor, "forget", version, because)
        with translate_errors(f"forgetting {version}"):
            run(self._writer.wire, f"BEGIN; {self._writer.table.forget(version)}; {audit}; COMMIT")

    def load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        from seedbed.engines.postgres.rules.seed_scripts import check_script
        from seedbed.engines.postgres.seeds.load import load
        from seedbed.engines.postgres.wire.driver import own_rows

        connection, schema = self._writer.connection, self._writer.address.history_schema
        check = partial(check_script, kind=dataset.kind, history_schema=schema)
        digest = self._writer.table.digest
        with self._one_transaction() as sent:
            loaded = list(
                load(
                    connection,
                    dataset,
                    on_loading,
                    check=check,
                    history=lambda: str(own_rows(connection, digest)),
                )
            )
            is_known = not any(isinstance(each, Script) for each in dataset.parts)
            if is_known and not any(each.inserted or each.updated for each in loaded):
                sent.undone()
        yield from loaded

    @contextmanager
    def _one_transaction(self) -> Iterator[SentWrite]:
        """Count what happens inside as touching the target, unless it fails: only a lost connection leaves it open."""
        with self._writer.touched.unless(Exception) as sent:
            try:
                yield sent
            except (LeaseLost, OutcomeUnknown):
                sent.stays()
                raise

    def reset(self) -> str:
        from seedbed.engines.postgres.running.reset import reset

        with translate_errors(f"emptying {self._writer.target}"), self._one_transaction():
            return reset(self._writer.connection)
