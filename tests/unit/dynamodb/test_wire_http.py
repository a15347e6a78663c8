"""Reading answers off a real socket, however they are cut into pieces, and whatever is wrong with them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedbed.engines.dynamodb.wire.http import Answer, Broken, Connection, place

Ask = Callable[[Sequence[bytes]], Connection]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """A function that returns a connection to a server that answers with the given pieces, and closes it."""
    opened: list[Connection] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = place(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def serve(pieces: Sequence[bytes]) -> None:
            server, _ = listener.accept()
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with server, suppress(OSError):
                server.recv(65536)
                for piece in pieces:
                    server.sendall(piece)

        def connect(pieces: Sequence[bytes]) -> Connection:
            threading.Thread(target=serve, args=(pieces,), daemon=True).start()
            opened.append(Connection(where, None, connect=10, read=10))
            return opened[-1]

        yield connect
        for each in opened:
            each.close()


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(each, len(data)) for each in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def with_length(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nX-Some: thing: else\r\nCONTENT-LENGTH:  %d \r\n\r\n%b" % (len(body), body)


def in_chunks(body: bytes) -> bytes:
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(each), each) for each in cut(body, [3, 7]))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n%b0\r\nX-Trailer: 1\r\n\r\n" % chunks


def to_the_end(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n\r\n" + body


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=60),
    write=st.sampled_from([with_length, in_chunks, to_the_end]),
    places=st.lists(st.integers(0, 200), max_size=12),
)
def test_an_answer_is_the_same_however_it_is_cut(
    ask: Ask, body: bytes, write: Callable[[bytes], bytes], places: list[int]
) -> None:
    found = ask(cut(write(body), places)).post(b"POST / HTTP/1.1\r\n\r\n", b"")
    assert (found.status, found.body) == (200, body)


def test_headers_are_found_by_their_names_in_lower_case(ask: Ask) -> None:
    found = ask([with_length(b"x")]).post(b"", b"?")
    assert found == Answer(200, {"x-some": "thing: else", "content-length": "1"}, b"x")


@pytest.mark.parametrize(
    ("said", "has_answered"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Le", True),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", True),
        (b"HTTP/1.1 abc\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", True),
        (b"x" * 200_000, True),
    ],
    ids=range(12),
)
def test_what_is_no_answer_breaks_the_connection(ask: Ask, said: bytes, has_answered: bool) -> None:
    connection = ask([said] if said else [])
    with pytest.raises(Broken) as raised:
        connection.post(b"POST / HTTP/1.1\r\n\r\n", b"")
    assert raised.value.was_sent
    assert raised.value.has_answered is has_answered
    assert not connection.is_open
    assert not connection.is_fresh()


def test_a_place_says_its_port_only_where_it_is_not_the_usual_one() -> None:
    assert (
        place("https://dynamodb.eu-central-1.amazonaws.com").authority
        == "dynamodb.eu-central-1.amazonaws.com"
    )
    assert place("https://example.com:443").authority == "example.com"
    assert place("http://127.0.0.1:8000/aws").path == "/aws"
    found = place("http://[::1]:8000")
    assert (found.host, found.port, found.authority) == ("::1", 8000, "[::1]:8000")
