"""The driver's own libpq, where it is not what is expected."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from seedbed.engines.postgres.wire import libpq
from seedbed.engines.postgres.wire.libpq import PlainConnection, QueryFailed
from tests.support.wire.server import Peer, serving


def test_a_libpq_that_cannot_be_loaded_leaves_everything_to_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "libpq-1.so.5"
    broken.write_bytes(b"half of it")
    monkeypatch.setattr(libpq, "_path", lambda: broken)
    libpq._library.cache_clear()
    try:
        assert not libpq.is_available()
    finally:
        libpq._library.cache_clear()


def keywords(port: int) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": port, "user": "ana", "dbname": "shop", "sslmode": "disable"}


def message(kind: bytes, body: bytes) -> bytes:
    """Return a message of the server's, as protocol 3.0 has it."""
    return kind + (len(body) + 4).to_bytes(4, "big") + body


LOGGED_IN = message(b"R", b"\0\0\0\0")
READY = message(b"Z", b"I")
WARNING = message(b"N", b"SWARNING\0VWARNING\0C01000\0Mthe collation has changed\0\0")


def test_a_server_that_answers_nothing_to_the_login_is_given_up_in_time() -> None:
    with serving(Peer.hold) as server:
        began = time.monotonic()
        with pytest.raises(QueryFailed, match=r"nothing answered within 0\.2 s"):
            PlainConnection(keywords(server.port), timeout=0.2)
    assert time.monotonic() - began < 30


def test_a_port_where_nobody_listens_is_told_at_once() -> None:
    with serving(Peer.hold) as server:
        port = server.port
    with pytest.raises(QueryFailed, match="refused"):
        PlainConnection(keywords(port), timeout=60)


def test_warnings_at_the_login_are_told_to_whoever_listens_and_not_written_to_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def login(peer: Peer) -> None:
        peer.line.recv(65536)
        peer.say(LOGGED_IN, WARNING, READY)
        peer.hold()

    with serving(login) as server:
        connection = PlainConnection(keywords(server.port), timeout=60)
        said: list[str | None] = []
        connection.on_notice = lambda diagnostic: said.append(diagnostic.message_primary)
        connection.close()
    assert said == ["the collation has changed"]
    assert capfd.readouterr().err == ""


def test_a_connection_that_is_cut_fails_whoever_waits_for_an_answer() -> None:
    def login(peer: Peer) -> None:
        peer.line.recv(65536)
        peer.say(LOGGED_IN, READY)
        peer.hold()

    with serving(login) as server:
        connection = PlainConnection(keywords(server.port), timeout=60)
        threading.Timer(0.1, connection.cut).start()
        began = time.monotonic()
        with pytest.raises(QueryFailed) as caught:
            connection.rows("SELECT 1")
        connection.close()
        connection.cut()  # there is nothing left to cut
    assert caught.value.is_broken
    assert time.monotonic() - began < 30
