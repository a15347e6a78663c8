"""The directory of a server: in the project's sandbox, or in a private temporary one when it could not live there."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from seedbed.errors import SandboxError
from seedbed.servers.identity import Identity, current_user

SOCKET_PATH_BYTES = 107 if sys.platform.startswith("linux") else 103  # sun_path without its final NUL


@dataclass(frozen=True, slots=True)
class ServerHome:
    """A directory for servers; `why` it is not the home that was asked for, "" when it is."""

    path: Path
    why: str


def choose_home(home: Path, *, name: str, longest_socket: str, identity: Identity) -> ServerHome:
    """Return where a server with the directory `name` has to live: `home`, or a private temporary directory.

    `longest_socket` is the path of its socket below home, "" for a server without one. Nothing is left behind on the
    disk, and the same home always has the same one: the temporary directory is named by a hash of home.
    """
    home = Path(os.path.abspath(home))
    why = _objection(home, name, longest_socket, identity)
    if not why:
        return ServerHome(home, "")
    # /tmp first: TMPDIR changes with the shell, and the data would be lost sight of.
    # Being everybody's is provided for: see `create_private`.
    folders = [Path("/tmp"), Path(tempfile.gettempdir()), Path("/var/tmp")]  # noqa: S108  see above
    digest = hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:12]
    for folder in folders:
        candidate = folder / f"seedbed-{os.geteuid()}-{digest}"
        if not _objection(candidate, name, longest_socket, identity):
            return ServerHome(candidate, why)
    raise SandboxError(
        f"there is no place for a server: neither {home} nor a temporary directory",
        because=why,
        try_="a shorter path for the project, or a /tmp that can be written",
    )


def home_for(home: Path, name: str) -> ServerHome:
    """Return where a server that runs as ourselves and has the directory `name` lives or would live; makes nothing."""
    return choose_home(home, name=name, longest_socket="", identity=current_user())


def create(home: Path, name: str) -> Path:
    """Return the directory `name` of a server that runs as ourselves, created. Raises SandboxError."""
    return create_in(home_for(home, name), name, current_user())


def name_for(database: str) -> str:
    """Return the directory's name for a database id whose server is its alone: "ai/search" -> "ai.search"."""
    return "".join(each if each.isalnum() or each in "-_" else "." for each in database)


def create_in(home: ServerHome, name: str, identity: Identity) -> Path:
    """Create `home` and the directory `name` of a server in it, and return that. Raises SandboxError.

    What exists must be a directory of ours that nobody else can write to: /tmp is everybody's.
    """
    # A server with another uid passes through on the way to what is its own.
    mode = 0o711 if identity.kind == "setuid" else 0o700
    try:
        if home.why:
            create_private(home.path, mode)
        elif not home.path.is_dir():
            home.path.mkdir(parents=True, exist_ok=True)
            # Data directories do not belong into a repository, whatever its own .gitignore says.
            (home.path / ".gitignore").write_text("*\n", encoding="ascii")
        create_private(home.path / name, mode)
    except OSError as error:
        raise SandboxError(f"cannot create {home.path / name}", because=str(error)) from error
    return home.path / name


def create_private(path: Path, mode: int) -> None:
    try:
        path.mkdir(mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise SandboxError(
                f"{path} is not a private directory of ours",
                because=f"it has mode {stat.filemode(found.st_mode)} and belongs to uid {found.st_uid}",
                try_=f"look at it, and remove it: ls -ld {path}",
            ) from None
    if stat.S_IMODE(path.lstat().st_mode) != mode:
        path.chmod(mode)  # umask, or another identity than last time


def _objection(home: Path, name: str, longest_socket: str, identity: Identity) -> str:
    """Return why a server with the directory `name` cannot live in `home`, "" if it can."""
    size = len(os.fsencode(home / longest_socket))
    if longest_socket and size > SOCKET_PATH_BYTES:
        return f"its socket's path would have {size} bytes, {SOCKET_PATH_BYTES} is the most"
    if blocked := identity.blocked_at(home):
        return f"uid {identity.owner}, which the server runs as, may not pass {blocked}"
    if (home / name).is_dir():
        owner = (home / name).lstat().st_uid
        return "" if owner == os.geteuid() else f"{home / name} belongs to uid {owner}"
    existing = next(folder for folder in [home, *home.parents] if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return f"{existing} is not a directory that we can write to"
    return _refuses_servers(existing)


def _refuses_servers(folder: Path) -> str:
    """Return what `folder`'s file system lacks (shared folders of virtual machines lack both), "" if nothing."""
    try:
        probe = Path(tempfile.mkdtemp(dir=folder, prefix=".seedbed-"))
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror}"
    try:
        if stat.S_IMODE(probe.stat().st_mode) != 0o700 or probe.stat().st_uid != os.geteuid():
            return f"the file system of {folder} does not keep permissions"
        return _refuses_sockets(probe, folder)
    finally:
        probe.rmdir()


def _refuses_sockets(probe: Path, folder: Path) -> str:
    name = probe / "s"
    if len(os.fsencode(name)) > SOCKET_PATH_BYTES:
        return ""  # cannot be asked here; a server with a socket has been refused for its length by now
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(os.fspath(name))
        except OSError as error:
            return f"the file system of {folder} does not keep sockets: {error.strerror}"
    name.unlink()
    return ""
