"""The hook that makes a copy of the database before a contract step: a command of the platform's own.

Neo4j Community copies a database only when it is stopped, and seedbed does not know the disk or cloud it is on.
So the manifest names a command; what it prints last is what the copy is called, and the history keeps that.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from seedbed.engines.kit.errors import interrupted
from seedbed.errors import Refused
from seedbed.model.secret import Redactor

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget
    from seedbed.model.migration import Migration

_LONGEST = 500  # characters of a name
_LOOK = 0.1  # seconds between two looks whether we were interrupted
_ERROR_LINES = 5  # of its standard error that are shown


def take(command: Sequence[str], graph: GraphTarget, migration: Migration) -> str:
    """Run `command` in the database's directory and return what it calls the copy.

    It is given SEEDBED_DATABASE, SEEDBED_ENVIRONMENT and SEEDBED_MIGRATION besides the environment that seedbed has;
    its arguments contain no secret. Raises Refused where it fails or names nothing, Interrupted.
    """
    code, output, errors = _run(command, graph, migration)
    redact = Redactor(graph.address.secrets)
    if code:
        last = errors.strip().splitlines()[-_ERROR_LINES:]
        raise _failed(
            graph, migration, redact(" / ".join(last)) or f"{command[0]} ended with {code} and no message"
        )
    name = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise _failed(graph, migration, f"{command[0]} has to print the name of the copy as its last line")
    return redact(name)


def _run(command: Sequence[str], graph: GraphTarget, migration: Migration) -> tuple[int, str, str]:
    try:
        process = subprocess.Popen(
            list(command),
            cwd=graph.directory,
            env={**os.environ, **_settings(graph, migration)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # so that all of it can be ended
        )
    except OSError as wrong:
        raise _failed(
            graph, migration, f"{command[0]} cannot be run: {wrong.strerror or type(wrong).__name__}"
        ) from None
    with process:
        while True:
            try:
                output, errors = process.communicate(timeout=_LOOK)
            except subprocess.TimeoutExpired:
                if not graph.client.is_interrupted:
                    continue
                _end(process)
                raise interrupted(f"the snapshot before {migration.label}") from None
            except BaseException:
                _end(process)
                raise
            return process.returncode, output, errors


def _settings(graph: GraphTarget, migration: Migration) -> Mapping[str, str]:
    return {
        "SEEDBED_DATABASE": graph.target,
        "SEEDBED_ENVIRONMENT": graph.environment,
        "SEEDBED_MIGRATION": migration.label,
    }


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(graph: GraphTarget, migration: Migration, because: str) -> Refused:
    return Refused(
        f"there is no snapshot of {graph.target} before {migration.label}",
        because=because,
        try_="fix the command that `snapshot` in the manifest names; nothing of the migration ran",
    )
