"""Ahead-of-time caches and unpacked archives: made once, whole or not at all, whoever starts or dies meanwhile."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from seedbed.servers import aot_cache, archives, locks, notify
from seedbed.servers.identity import Identity
from seedbed.servers.jars import read
from seedbed.servers.server import Check, Server
from tests.support.processes import until

ME = Identity("same", os.geteuid(), os.getegid())
# What a JVM does that records: it writes the file at its end.
RECORDER = """
import signal, sys, time
from pathlib import Path
def end(*_):
    for each in sys.argv[1:]:
        option, _, path = each.partition("=")
        if option == "-XX:AOTCacheOutput":
            Path(path).write_text("recorded")
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
"""
SILENT = "import time; print('ready', flush=True); time.sleep(600)"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CI", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A `java` that says it is of version 25."""
    path = tmp_path / "java"
    path.write_text("#!/bin/sh\necho 'openjdk version \"25.0.2\"' >&2\n")
    path.chmod(0o755)
    return path


def describe(script: str = RECORDER) -> Callable[[Path, Sequence[str]], Server]:
    def describe(directory: Path, options: Sequence[str]) -> Server:
        return Server(
            name="a recorder",
            directory=directory,
            argv=[sys.executable, "-I", "-c", script, *options],
            environment={},
            identity=ME,
            ready=[Check("file", path=str(directory / "log"), contains="ready")],
            stop=[(signal.SIGTERM, 5)],
            start_seconds=60,
        )

    return describe


def options(
    program: Path, script: str = RECORDER, *, arguments: Sequence[str] = ("-Xmx1g",)
) -> Sequence[str]:
    return aot_cache.options("thing", "Thing 1.0", program, arguments, describe(script), lambda _: None)


def made(cache: Path) -> list[Path]:
    return sorted((cache / "aot").glob("*/*.aot"))


def test_a_cache_is_recorded_once_and_used_from_then_on(program: Path, cache: Path) -> None:
    said: list[str] = []
    with notify.subscribed(said.append):
        first = options(program)
    assert [each.partition(":")[0] for each in said] == [
        "Preparing Thing 1.0 to start twice as fast from now on, once",
        "  Thing 1.0 is prepared",
    ]
    [path] = made(cache)
    assert path.read_text() == "recorded"
    assert first == (f"-XX:AOTCache={path}", "-Xlog:aot*=error")
    with notify.subscribed(said.append):
        assert options(program) == first
    assert len(said) == 2
    assert sorted(each.name for each in (cache / "aot" / "thing").iterdir()) == [".lock", path.name]


def java_home(home: Path, program: Path, build: str, date: float = 1) -> Path:
    """Return the `java` of a runtime in `home`, which is `program` and says that it is `build`."""
    for folder in ("bin", "lib"):
        (home / folder).mkdir(parents=True)
    (home / "release").write_text(build)
    (home / "lib" / "modules").write_text("classes")
    os.utime(home / "lib" / "modules", (date, date))
    return Path(shutil.copy2(program, home / "bin" / "java"))


def test_other_options_or_another_java_have_another_cache_and_the_oldest_go(
    program: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = options(program)
    os.utime(made(cache)[0], (1, 1))
    assert options(program, arguments=("-Xmx2g",)) != first
    assert len(made(cache)) == 2
    monkeypatch.setattr(aot_cache, "LIMIT_BYTES", 2 * len("recorded"))
    program.write_text(program.read_text() + "\n")
    assert options(program) != first
    assert len(made(cache)) == 2
    assert not Path(first[0].partition("=")[2]).exists()


def test_the_same_java_in_another_place_and_of_another_date_uses_the_same_cache(
    program: Path, cache: Path, tmp_path: Path
) -> None:
    first = options(java_home(tmp_path / "one", program, "build 1"))
    assert options(java_home(tmp_path / "two", program, "build 1", date=2)) == first
    assert options(java_home(tmp_path / "three", program, "build 2")) != first
    assert len(made(cache)) == 2


def test_of_two_at_once_one_records_and_the_other_starts_cold(program: Path, cache: Path) -> None:
    (cache / "aot" / "thing").mkdir(parents=True)
    recording = locks.acquire(cache / "aot" / "thing" / ".lock", exclusive=True, seconds=0)
    assert recording is not None
    assert options(program) == ()
    os.close(recording)
    assert options(program) != ()


def test_nothing_is_recorded_on_ci_nor_by_an_older_java(
    program: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "older"
    older.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\"' >&2\n")
    older.chmod(0o755)
    assert options(older) == ()
    monkeypatch.setenv("CI", "true")
    assert options(program) == ()
    assert not (cache / "aot").exists()


def test_one_that_records_nothing_is_not_asked_again(program: Path, cache: Path) -> None:
    said: list[str] = []
    with notify.subscribed(said.append):
        assert options(program, SILENT) == ()
        assert options(program, SILENT) == ()
    assert said[1:] == ["Thing 1.0 starts as it always did: nothing was recorded"]


def test_one_that_recorded_nothing_is_asked_again_after_a_week(program: Path, cache: Path) -> None:
    assert options(program, SILENT) == ()
    [mark] = made(cache)
    assert mark.stat().st_size == 0
    begun = mark.stat().st_mtime - aot_cache.RETRY_SECONDS
    os.utime(mark, (begun + 60, begun + 60))
    assert options(program) == ()
    os.utime(mark, (begun - 60, begun - 60))
    assert options(program) == (f"-XX:AOTCache={mark}", "-Xlog:aot*=error")
    assert mark.read_text() == "recorded"


def test_what_a_killed_one_left_is_removed(program: Path, cache: Path) -> None:
    left = cache / "aot" / "thing" / ".recording-left"
    left.mkdir(parents=True)
    (left / "recorded.aot").write_text("half")
    assert options(program) != ()
    assert not left.exists()


# --- archives


def archive(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return path


def test_what_is_wanted_of_an_archive_is_unpacked(tmp_path: Path) -> None:
    found = archive(tmp_path / "a.zip", {"x/lib/a.jar": "a", "x/docs/b": "b"})
    archives.extract(found, tmp_path / "to", lambda name: name if "/lib/" in name else "")
    assert [str(each.relative_to(tmp_path / "to")) for each in (tmp_path / "to").rglob("*.*")] == [
        "x/lib/a.jar"
    ]


def test_an_archive_that_leads_outside_is_refused(tmp_path: Path) -> None:
    found = archive(tmp_path / "a.zip", {"../outside": "a"})
    with pytest.raises(zipfile.BadZipFile, match=r"a\.zip names \.\./outside, outside of itself"):
        archives.extract(found, tmp_path / "to", str)
    assert not (tmp_path / "outside").exists()


INSTALL = """
import shutil, sys, time
from pathlib import Path
from seedbed.servers import archives, jars
lock = jars.read(Path(sys.argv[1]).read_text())
def fill(artifacts, to):
    shutil.copyfile(artifacts / "one-1.0.jar", to / "half")
    print("filling", flush=True)
    time.sleep(float(sys.argv[2]))
    (to / "half").rename(to / "whole")
print(archives.install(lock, jars.cache(), "thing", fill), flush=True)
"""
PATHS = os.pathsep.join([str(Path(__file__).parents[2] / "src"), *filter(None, sys.path)])


@pytest.fixture
def lock(tmp_path: Path, cache: Path) -> Path:
    """A lock whose one artifact is fetched already."""
    line = f"org.example:one:jar:1.0 1 sha256:{hashlib.sha256(b'1').hexdigest()}"
    path = tmp_path / "lock"
    path.write_text(f"# Example 1.0\n{line}")
    folder = cache / "jars" / f"thing-{read(path.read_text()).digest}"
    folder.mkdir(parents=True)
    (folder / "one-1.0.jar").write_text("1")
    return path


def install(lock: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", INSTALL, str(lock), str(seconds)],
        env={**os.environ, "PYTHONPATH": PATHS},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_an_archive_that_was_half_unpacked_is_unpacked_again(lock: Path, cache: Path) -> None:
    with install(lock, 600) as process:
        assert process.stdout
        assert process.stdout.readline() == "filling\n"
        process.send_signal(signal.SIGKILL)
    assert not list((cache / "servers").glob("thing-*"))
    with install(lock, 0) as process:
        told = process.communicate()[0].splitlines()
    [folder] = (cache / "servers").glob("thing-*")
    assert told == ["filling", str(folder)]
    assert [each.name for each in folder.iterdir()] == ["whole"]
    assert not list((cache / "servers").glob(".thing-*/*"))
    assert not list((cache / "jars").glob("thing-*"))  # what it came in is not kept


def test_of_two_at_once_one_unpacks_and_the_other_waits(lock: Path) -> None:
    processes = [install(lock, 0.3) for _ in range(2)]
    told = [process.communicate()[0].splitlines() for process in processes]
    assert sorted(map(len, told)) == [1, 2]
    assert told[0][-1] == told[1][-1]


def test_a_download_that_takes_long_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seedbed.servers import download, jars

    gate = threading.Event()

    def slow(artifact: download.Artifact, folder: Path) -> Path:
        half = folder / ".fetching-x"
        half.mkdir()
        (half / artifact.filename).write_bytes(b"1" * 2_000_000)
        gate.wait()
        return (half / artifact.filename).replace(folder / artifact.filename)

    said: list[str] = []
    monkeypatch.setattr(download, "fetch", slow)
    monkeypatch.setattr(jars, "SECONDS_BETWEEN_LINES", 0.05)
    lock = read(f"# Example\norg.example:one:jar:1.0 4000000 sha256:{'0' * 64}")
    thread = threading.Thread(
        target=jars.fetch, args=(lock, tmp_path, "example"), kwargs={"emit": said.append}
    )
    thread.start()
    try:
        assert until(lambda: "  Example: 2 of 4 MB" in said)
    finally:
        gate.set()
        thread.join()
