"""What is run from the cache: files that are what they were, in directories that only their owner writes to."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.errors import SandboxError
from seedbed.servers import archives, checked, download, jars


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


WANTED = {"a": digest(b"one"), "b": digest(b"two")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cache" / "jars" / "thing"
    path.mkdir(parents=True)
    (path / "a").write_bytes(b"one")
    (path / "b").write_bytes(b"two")
    return path


def read_again(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    real = download.sha256

    def noticed(path: Path) -> str:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(checked, "sha256", noticed)
    return read


def test_files_are_read_once_and_again_when_they_were_touched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_again(monkeypatch)
    assert list(checked.changed(folder, WANTED)) == []
    assert sorted(read) == ["a", "b"]
    assert list(checked.changed(folder, WANTED)) == []
    assert len(read) == 2
    (folder / "b").write_bytes(b"two")
    assert list(checked.changed(folder, WANTED)) == []
    assert read[2:] == ["b"]


def test_a_file_of_the_same_size_and_date_is_found_out(folder: Path) -> None:
    assert list(checked.changed(folder, WANTED)) == []
    before = (folder / "a").stat()
    (folder / "a").write_bytes(b"eno")
    os.utime(folder / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list(checked.changed(folder, WANTED)) == ["a"]
    assert list(checked.changed(folder, WANTED)) == ["a"]  # what is wrong is not remembered as right


def test_a_record_that_says_nothing_is_as_good_as_none(folder: Path) -> None:
    checked.changed(folder, WANTED)
    (folder / "a").write_bytes(b"eno")
    for text in ("", "[]", "{"):
        (folder.parent / ".thing.checked").write_text(text, encoding="utf-8")
        assert list(checked.changed(folder, WANTED)) == ["a"]


def test_what_was_added_changed_or_removed_is_named(folder: Path) -> None:
    checked.require_same(folder, WANTED, "Thing 1.0")
    (folder / "c.jar").write_bytes(b"mine")
    (folder / "a").unlink()
    with pytest.raises(SandboxError, match="is not what was fetched") as caught:
        checked.require_same(folder, WANTED, "Thing 1.0")
    assert caught.value.because.endswith("a, c.jar")
    assert f"rm -r {folder}" in caught.value.try_


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_cache_that_others_may_write_to_is_refused(folder: Path, mode: int, above: int) -> None:
    cache = folder.parents[1]
    checked.require_private(folder, cache)
    [folder, *folder.parents][above].chmod(mode)
    with pytest.raises(SandboxError, match="is not private") as caught:
        checked.require_private(folder, cache)
    assert "chmod go-w" in caught.value.try_


def test_above_the_cache_what_everybody_writes_to_has_to_be_sticky(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(SandboxError, match="is not private"):
        checked.require_private(tmp_path / "cache" / "jars", tmp_path / "cache")
    tmp_path.chmod(0o1777)
    checked.require_private(tmp_path / "cache" / "jars", tmp_path / "cache")


def test_a_directory_of_the_cache_is_made_for_its_owner_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        checked.create(tmp_path / "cache" / "jars" / "thing")
    finally:
        os.umask(before)
    for each in (tmp_path / "cache", tmp_path / "cache" / "jars" / "thing"):
        assert stat.S_IMODE(each.stat().st_mode) == 0o755


@pytest.fixture
def lock() -> jars.Lockfile:
    return jars.read(f"# Thing 1.0\norg.example:one:jar:1.0 3 sha256:{digest(b'one')}")


def fetching(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Have every artifact fetched from nowhere; return what counts how often."""
    fetched: list[str] = []

    def fetch(artifact: download.Artifact, folder: Path) -> Path:
        fetched.append(artifact.name)
        path = folder / artifact.filename
        path.write_bytes(b"one")
        return path

    monkeypatch.setattr(download, "fetch", fetch)
    return lambda: len(fetched)


def test_a_jar_that_was_changed_is_fetched_again_before_it_is_used(
    lock: jars.Lockfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = fetching(monkeypatch)
    path = jars.fetch(lock, tmp_path / "cache", "thing", emit=lambda _: None)
    (path / "one-1.0.jar").write_bytes(b"eno")
    assert jars.fetch(lock, tmp_path / "cache", "thing", emit=lambda _: None) == path
    assert (path / "one-1.0.jar").read_bytes() == b"one"
    assert count() == 2


def test_a_jar_that_is_no_part_of_a_server_is_not_loaded_with_it(
    lock: jars.Lockfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching(monkeypatch)
    path = jars.fetch(lock, tmp_path / "cache", "thing", emit=lambda _: None)
    (path / "agent.jar").write_bytes(b"mine")
    with pytest.raises(SandboxError, match=r"agent\.jar is no part of Thing 1\.0"):
        jars.fetch(lock, tmp_path / "cache", "thing", emit=lambda _: None)


def test_an_unpacked_server_is_compared_with_what_was_unpacked(
    lock: jars.Lockfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = fetching(monkeypatch)

    def install() -> Path:
        def fill(artifacts: Path, to: Path) -> None:
            (to / "lib").mkdir()
            (to / "lib" / "server.jar").write_bytes((artifacts / "one-1.0.jar").read_bytes())

        return archives.install(lock, tmp_path / "cache", "thing", fill, emit=lambda _: None)

    path = install()
    assert install() == path
    (path / "lib" / "server.jar").write_bytes(b"eno")
    with pytest.raises(SandboxError, match=r"Thing 1\.0 in .* is not what was fetched"):
        install()
    for each in (path / "lib").iterdir():
        each.unlink()
    path.joinpath("lib").rmdir()
    path.rmdir()
    assert install() == path
    (path.parent / f".{path.name}.contents").unlink()  # nothing says what it should be: made anew
    (path / "lib" / "more.jar").write_bytes(b"mine")
    assert [each.name for each in (install() / "lib").iterdir()] == ["server.jar"]
    assert count() == 3
    assert json.loads((path.parent / f".{path.name}.contents").read_bytes()) == {
        "lib/server.jar": digest(b"one")
    }
