"""The lease on a DynamoDB target: everything that writes goes through here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.base import Progress
from seedbed.engines.dynamodb.database import translate_errors
from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.store.fenced_writer import FencedWriter
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.engines.kit.errors import foreign
from seedbed.model.history import History, Identity, Revision, RevisionState
from seedbed.model.migration import Phase, Work
from seedbed.model.seed import Dataset, Loaded, OnLoading, ignore_loading


class DynamoLease(FencedWriter):
    """What the core asks of a lease; each part of it is carried out by a module of its own."""

    # history

    def history(self) -> History:
        with translate_errors(self.database, f"reading the history of {self.database.target}"):
            return history.read(self.database)

    def bind(self, identity: Identity) -> None:
        with translate_errors(self.database, f"binding {self.database.target}"):
            try:
                self.commit([history.bind(self.database, identity)])
            except ServiceError as error:
                found = history.read(self.database).identity
                if not error.is_condition or found is None:
                    raise
                if found != identity:
                    raise foreign(self.database.target, found, identity) from None

    def rebind(self, identity: Identity, *, actor: str, because: str) -> None:
        audit = history.audit(self.database, actor, "bind", "", because)
        with translate_errors(self.database, f"binding {self.database.target}"):
            self.commit([history.rebind(self.database, identity), audit])

    def record(self, revision: Revision, *, actor: str, because: str) -> None:
        action = "record " + (
            "applied" if revision.state is RevisionState.APPLIED else f"at step {revision.step}"
        )
        audit = history.audit(self.database, actor, action, revision.version, because)
        with translate_errors(self.database, f"recording {revision.label}"):
            self.commit([history.write(self.database, revision), audit])

    def forget(self, version: str, *, actor: str, because: str) -> None:
        audit = history.audit(self.database, actor, "forget", version, because)
        with translate_errors(self.database, f"forgetting {version}"):
            self.commit([history.forget(self.database, version), audit])

    # what changes the tables

    def deploy_directly(self, gate: Phase) -> Iterator[Progress]:
        from seedbed.engines.dynamodb.running import direct

        with translate_errors(self.database, f"changing the tables of {self.database.target}"):
            yield from direct.deploy(self, gate)

    def apply(self, works: Sequence[Work]) -> Iterator[Progress]:
        from seedbed.engines.dynamodb.running.stepwise import MigrationRun

        stored = self.history()
        for work in works:
            with translate_errors(self.database, f"applying {work.migration.label}"):
                yield from MigrationRun(self, work).events(stored.revision(work.migration.version))

    def load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        from seedbed.engines.dynamodb.seeds.load import load

        return load(self, dataset, on_loading)

    def bulk_load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        from seedbed.engines.dynamodb.seeds.volume import bulk_load

        return bulk_load(self, dataset, on_loading)

    def reset(self) -> str:
        from seedbed.engines.dynamodb.running.reset import reset

        with translate_errors(self.database, f"emptying {self.database.target}"):
            return reset(self)
