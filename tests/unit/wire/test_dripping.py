"""A server that says a byte now and then, and never comes to the end of its TLS handshake, has a deadline everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from seedbed.aws import clients, identity
from seedbed.aws.cloud import Cloud
from seedbed.engines.neo4j.address import Address as GraphAddress
from seedbed.engines.neo4j.wire import client as bolt
from seedbed.engines.postgres.address import Address as SqlAddress
from seedbed.engines.postgres.wire import connection
from seedbed.errors import Unreachable
from seedbed.execution.threads import side_by_side
from seedbed.model.secret import Secret
from seedbed.wire.connection import Broken
from seedbed.wire.transport import Transport
from tests.support.wire.server import Peer, serving

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # PostgreSQL documentation, "Message Formats"
RECORD = b"\x16\x03\x03\x40\x00"  # the head of a record of a handshake, of 16 KB


def drip(peer: Peer) -> None:
    """Begin a handshake, and go on with a byte in 50 ms; before it, agree to PostgreSQL's request for one."""
    if peer.line.recv(65536) == SSL_REQUEST:
        peer.say(b"S")
        peer.line.recv(65536)
    peer.say(RECORD)
    while not peer.over.wait(0.05):
        peer.say(b"\x00")


def test_a_handshake_that_comes_in_drops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT", 1)
    monkeypatch.setattr(bolt, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT", 0.5)
    monkeypatch.setattr(clients, "READ_TIMEOUT", 0.5)
    monkeypatch.setattr(identity, "ATTEMPTS", 1)
    with serving(drip) as server:
        sql = SqlAddress("127.0.0.1", server.port, "ana", "shop", Secret("x"), sslmode="require")
        transport = Transport(server.url("https"), server="it", connect=0.5, read=60, grace=60)
        ways: dict[str, Callable[[], object]] = {
            "wire": lambda: transport.ask("GET", "/", dict, is_write=False, may_repeat=True),
            "libpq": lambda: connection.open_plain(sql),
            "psycopg": lambda: connection.open_connection(sql),
            "neo4j": lambda: _opened(GraphAddress(f"bolt+ssc://127.0.0.1:{server.port}")),
            "botocore": lambda: identity.caller(_cloud(server.url("https"))),
        }
        began = time.monotonic()
        found = side_by_side(list(ways.values()))
        took = time.monotonic() - began
    assert {name: type(each) for name, each in zip(ways, found, strict=True)} == {
        "wire": Broken,
        "libpq": Unreachable,
        "psycopg": Unreachable,
        "neo4j": Unreachable,
        "botocore": Unreachable,
    }
    assert took < 30


def _opened(address: GraphAddress) -> None:
    client = bolt.BoltClient(address)
    try:
        client.open()
    finally:
        client.close()


def _cloud(url: str) -> Cloud:
    return Cloud("eu-central-1", "111111111111", url, "", "key", Secret("secret"))
