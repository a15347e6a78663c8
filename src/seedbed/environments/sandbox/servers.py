"""The servers of a sandbox: each engine that is needed runs its own, and creates a database for each id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from seedbed.engines.base import Engine

Settings = dict[str, Mapping[str, str]]


@contextmanager
def running(databases: Sequence[tuple[str, Engine]], home: Path) -> Iterator[Settings]:
    """Run what `databases` (id, engine) need under `home`, and yield the settings of each database by its id.

    Engines start side by side: some take seconds. Raises what the first of them raises, when all have come to an end.
    """
    engines = {engine.name: engine for _, engine in databases}
    ids = {name: [each for each, engine in databases if engine.name == name] for name in engines}
    with ExitStack() as servers, ThreadPoolExecutor(max(1, len(engines)), "sandbox") as threads:
        starting = [threads.submit(_run, engine, ids[name], home) for name, engine in engines.items()]
        failed = []
        found: Settings = {}
        for each in starting:
            try:
                owned, its = each.result()
            except Exception as error:  # noqa: BLE001  raised below: what the others started has to be left first
                failed.append(error)
            else:
                servers.push(owned)
                found |= its
        if failed:
            raise failed[0]
        threads.shutdown()
        yield {database: found[database] for database, _ in databases}


def _run(engine: Engine, databases: Sequence[str], home: Path) -> tuple[ExitStack, Settings]:
    """Return what owns the servers of `engine`, and the settings of its databases."""
    with ExitStack() as owning:
        servers = owning.enter_context(engine.embedded(home))
        found = {each: servers.settings(each) for each in databases}
        return owning.pop_all(), found
