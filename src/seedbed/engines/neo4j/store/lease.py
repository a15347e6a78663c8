"""The lease on a Neo4j target: everything that writes goes through here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from seedbed.engines.base import Progress
from seedbed.engines.neo4j.store import history
from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
from seedbed.engines.neo4j.wire.client import RunQuery
from seedbed.engines.neo4j.wire.errors import ConnectionLost, CypherError, translate_errors
from seedbed.errors import Interrupted, LeaseLost
from seedbed.model.history import History, Identity, Revision, RevisionState
from seedbed.model.migration import Work
from seedbed.model.seed import Dataset, Loaded, OnLoading, ignore_loading


class Neo4jLease(FencedWriter):
    """What the core asks of a lease; each part of it is carried out by a module of its own."""

    # history

    def history(self) -> History:
        with translate_errors(f"reading the history of {self.graph.target}"):
            try:
                return history.read(self.graph)
            except ConnectionLost as error:
                raise self.unreachable(error) from None

    def bind(self, identity: Identity) -> None:
        with translate_errors(f"binding {self.graph.target}"):
            self.write_record(lambda run: history.bind(run, self.graph, identity))

    def rebind(self, identity: Identity, *, actor: str, because: str) -> None:
        def work(run: RunQuery) -> None:
            history.rebind(run, identity)
            history.audit(run, actor, "bind", "", because)

        with translate_errors(f"binding {self.graph.target}"):
            self.write(work)

    def record(self, revision: Revision, *, actor: str, because: str) -> None:
        action = "record " + (
            "applied" if revision.state is RevisionState.APPLIED else f"at step {revision.step}"
        )

        def work(run: RunQuery) -> None:
            history.write(run, revision)
            history.audit(run, actor, action, revision.version, because)

        with translate_errors(f"recording {revision.label}"):
            self.write_record(work)

    def forget(self, version: str, *, actor: str, because: str) -> None:
        def work(run: RunQuery) -> None:
            history.forget(run, version)
            history.audit(run, actor, "forget", version, because)

        with translate_errors(f"forgetting {version}"):
            self.write_record(work)

    # what changes the graph

    def apply(self, works: Sequence[Work]) -> Iterator[Progress]:
        from seedbed.engines.neo4j.rules.enterprise import require_edition
        from seedbed.engines.neo4j.running.stepwise import StepwiseRun

        require_edition(self.graph.client.edition, works)
        stored = self.history()
        for work in works:
            with translate_errors(f"applying {work.migration.label}"):
                yield from StepwiseRun(self, work).events(stored.revision(work.migration.version))
        if works:
            self._keep_schema()

    def _keep_schema(self) -> None:
        """Save the schema that a run leaves, so that the next one shows what was changed meanwhile."""
        from seedbed.engines.neo4j.store import last_schema

        # All works are done and recorded: where this fails, the next run only knows less.
        with suppress(LeaseLost, Interrupted, CypherError, ConnectionLost):
            last_schema.save(self)

    def load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        from seedbed.engines.neo4j.seeds.load import load

        return load(self, dataset, on_loading)

    def bulk_load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        from seedbed.engines.neo4j.seeds.volume import bulk_load

        return bulk_load(self, dataset, on_loading)

    def reset(self) -> str:
        from seedbed.engines.neo4j.running.reset import reset

        with translate_errors(f"emptying {self.graph.target}"):
            return reset(self)

    def restore(self, file: Path) -> Iterator[Progress]:
        from seedbed.engines.neo4j.dump_restore.restore import restore

        with translate_errors(f"restoring {self.graph.target}"):
            yield from restore(self, file)
