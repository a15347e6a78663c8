"""Clusters that are copied: initdb takes half a second of a processor, and two where others work."""

from __future__ import annotations

import subprocess
from pathlib import Path

from seedbed.engines.postgres.sandbox import embedded, locate
from tests.support.processes import gone, locked


def new_cluster(near: Path) -> Path:
    """Return the data directory of a cluster that nothing was done with, the same for all with the same `near`."""
    with locked(near / "cluster") as path:
        if not path.exists():
            with embedded(near / "first") as server:
                pass
            assert gone(server.data_directory.parent, server.pid)
            _copy(server.data_directory, path.with_suffix(".new"))
            path.with_suffix(".new").rename(path)
    return path


def furnish(home: Path, cluster: Path) -> None:
    """Give the sandbox `home` a copy of `cluster`, where it would make one of its own at its first start."""
    data = locate(home).data_directory
    if data.parent.name == f"postgres-{(cluster / 'PG_VERSION').read_text().strip()}":  # the same programs
        data.parent.mkdir(mode=0o700, parents=True)
        _copy(cluster, data)


def _copy(data: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", str(data), str(to)], check=True)  # with its owner, which need not be us
