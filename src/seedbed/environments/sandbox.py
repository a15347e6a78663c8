"""Facts of the sandbox: each engine that is needed runs its embedded server, and makes a database for each id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from seedbed.engines.base import Engine


@contextmanager
def facts(databases: Sequence[tuple[str, Engine]], home: Path) -> Iterator[dict[str, Mapping[str, str]]]:
    """Run what `databases` (id, engine) need under `home`, and yield the facts of each database by its id."""
    with ExitStack() as servers:
        running = {}
        for engine in {engine.name: engine for _, engine in databases}.values():
            running[engine.name] = servers.enter_context(engine.embedded(home))
        yield {database: running[engine.name].facts(database) for database, engine in databases}
