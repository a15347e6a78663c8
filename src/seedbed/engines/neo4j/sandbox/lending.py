"""A graph of the sandbox for an application's tests: nodes and relationships are restored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedbed.engines.neo4j.dump_restore.dump import read
from seedbed.engines.neo4j.dump_restore.restore import Unleased, make_nodes, make_relationships
from seedbed.engines.neo4j.files.names import HISTORY_LABEL
from seedbed.engines.neo4j.session import connect

if TYPE_CHECKING:
    from seedbed.model.target import Target

_EMPTY = f"MATCH (n) WHERE NOT n:{HISTORY_LABEL} DETACH DELETE n"


class KeptGraph:
    """The nodes and relationships that `target` held; `settings` lead there. What tests do to its schema stays."""

    def __init__(self, target: Target, settings: Mapping[str, str]) -> None:
        self._target = target
        self._settings = settings
        with connect(target) as session:
            self._held = read(session.graph)

    @contextmanager
    def fresh(self) -> Iterator[Mapping[str, str]]:
        """Restore nodes and relationships unless they are the same, and yield the settings."""
        with connect(self._target) as session:
            now = read(session.graph)
            if (now.nodes, now.relationships) != (self._held.nodes, self._held.relationships):
                self._restore(Unleased(session.graph))
        yield self._settings

    def _restore(self, writer: Unleased) -> None:
        writer.write(lambda run: run(_EMPTY, None))
        ids: dict[int, str] = {}
        for _ in make_nodes(writer, self._held.nodes, ids):
            pass
        for _ in make_relationships(writer, self._held.relationships, ids):
            pass
