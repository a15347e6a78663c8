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
from seedbed.servers.directory import create, home_for
from seedbed.servers.identity import Identity, current_user
from seedbed.support.extras import install_line

DIRECTORY = "ministack"
SERVING = Path(__file__).with_name("serving.py")


@contextmanager
def ministack(home: Path, *, keeps: bool = True) -> Iterator[World]:
    """Run a ministack in the sandbox `home`, or share the one that runs there. Raises SandboxError.

    It is stopped when its last owner, of whatever process, leaves or dies. What it holds stays, unless whoever
    started it said that it `keeps` nothing, which spares tests the saving.
    """
    _installed()
    directory, identity = create(home, DIRECTORY), current_user()
    with servers.running(_server(directory, identity, keeps)) as running:
        port = (directory / "port").read_text(encoding="ascii")
        yield World(endpoint=f"http://127.0.0.1:{port}", directory=directory, pid=running.server)


def diagnose(home: Path) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows: (what, what about it). Raises SandboxError."""
    version = _installed()
    found = home_for(home, DIRECTORY)
    directory = found.path / DIRECTORY
    running = servers.is_running(directory)
    rows = [
        ("AWS", f"ministack {version}"),
        ("data", str(directory / "state")),
        ("log", str(directory / "log")),
        ("running", f"yes, at http://127.0.0.1:{(directory / 'port').read_text()}" if running else "no"),
    ]
    return [*rows, ("not in the sandbox", found.why)] if found.why else rows


def _installed() -> str:
    """Return the installed version, without importing it: it is the server's to import. Raises SandboxError."""
    if importlib.util.find_spec("ministack") is None:
        raise SandboxError(
            "the sandbox's AWS APIs are not installed",
            because="the package ministack is not installed",
            try_=install_line("sandbox"),
        )
    return importlib.metadata.version("ministack")


def _server(directory: Path, identity: Identity, keeps: bool) -> servers.Server:
    return servers.Server(
        name="ministack",
        directory=directory,
        argv=[
            sys.executable,
            "-P",
            str(SERVING),
            str(directory),
        ],  # -P: its neighbours are no top-level modules
        environment=_environment(directory, keeps),
        identity=identity,
        ready=[servers.Check("file", path=str(directory / "ready"))],
        stop=[(signal.SIGTERM, 60.0)],
        death_signal=signal.SIGTERM,  # it saves what it holds, and goes
        before=lambda: _tidy(directory),
    )


def _tidy(directory: Path) -> None:
    (directory / "ready").unlink(missing_ok=True)
    (directory / "tmp").mkdir(exist_ok=True)


def _environment(directory: Path, keeps: bool) -> Mapping[str, str]:
    """Return the server's environment: nothing of ours but where programs and packages are.

    Above all no credentials, and no proxy: it has nobody to talk to.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # of whoever has packages elsewhere
        "PYTHONUTF8": "1",
        "HOME": str(directory),
        "TMPDIR": str(directory / "tmp"),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": str(int(keeps)),
        "STATE_DIR": str(directory / "state"),
        "S3_PERSIST": str(int(keeps)),
        "S3_DATA_DIR": str(directory / "s3"),
        "DOCKER_HOST": f"unix://{directory}/none",  # it would start containers where it finds a daemon
        "SFTP_ENABLED": "0",  # both would listen on every interface
        "IOT_MTLS_ENABLED": "0",
    }
