"""As whom a server runs. Database servers refuse to be root, and root's files are closed to everybody else.

Three ways, in the order in which they are preferred:

  same     as ourselves, when we are an ordinary user
  userns   in a user namespace: the server sees itself as an ordinary user, the kernel sees us, without our privileges.
           It reaches whatever our own user owns, so its data may live in a private home
  setuid   as `nobody`, where namespaces are refused (containers, hardened kernels). Closed directories are closed to it
"""

from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from seedbed.errors import SandboxError

SUPERVISOR = Path(__file__).with_name("supervisor.py")
CHOICE = "SEEDBED_SANDBOX_ROOT"  # tests force one of the two ways with it; people work around a broken kernel
UNPRIVILEGED = ("nobody", "daemon", "bin", "www-data")

IdentityKind = Literal["same", "userns", "setuid"]


@dataclass(frozen=True, slots=True)
class Identity:
    """`uid` and `gid` are how the server sees itself; to the kernel it is them unless `kind` is `userns`."""

    kind: IdentityKind
    uid: int
    gid: int

    @property
    def owner(self) -> int:
        """The uid that the server's files belong to, as the rest of the machine sees it."""
        return os.geteuid() if self.kind == "userns" else self.uid

    def blocked_at(self, path: Path) -> Path | None:
        """Return the first directory on the way to `path` that the server may not pass, or None.

        Looks at permission bits; access control lists are not read. What does not exist yet blocks nobody.
        """
        real = Path(os.path.realpath(path))
        for folder in [*reversed(real.parents), real]:
            try:
                found = folder.stat()
            except FileNotFoundError:
                return None
            except OSError:
                return folder
            if stat.S_ISDIR(found.st_mode) and not self._may(found, 1):
                return folder
        return None

    def reads(self, path: Path) -> bool:
        """Return whether the server may read and execute the file `path`, the way there included."""
        return self.blocked_at(path) is None and self._may(path.stat(), 5)

    def _may(self, found: os.stat_result, bits: int) -> bool:
        setuid = self.kind == "setuid"
        if found.st_uid == self.owner:
            granted = found.st_mode >> 6
        elif found.st_gid in ({self.gid} if setuid else {os.getegid(), *os.getgroups()}):
            granted = found.st_mode >> 3
        else:
            granted = found.st_mode
        return granted & bits == bits

    def give(self, path: Path) -> None:
        """Make `path` the server's own; follows no link."""
        if self.kind == "setuid":
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def to_json(self) -> dict[str, object]:
        """Return what `supervisor.adopt` understands."""
        return asdict(self)


def current_user() -> Identity:
    """Return the identity of a server that may run as ourselves."""
    return Identity("same", os.geteuid(), os.getegid())


def ordinary_user() -> Identity:
    """Return the identity for a server that refuses to be root or nameless. Raises SandboxError."""
    me = current_user()
    forced = os.environ.get(CHOICE, "")
    if forced not in ("", "userns", "setuid"):
        raise SandboxError(f"{CHOICE} is {forced!r}", try_="userns, setuid, or leave it unset")
    if me.uid != 0:
        # A container's arbitrary uid has no entry in /etc/passwd, and initdb refuses that; a namespace lends it one.
        return me if _has_name(me.uid) else _namespace() or me
    if forced != "setuid":
        if namespace := _namespace():
            return namespace
        if forced:
            raise SandboxError(
                f"{CHOICE}=userns, and this kernel refuses user namespaces", try_="leave it unset"
            )
    return Identity("setuid", *_unprivileged())


def _namespace() -> Identity | None:
    """Return the identity inside a user namespace, or None where the kernel refuses one."""
    if not sys.platform.startswith("linux"):
        return None
    identity = Identity("userns", *_unprivileged())
    return identity if _granted(identity) else None


@cache
def _granted(identity: Identity) -> bool:
    # Asked in a process of its own: only a single-threaded one may enter a namespace, and there is no way back.
    command = [sys.executable, "-I", "-S", str(SUPERVISOR), "--probe", json.dumps(identity.to_json())]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd="/")
    return done.returncode == 0


def _unprivileged() -> tuple[int, int]:
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise SandboxError(
        "the server refuses to run as root, and there is no other user to run it as",
        because=f"none of {', '.join(UNPRIVILEGED)} is in /etc/passwd",
        try_="run as an ordinary user",
    )


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
