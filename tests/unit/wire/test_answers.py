"""Reading answers off a real socket, however they are cut into pieces, and whatever is wrong with them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http.client import HTTPResponse
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.wire.answers import Answer, _plain
from seedbed.wire.connection import Broken, Connection, Route
from seedbed.wire.endpoint import endpoint

Ask = Callable[[Sequence[bytes]], Connection]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """A function that returns a connection to a server that answers with the given pieces, and closes it."""
    opened: list[Connection] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        route = Route(endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}"))

        def serve(pieces: Sequence[bytes]) -> None:
            server, _ = listener.accept()
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with server, suppress(OSError):
                server.recv(65536)
                for piece in pieces:
                    server.sendall(piece)

        def connect(pieces: Sequence[bytes]) -> Connection:
            threading.Thread(target=serve, args=(pieces,), daemon=True).start()
            opened.append(Connection(route, connect=10, read=10, longest=1 << 26))
            opened[-1].open()
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


@given(
    body=st.binary(max_size=60),
    write=st.sampled_from([with_length, in_chunks, to_the_end]),
    places=st.lists(st.integers(0, 200), max_size=12),
)
def test_an_answer_is_the_same_however_it_is_cut(
    ask: Ask, body: bytes, write: Callable[[bytes], bytes], places: list[int]
) -> None:
    found = ask(cut(write(body), places)).ask("POST", b"POST / HTTP/1.1\r\n\r\n", b"")
    assert (found.status, found.body) == (200, body)


def test_interim_answers_and_folded_headers_are_understood(ask: Ask) -> None:
    said = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
    folded = b"HTTP/1.1 200 OK\r\nX-Long: one\r\n two\r\nContent-Length: 2\r\n\r\nok"
    found = ask([said + folded]).ask("POST", b"", b"?")
    assert (found.status, found.body) == (200, b"ok")
    assert found.headers["x-long"].split() == ["one", "two"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_what_has_no_body_has_none_whatever_its_length_says(ask: Ask, method: str, status: int) -> None:
    connection = ask([b"HTTP/1.1 %d Whatever\r\nContent-Length: 5\r\n\r\n" % status])
    assert connection.ask(method, b"", b"?").body == b""


@pytest.mark.parametrize("write", [with_length, in_chunks])
def test_what_comes_behind_an_answer_spoils_the_connection(ask: Ask, write: Callable[[bytes], bytes]) -> None:
    connection = ask([write(b"body") + with_length(b"nobody asked")])
    assert connection.ask("POST", b"", b"?").body == b"body"
    assert not connection.is_fresh()


names = st.sampled_from(["Date", "X-Some", "content-type", "Warning", "Connection", "Content-Length"])
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12) | st.sampled_from(
    ["3", "03", "3 ", "close", "keep-alive"]
)


@given(
    status=st.sampled_from([200, 201, 400, 404, 500, 503]),
    headers=st.lists(st.tuples(names, st.sampled_from([":", ": ", ":  "]), values), max_size=6),
)
def test_what_is_read_by_hand_is_what_the_standard_library_reads(
    status: int, headers: list[tuple[str, str, str]]
) -> None:
    lines = "".join(f"{name}{colon}{value}\r\n" for name, colon, value in headers)
    said = f"HTTP/1.1 {status} Whatever\r\n{lines}\r\nabc".encode()
    found = _plain(said.partition(b"\r\n\r\n")[0])
    if found is None:
        return
    theirs = HTTPResponse(Source(said))  # type: ignore[arg-type]  # of a socket, it wants makefile alone
    theirs.begin()
    assert found[0] == theirs.status
    assert found[1] == {name.lower(): value.strip() for name, value in theirs.headers.items()}
    assert found[2] == theirs.length


class Source:
    """Stands for a socket."""

    def __init__(self, data: bytes) -> None:
        self.makefile = lambda _mode: BytesIO(data)


def test_headers_are_found_by_their_names_in_lower_case(ask: Ask) -> None:
    found = ask([with_length(b"x")]).ask("POST", b"", b"?")
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
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", True),
        (b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"x" * 200_000), True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n" % (b"1" * 90_000), True),
        (b"x" * 200_000, True),
    ],
    ids=range(15),
)
def test_what_is_no_answer_breaks_the_connection(ask: Ask, said: bytes, has_answered: bool) -> None:
    connection = ask([said] if said else [])
    with pytest.raises(Broken) as raised:
        connection.ask("POST", b"POST / HTTP/1.1\r\n\r\n", b"")
    assert raised.value.was_sent
    assert raised.value.has_answered is has_answered
    assert not connection.is_open
    assert not connection.is_fresh()
