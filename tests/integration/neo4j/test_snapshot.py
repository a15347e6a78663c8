"""The hook that makes a copy before a contract migration."""

from __future__ import annotations

import fcntl
import sys
import threading
import time
from pathlib import Path

import pytest

from seedbed.errors import Interrupted, Refused
from seedbed.model.migration import Direction, Work
from tests.support.neo4j.graphs import Graph, graph, migration
from tests.support.servers import Settings

TEXT = "// seedbed: phase={phase}\n// migrate:up\nCREATE (:Skill {{slug: 'a'}});\n// migrate:down\nMATCH (s:Skill) DELETE s;\n"
SAYS = """
import os, pathlib
pathlib.Path("seen").write_text(os.environ["SEEDBED_DATABASE"] + " " + os.environ["SEEDBED_ENVIRONMENT"] + " " + os.environ["SEEDBED_MIGRATION"])
print("copying ...")
print("copy-7")
"""
GRANDCHILD = """
import fcntl, time
lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
open("begun", "w")
time.sleep(60)
open("late", "w")
"""


def hooked(settings: Settings, directory: Path, program: str) -> Graph:
    return graph(settings, directory, snapshot=(sys.executable, "-c", program))


def test_the_history_keeps_what_the_copy_is_called(neo4j_settings: Settings, tmp_path: Path) -> None:
    here = hooked(neo4j_settings, tmp_path, SAYS)
    here.apply(TEXT.format(phase="migrate"), "1")
    assert not (tmp_path / "seen").exists()
    here.apply(TEXT.format(phase="contract"), "2")
    assert (tmp_path / "seen").read_text() == "tutor-matching/neo4j dev-test 2_test"
    with here.session() as session:
        assert [each.snapshot for each in session.history().revisions] == ["", "copy-7"]
    (tmp_path / "seen").unlink()
    here.apply(TEXT.format(phase="contract"), "2", Direction.DOWN)
    assert not (tmp_path / "seen").exists()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise SystemExit('no room')", "no room"),
        ("raise SystemExit(3)", "ended with 3"),
        ("print()", "print the name of the copy"),
    ],
)
def test_without_a_copy_nothing_of_the_migration_is_done(
    neo4j_settings: Settings, tmp_path: Path, program: str, words: str
) -> None:
    here = hooked(neo4j_settings, tmp_path, program)
    with pytest.raises(Refused, match=words):
        here.apply(TEXT.format(phase="contract"))
    with here.session() as session:
        assert session.history().revisions == ()
    assert here.ask("MATCH (s:Skill) RETURN s") == []


def test_a_hook_that_is_interrupted_ends_with_all_that_it_started(
    neo4j_settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "grandchild.py").write_text(GRANDCHILD)
    here = hooked(
        neo4j_settings, tmp_path, "import subprocess, sys; subprocess.run([sys.executable, 'grandchild.py'])"
    )
    with here.lease() as lease:

        def stop() -> None:
            while not (tmp_path / "begun").exists():
                time.sleep(0.02)
            lease.graph.client.interrupt()

        threading.Thread(target=stop, daemon=True).start()
        with pytest.raises(Interrupted):
            list(lease.apply([Work(migration(TEXT.format(phase="contract")))]))
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # there when nobody holds it any more
    assert not (tmp_path / "late").exists()
