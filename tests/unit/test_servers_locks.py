"""Locks as ownership."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from seedbed.servers import locks


def test_owners_share_and_the_last_one_leaves_it_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.holding(path, exclusive=False, seconds=0), locks.holding(path, exclusive=False, seconds=0):
        assert locks.acquire(path, exclusive=True, seconds=0) is None
    with locks.holding(path, exclusive=True, seconds=0):
        assert locks.is_held(path)
    assert not locks.is_held(path)


def test_waiting_for_a_lock_ends_in_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.holding(path, exclusive=True, seconds=0):
        before = time.monotonic()
        with pytest.raises(TimeoutError, match="lock"), locks.holding(path, exclusive=False, seconds=0.1):
            pass
        assert 0.1 <= time.monotonic() - before < 30


def test_asking_about_a_lock_creates_none(tmp_path: Path) -> None:
    assert not locks.is_held(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_a_lock_is_never_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"):
        locks.acquire(tmp_path / "lock", exclusive=True, seconds=0)
    assert not (tmp_path / "elsewhere").exists()


def test_who_has_a_file_open_is_found(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = locks.acquire(path, exclusive=True, seconds=0)
    assert descriptor is not None
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    os.close(descriptor)
    assert locks.holders(path) == {child}
    assert locks.is_held(path)
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert not locks.is_held(path)
