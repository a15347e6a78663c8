"""A directory that a command works in goes with it, or with the next command of the same user."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import seedbed
from seedbed.execution.stopping import Stop
from seedbed.files.scratch import scratch
from seedbed.project.releasing import children
from seedbed.project.rules import declared
from tests.support.postgres.wire import wait_until

PREFIX = "seedbed-of-a-test-"
SRC = Path(seedbed.__file__).parent
WORKS = f"""
import subprocess, sys
from seedbed.files.scratch import scratch
with scratch({PREFIX!r}) as room:
    (room.directory / "file").write_text("some")
    helper = [sys.executable, "-c", "print('there', flush=True); import time; time.sleep(300)"]
    subprocess.run(helper, pass_fds=[room.lock] if "{{}}" == "helped" else [], stdin=subprocess.PIPE)
"""


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@contextmanager
def working(how: str = "alone") -> Iterator[subprocess.Popen[str]]:
    """Yield a command that works in a directory, with a child that outlives it."""
    argv = [sys.executable, "-c", WORKS.format(how)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def left(room: Path) -> int:
    return len(list(room.glob(f"{PREFIX}*")))


def test_it_is_there_for_its_command_alone_and_goes_with_it(room: Path) -> None:
    with scratch(PREFIX) as made:
        (made.directory / "file").write_text("some")
        assert (made.directory.stat().st_mode & 0o777, left(room)) == (0o700, 1)
    assert left(room) == 0


def test_what_a_killed_command_left_goes_with_the_next_one_and_what_another_works_in_stays(
    room: Path,
) -> None:
    with working() as one, working():
        assert left(room) == 2
        one.kill()
        one.wait()
        with scratch(PREFIX):
            assert left(room) == 2
        assert left(room) == 1


def test_what_a_child_of_a_killed_command_still_works_in_stays(room: Path) -> None:
    with working("helped") as one:
        one.kill()
        one.wait()
        with scratch(PREFIX):
            assert left(room) == 2
    wait_until(lambda: not left_by_another(room), "its child is gone, too")


def left_by_another(room: Path) -> int:
    with scratch(PREFIX):
        return left(room) - 1


def test_what_is_of_others_or_no_directory_of_a_command_stays(
    room: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").write_text("some")
    (room / f"{PREFIX}link").symlink_to(elsewhere)
    (room / f"{PREFIX}file").write_text("some")
    (room / f"{PREFIX}directory").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("os.geteuid", lambda: os.getuid() + 1)
        with scratch(PREFIX):
            assert left(room) == 4
    with scratch(PREFIX):
        assert sorted(each.name for each in elsewhere.iterdir()) == ["file"]
    assert sorted(each.name for each in room.iterdir()) == [f"{PREFIX}file", f"{PREFIX}link"]


def test_a_command_of_a_release_holds_the_lock_on_the_bundle_too() -> None:
    asked = "import os, sys; os.fstat(int(sys.argv[1]))"
    with scratch(PREFIX) as made:
        for locks, code in (((made.lock,), 0), ((), 1)):
            argv = [sys.executable, "-c", asked, str(made.lock)]
            ended = children.run(argv, stop=Stop(), environ={}, keep=True, locks=locks)
            assert ended.code == code, locks


def test_whatever_works_in_the_directory_for_temporary_files_leaves_nothing_there_when_it_is_killed() -> None:
    made = re.compile(r"tempfile\.(?:mkdtemp|mkstemp|TemporaryDirectory|NamedTemporaryFile)\((?![^)]*\bdir=)")
    found = {str(each.relative_to(SRC)) for each in SRC.rglob("*.py") if made.search(each.read_text())}
    assert {each for each in found if not each.startswith("testing/")} == {"files/scratch.py"}


def test_what_a_killed_look_at_rules_left_goes_with_the_next(room: Path) -> None:
    (room / "seedbed.rules-left").mkdir()
    declared(b'[platform]\nname = "shop"\n[environments.prod]\n', "prod")
    assert list(room.iterdir()) == []
