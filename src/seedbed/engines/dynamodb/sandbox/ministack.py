"""ministack for the sandbox: the AWS APIs that a platform is deployed to, in one process, kept from command to command.

Below the sandbox's home::

    ministack/state     what services hold, one JSON file each: written every few seconds while something changes, and
                        when the last owner leaves
    ministack/s3        objects, each a file, written at once
    ministack/port      "PORT": where it listened last, and will again if the port is free
    ministack/ready     exists while it answers
    ministack/log       since the last start; log.old before that
    ministack/*.lock    who owns it: see `seedbed.servers`
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from seedbed.engines.dynamodb.sandbox.world import ACCOUNT, REGION, World
from seedbed.errors import SandboxError
from seedbed.servers import server as servers
from seedbed.servers.identity import Identity
from seedbed.servers.room import furnished, ourselves, settled

ROOM = "ministack"
SERVING = Path(__file__).with_name("serving.py")


@contextmanager
def ministack(home: Path, *, keeps: bool = True) -> Iterator[World]:
    """Run a ministack in the sandbox `home`, or share the one that runs there. Raises SandboxError.

    It is stopped when its last owner, of whatever process, leaves or dies. What it holds stays, unless whoever
    started it said that it `keeps` nothing, which spares tests the saving.
    """
    _installed()
    room, identity = furnished(home, ROOM), ourselves()
    with servers.running(_server(room, identity, keeps)) as running:
        port = (room / "port").read_text(encoding="ascii")
        yield World(endpoint=f"http://127.0.0.1:{port}", room=room, pid=running.server)


def diagnose(home: Path) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows: (what, what about it). Raises SandboxError."""
    version = _installed()
    found = settled(home, ROOM)
    room = found.path / ROOM
    running = servers.is_running(room)
    rows = [
        ("AWS", f"ministack {version}"),
        ("data", str(room / "state")),
        ("log", str(room / "log")),
        ("running", f"yes, at http://127.0.0.1:{(room / 'port').read_text()}" if running else "no"),
    ]
    return [*rows, ("not in the sandbox", found.why)] if found.why else rows


def _installed() -> str:
    """Return the installed version, without importing it: it is the server's to import. Raises SandboxError."""
    if importlib.util.find_spec("ministack") is None:
        raise SandboxError(
            "there is no AWS to run the sandbox with",
            because="the package ministack is not installed",
            try_='pip install "seedbed[sandbox]"',
        )
    return importlib.metadata.version("ministack")


def _server(room: Path, identity: Identity, keeps: bool) -> servers.Server:
    return servers.Server(
        name="ministack",
        room=room,
        argv=[sys.executable, "-P", str(SERVING), str(room)],  # -P: its neighbours are no top-level modules
        environment=_environment(room, keeps),
        identity=identity,
        ready=[servers.Check("file", path=str(room / "ready"))],
        stop=[(signal.SIGTERM, 60.0)],
        death_signal=signal.SIGTERM,  # it saves what it holds, and goes
        before=lambda: _tidy(room),
    )


def _tidy(room: Path) -> None:
    (room / "ready").unlink(missing_ok=True)
    (room / "tmp").mkdir(exist_ok=True)


def _environment(room: Path, keeps: bool) -> Mapping[str, str]:
    """Return the server's environment: nothing of ours but where programs and packages are.

    Above all no credentials, and no proxy: it has nobody to talk to.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # of whoever has packages elsewhere
        "PYTHONUTF8": "1",
        "HOME": str(room),
        "TMPDIR": str(room / "tmp"),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": str(int(keeps)),
        "STATE_DIR": str(room / "state"),
        "S3_PERSIST": str(int(keeps)),
        "S3_DATA_DIR": str(room / "s3"),
        "DOCKER_HOST": f"unix://{room}/none",  # it would start containers where it finds a daemon
        "SFTP_ENABLED": "0",  # both would listen on every interface
        "IOT_MTLS_ENABLED": "0",
    }
