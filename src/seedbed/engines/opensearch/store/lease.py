"""The lease on an OpenSearch target: every write goes through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from seedbed.engines.base import Progress
from seedbed.engines.kit.errors import foreign
from seedbed.engines.opensearch.cluster import translate_errors
from seedbed.engines.opensearch.running import tasks
from seedbed.engines.opensearch.store import history
from seedbed.engines.opensearch.store.fenced_writer import FencedWriter
from seedbed.model.event import TakenOver
from seedbed.model.history import History, Identity, Revision, RevisionState
from seedbed.model.migration import Work
from seedbed.model.seed import Dataset, Loaded, OnLoading, ignore_loading


class OpenSearchLease(FencedWriter):
    """The lease that the core uses; each operation has a module of its own."""

    # history

    def history(self) -> History:
        with translate_errors(self.cluster, f"reading the history of {self.cluster.target}"):
            return history.read(self.cluster)

    def bind(self, identity: Identity) -> None:
        with translate_errors(self.cluster, f"binding {self.cluster.target}"):
            found = self.ledger.stored.identity
            if found is not None and found != identity:
                raise foreign(self.cluster.target, found, identity)
            if found is None:
                self.check()
                self.ledger.commit({}, **history.bound(identity))

    def rebind(self, identity: Identity, *, actor: str, because: str) -> None:
        with translate_errors(self.cluster, f"binding {self.cluster.target}"):
            self.check()
            self.ledger.commit(history.audit(actor, "bind", "", because), **history.bound(identity))

    def record(self, revision: Revision, *, actor: str, because: str) -> None:
        action = "record " + (
            "applied" if revision.state is RevisionState.APPLIED else f"at step {revision.step}"
        )
        audit = history.audit(actor, action, revision.version, because)
        with translate_errors(self.cluster, f"recording {revision.label}"):
            self.write({**history.document(revision), **audit})

    def forget(self, version: str, *, actor: str, because: str) -> None:
        audit = history.audit(actor, "forget", version, because)
        with translate_errors(self.cluster, f"forgetting {version}"):
            self.write({**history.gone(version), **audit})

    # changes to indexes

    def apply(self, works: Sequence[Work]) -> Iterator[Progress]:
        from seedbed.engines.opensearch.running.stepwise import MigrationRun

        if self.cluster.is_sandbox:
            from seedbed.engines.opensearch.rules.sandbox import require_vectors

            require_vectors(self.cluster.declared(), works)
        if works:
            yield from self._end_left_over({each.migration.version for each in works})
        stored = self.history()
        for work in works:
            with translate_errors(self.cluster, f"applying {work.migration.label}"):
                yield from MigrationRun(self, work).events(stored.revision(work.migration.version))

    def _end_left_over(self, versions: AbstractSet[str], *, cancelled: bool = False) -> Iterator[Progress]:
        """Wait for the tasks of former runs that work on other versions than `versions`, yielding an event for each.

        The step of a version follows its own. `cancelled`: cancel the tasks first.
        """
        client = self.cluster.client
        for task, version in tasks.running(client, self.cluster.target).items():
            if version in versions:
                continue
            if cancelled:
                tasks.cancel(client, task)
            message = f"waiting for task {task} of {version}, which a former run left"
            yield TakenOver(self.cluster.target, message)
            for _ in tasks.follow(client, task, self.check):
                pass

    def load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        from seedbed.engines.opensearch.seeds.load import load

        with translate_errors(self.cluster, f"loading seeds into {self.cluster.target}"):
            if dataset.parts:
                self.confirm()
            yield from load(self, dataset, on_loading)

    def bulk_load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        from seedbed.engines.opensearch.seeds.volume import bulk_load

        with translate_errors(self.cluster, f"loading volume into {self.cluster.target}"):
            if dataset.parts:
                self.confirm()
            yield from bulk_load(self, dataset, on_loading)

    def reset(self) -> str:
        from seedbed.engines.opensearch.running.reset import reset

        with translate_errors(self.cluster, f"emptying {self.cluster.target}"):
            self.confirm()
            for _ in self._end_left_over(frozenset(), cancelled=True):
                pass  # a task that is still running would write again after the reset
            return reset(self)
