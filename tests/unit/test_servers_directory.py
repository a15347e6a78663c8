"""Where a server may live, and as whom it would reach it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.errors import SandboxError
from seedbed.servers import directory
from seedbed.servers.identity import Identity

ME = Identity("same", os.geteuid(), os.getegid())
SOMEBODY = Identity("setuid", 54321, 54321)
SOCKET = "directory/s/socket"

Settle = Callable[..., directory.ServerHome]


def settle(home: Path, identity: Identity = ME, socket: str = SOCKET) -> directory.ServerHome:
    return directory.choose_home(home, name="directory", longest_socket=socket, identity=identity)


def test_a_server_lives_in_its_home_if_it_can(tmp_path: Path) -> None:
    home = tmp_path / "sandbox"
    assert settle(home, socket="") == directory.ServerHome(home, "")
    assert not home.exists()


@pytest.mark.parametrize(("spare", "moves"), [(0, False), (-1, True)])
def test_a_home_is_left_for_the_first_byte_too_many(tmp_path: Path, spare: int, moves: bool) -> None:
    size = directory.SOCKET_PATH_BYTES - spare - len(SOCKET) - 1
    home = Path("/tmp") / ("x" * (size - len("/tmp/")))
    assert len(os.fsencode(home / SOCKET)) == directory.SOCKET_PATH_BYTES - spare
    assert (settle(home).path != home) == moves


def test_the_same_home_moves_to_the_same_place_whatever_tmpdir_says(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path("/tmp") / ("x" * 120)
    first = settle(home)
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    assert settle(home) == first
    assert settle(home.with_name("y" * 120)).path != first.path


def test_a_directory_that_the_server_may_not_pass_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    assert SOMEBODY.blocked_at(closed / "sandbox") == closed
    assert ME.blocked_at(closed / "sandbox") is None
    closed.chmod(0o711)
    assert SOMEBODY.blocked_at(closed / "sandbox") is None


def test_a_way_through_a_link_is_looked_at_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "closed" / "inside").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "closed" / "inside")
    assert SOMEBODY.blocked_at(tmp_path / "link" / "sandbox") is not None


def test_a_room_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = directory.create_in(directory.ServerHome(tmp_path / "sandbox", ""), "directory", ME)
    assert made.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "sandbox" / ".gitignore").read_text() == "*\n"


def test_a_link_in_a_temporary_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir(0o700)
    (tmp_path / "seedbed").symlink_to(tmp_path / "victim")
    with pytest.raises(SandboxError, match="not a private directory"):
        directory.create_in(directory.ServerHome(tmp_path / "seedbed", "because"), "directory", ME)
    assert not list((tmp_path / "victim").iterdir())


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seedbed").mkdir()
    (tmp_path / "seedbed").chmod(0o777)
    with pytest.raises(SandboxError, match="not a private directory"):
        directory.create_in(directory.ServerHome(tmp_path / "seedbed", "because"), "directory", ME)


@pytest.mark.skipif(os.geteuid() != 0, reason="has to be root, to give a directory away")
def test_a_room_of_another_user_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "directory"
    theirs.mkdir()
    os.chown(theirs, 54321, 54321)
    found = settle(tmp_path)
    assert found.path != tmp_path
    assert "belongs to uid 54321" in found.why or "bytes" in found.why
    shutil.rmtree(theirs)
