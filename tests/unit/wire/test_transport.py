"""Requests against servers that misbehave, and requests that are stopped, on real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from seedbed.errors import Interrupted, UsageError
from seedbed.wire.answers import Answer
from seedbed.wire.connection import Broken, Untrusted
from seedbed.wire.endpoint import encoded, endpoint
from seedbed.wire.transport import Transport
from tests.support.wire.server import Peer, always, answer, serving

_made: list[Transport] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def transport(url: str, **more: Any) -> Transport:
    """Return a transport that is closed when the test is over."""
    given = {"server": "Nobody", "connect": 60.0, "read": 60.0, "grace": 0.3, **more}
    _made.append(Transport(url, **given))
    return _made[-1]


def get(client: Transport, target: str = "/", **more: Any) -> Answer:
    return client.ask("GET", target, dict, is_write=False, may_repeat=True, **more)


def put(client: Transport, body: bytes = b"{}", *, may_repeat: bool = False, **more: Any) -> Answer:
    return client.ask("PUT", "/", dict, body, is_write=True, may_repeat=may_repeat, **more)


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `work` and return its thread, and a list that will have what it returned or raised."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(work())
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


def wait_for(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def stopped(client: Transport, work: Callable[[], Any], under_way: threading.Event) -> tuple[Any, float]:
    """Return what `work` ends with when it is interrupted once `under_way`, and how many seconds that took."""
    thread, ended = in_thread(work)
    assert under_way.wait(60)
    time.sleep(0.05)
    began = time.monotonic()
    client.interrupt()
    thread.join(60)
    return ended[0], time.monotonic() - began


# what a server may do wrong


def test_a_server_that_hangs_up_half_way_leaves_the_outcome_open() -> None:
    def handle(peer: Peer) -> None:
        peer.request()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")

    with serving(handle) as server, pytest.raises(Broken, match="was closed") as caught:
        put(transport(server.url()))
    assert (caught.value.was_sent, caught.value.has_answered) == (True, True)


def test_a_server_that_answers_garbage_breaks_the_connection() -> None:
    with (
        serving(always(b"\x16\x03\x01 gibberish\r\n\r\n")) as server,
        pytest.raises(Broken, match="not HTTP"),
    ):
        put(transport(server.url()))


def test_a_server_that_never_answers_is_waited_for_so_long_and_no_longer() -> None:
    with serving(Peer.hold) as server:
        client = transport(server.url(), read=60.0)
        with pytest.raises(Broken, match="no answer came in time") as caught:
            put(client, timeout=0.2)
        assert caught.value.was_sent


def test_a_server_that_answers_slowly_is_listened_to() -> None:
    said = answer(b"x" * 40)

    def handle(peer: Peer) -> None:
        while peer.request():
            for each in range(0, len(said), 7):
                peer.say(said[each : each + 7])
                time.sleep(0.02)

    with serving(handle) as server:
        assert get(transport(server.url(), read=0.2)).body == b"x" * 40


@pytest.mark.parametrize(
    "said",
    [answer(b"x" * 9_000), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 999],
)
@pytest.mark.parametrize("begins_with", [3, 100])
def test_an_answer_that_comes_in_drops_is_not_waited_for_for_ever(said: bytes, begins_with: int) -> None:
    def handle(peer: Peer) -> None:
        peer.request()
        peer.say(said[:begins_with])
        for each in said[begins_with:]:
            peer.say(bytes([each]))
            time.sleep(0.02)

    with serving(handle) as server:
        began = time.monotonic()
        with pytest.raises(Broken, match="no answer came in time"):
            get(transport(server.url(), read=0.1))
        assert time.monotonic() - began < 20.0


def test_a_connection_that_was_hurried_waits_for_its_next_answer_as_long_as_ever() -> None:
    def handle(peer: Peer) -> None:
        said = answer(b"x" * 40)
        for pause in (0.05, 0.0):
            peer.request()
            time.sleep(0.15 - 2 * pause)
            for each in range(0, len(said), 20):
                peer.say(said[each : each + 20])
                time.sleep(pause)

    with serving(handle) as server:
        client = transport(server.url(), read=0.2)
        assert [get(client).body for _ in range(2)] == [b"x" * 40] * 2


def test_an_answer_that_is_longer_than_agreed_is_not_read() -> None:
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n" + b"x" * 256 + b"\r\n0\r\n\r\n"
    for said in (huge, chunked, answer(b"x" * 256)):
        with serving(always(said)) as server, pytest.raises(Broken, match="too long"):
            get(transport(server.url(), longest=100))


def test_a_server_that_refuses_a_long_body_before_it_has_it_is_heard() -> None:
    said = answer(b"too much", status=413, headers="Connection: close\r\n")

    def handle(peer: Peer) -> None:
        peer.line.recv(1000)
        peer.say(said)
        time.sleep(0.1)

    with serving(handle) as server:
        client = transport(server.url())
        _, ended = in_thread(lambda: put(client, b"x" * 50_000_000))
        wait_for(lambda: ended)
        # The answer may be lost when the rest of the body meets a closed connection.
        assert getattr(ended[0], "status", 413) == 413
        assert not getattr(ended[0], "was_sent", False)


def test_nobody_there_is_told_before_anything_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Broken, match="refused") as caught:
        put(transport(f"http://127.0.0.1:{port}"))
    assert not caught.value.was_sent


def test_a_name_that_does_not_exist_is_told_before_anything_was_sent() -> None:
    with pytest.raises(Broken, match="no connection") as caught:
        put(transport("http://nowhere.invalid"))
    assert not caught.value.was_sent


def test_an_answer_that_is_not_as_it_was_sent_is_lost() -> None:
    def check(_: Answer) -> None:
        raise ValueError("the answer's checksum is wrong")

    with serving(always(answer())) as server, pytest.raises(Broken, match="checksum"):
        put(transport(server.url(), check=check))


# connections


def test_a_connection_is_used_again_and_again_by_one_thread_each() -> None:
    def handle(peer: Peer) -> None:
        while request := peer.request():
            time.sleep(0.001)
            peer.say(answer(request.split()[1]))

    with serving(handle) as server, ThreadPoolExecutor(8) as pool:
        client = transport(server.url())
        found = list(pool.map(lambda n: get(client, f"/{n}").body, range(400)))
        assert found == [f"/{n}".encode() for n in range(400)]
        assert len(server.lines) <= 8


def test_a_connection_that_was_closed_while_idle_costs_nothing() -> None:
    def handle(peer: Peer) -> None:
        peer.request()
        peer.say(answer(str(peer.number).encode()))
        if peer.number == 1:
            peer.request()  # and hangs up without a word

    with serving(handle) as server:
        client = transport(server.url())
        assert get(client).body == b"1"
        assert put(client, may_repeat=True).body == b"2"
        time.sleep(0.1)  # the second is closed by now, and is seen to be
        assert put(client, may_repeat=False).body == b"3"


def test_a_write_that_a_stale_connection_may_have_taken_is_not_sent_twice() -> None:
    requests: list[bytes] = []

    def handle(peer: Peer) -> None:
        while request := peer.request():
            requests.append(request)
            if len(requests) == 2:
                return
            peer.say(answer())

    with serving(handle) as server:
        client = transport(server.url())
        get(client)
        with pytest.raises(Broken) as caught:
            put(client)
        assert caught.value.was_sent
        assert len(requests) == 2


def test_what_is_to_be_checked_before_a_request_is_checked_before_each() -> None:
    asked: list[int] = []
    with serving(always(answer())) as server:
        client = transport(server.url())

        def before() -> None:
            asked.append(1)
            if len(asked) == 2:
                raise LookupError("the lease is lost")

        put(client, before=before)
        with pytest.raises(LookupError):
            put(client, before=before)
        put(client)


def test_heads_say_what_servers_want_to_know() -> None:
    got: list[bytes] = []

    def handle(peer: Peer) -> None:
        while request := peer.request():
            got.append(request)
            peer.say(answer())

    with serving(handle) as server:
        client = transport(server.url())
        get(client, "/a?b=c")
        put(client, b"")
        put(client, b"{}")
    lines = [set(each.partition(b"\r\n\r\n")[0].split(b"\r\n")) for each in got]
    host = f"Host: 127.0.0.1:{server.port}".encode()
    assert all(host in each and b"User-Agent: seedbed" in each for each in lines)
    assert b"GET /a?b=c HTTP/1.1" in lines[0]
    assert not any(each.startswith(b"Content-Length") for each in lines[0])
    assert b"Content-Length: 0" in lines[1]
    assert b"Content-Length: 2" in lines[2]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n b", "käse"])
def test_a_header_that_would_be_two_is_not_sent(value: str) -> None:
    with serving(always(answer())) as server, pytest.raises(UsageError, match="header"):
        transport(server.url()).ask("GET", "/", lambda: {"X-Some": value}, is_write=False, may_repeat=True)


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX-Evil: 1", "/ä"])
def test_a_path_that_would_be_more_is_not_sent(target: str) -> None:
    with serving(always(answer())) as server, pytest.raises(UsageError, match="path"):
        get(transport(server.url()), target)


def test_a_target_is_encoded_once() -> None:
    assert encoded("/a-b_c.d~/_doc/1,*?q=x:y&z=1") == "/a-b_c.d~/_doc/1,*?q=x:y&z=1"
    assert encoded("/a b/ä%2F?q=%zz<x>") == "/a%20b/%C3%A4%2F?q=%25zz%3Cx%3E"
    assert encoded(encoded("/a b/%")) == encoded("/a b/%")


def test_an_endpoint_says_its_port_only_where_it_is_not_the_usual_one() -> None:
    aws = "dynamodb.eu-central-1.amazonaws.com"
    assert endpoint(f"https://{aws}").authority == aws
    assert endpoint("https://example.com:443").authority == "example.com"
    assert endpoint("http://127.0.0.1:8000/aws").path == "/aws"
    found = endpoint("http://[::1]:8000")
    assert (found.host, found.port, found.authority) == ("::1", 8000, "[::1]:8000")


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> ssl.SSLContext:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    return served


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def test_a_server_that_does_not_prove_who_it_is_gets_no_request(
    secure: ssl.SSLContext, trusted: str, authority: trustme.CA
) -> None:
    got: list[bytes] = []

    def handle(peer: Peer) -> None:
        got.append(peer.request())
        peer.say(answer())

    with serving(handle, tls=secure) as server:
        with pytest.raises(Untrusted, match="certificate verify failed"):
            put(transport(server.url("https")))
        with pytest.raises(Untrusted, match="ostname mismatch"):
            put(transport(server.url("https").replace("127.0.0.1", "localhost"), authorities=trusted))
        assert got == []
        assert put(transport(server.url("https"), authorities=trusted)).body == b"{}"


def test_a_server_that_speaks_no_tls_breaks_the_connection_before_anything_is_sent() -> None:
    def handle(peer: Peer) -> None:
        peer.line.recv(1000)
        peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(handle) as server, pytest.raises(Broken, match="no connection") as caught:
        put(transport(server.url("https")))
    assert not caught.value.was_sent


def test_authorities_that_cannot_be_read_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name, says in (("none.pem", "No such file"), ("ca.pem", "X509")):
        with pytest.raises(OSError, match=says):
            transport("https://127.0.0.1", authorities=str(tmp_path / name))


def test_a_read_over_tls_is_cut_off(secure: ssl.SSLContext, trusted: str) -> None:
    under_way = threading.Event()

    def handle(peer: Peer) -> None:
        peer.request()
        under_way.set()
        peer.hold()

    with serving(handle, tls=secure) as server:
        client = transport(server.url("https"), authorities=trusted)
        found, took = stopped(client, lambda: get(client), under_way)
    assert isinstance(found, Interrupted)
    assert took < 20


# being stopped


def held(server_says: bytes = b"", after: float = 0.0) -> tuple[Callable[[Peer], None], threading.Event]:
    """Return a server that answers a request late or never, and what is set when it has it."""
    under_way = threading.Event()

    def handle(peer: Peer) -> None:
        while peer.request():
            under_way.set()
            if not server_says:
                peer.hold()
            time.sleep(after)
            peer.say(server_says)

    return handle, under_way


def test_a_read_is_cut_off_at_once_and_nothing_goes_out_afterwards() -> None:
    handle, under_way = held()
    with serving(handle) as server:
        client = transport(server.url(), grace=60.0)
        found, took = stopped(client, lambda: get(client), under_way)
        assert isinstance(found, Interrupted)
        assert took < 20
        for again in (get, put):
            with pytest.raises(Interrupted, match="Nobody"):
                again(client)
        with pytest.raises(Interrupted):
            client.sleep(60)


def test_a_write_that_is_answered_within_its_grace_is_done() -> None:
    handle, under_way = held(answer(b"done"), after=0.3)
    with serving(handle) as server:
        client = transport(server.url(), grace=20.0)
        found, _ = stopped(client, lambda: put(client), under_way)
    assert found.body == b"done"


@pytest.mark.parametrize(("may_repeat", "end"), [(False, Broken), (True, Interrupted)])
def test_a_write_that_is_not_answered_within_its_grace_is_open_unless_it_may_be_repeated(
    may_repeat: bool, end: type[Exception]
) -> None:
    handle, under_way = held()
    with serving(handle) as server:
        client = transport(server.url(), grace=0.3)
        found, took = stopped(client, lambda: put(client, may_repeat=may_repeat), under_way)
    assert isinstance(found, end)
    assert 0.2 < took < 20
    assert getattr(found, "was_sent", True)


def test_a_write_of_which_the_server_has_a_part_is_not_open() -> None:
    under_way = threading.Event()

    def handle(peer: Peer) -> None:
        peer.line.recv(1000)
        under_way.set()
        peer.hold()

    with serving(handle) as server:
        client = transport(server.url(), read=60.0, grace=0.2)
        found, took = stopped(client, lambda: put(client, b"x" * 100_000_000), under_way)
    assert isinstance(found, Interrupted)
    assert took < 20


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address where connections are asked for, and neither made nor refused."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        where = listener.getsockname()
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(where)
        time.sleep(0.1)
        yield f"http://127.0.0.1:{where[1]}"


def test_a_connection_that_is_being_made_is_given_up(deaf: str) -> None:
    client, begun = transport(deaf, connect=60.0, grace=60.0), threading.Event()

    def work() -> Answer:
        begun.set()
        return put(client)

    found, took = stopped(client, work, begun)
    assert isinstance(found, Interrupted)
    assert took < 20


def test_a_connection_that_is_not_made_in_time_is_given_up(deaf: str) -> None:
    began = time.monotonic()
    with pytest.raises(Broken, match="no connection") as caught:
        put(transport(deaf, connect=0.3))
    assert not caught.value.was_sent
    assert 0.2 < time.monotonic() - began < 20


def test_a_handshake_that_does_not_end_is_given_up() -> None:
    begun = threading.Event()

    def handle(peer: Peer) -> None:
        peer.line.recv(1)
        begun.set()
        peer.hold()

    with serving(handle) as server:
        client = transport(server.url("https"), connect=60.0, grace=60.0)
        found, took = stopped(client, lambda: put(client), begun)
    assert isinstance(found, Interrupted)
    assert took < 20


def test_four_reads_and_their_threads_are_stopped_by_one_interruption() -> None:
    counted = threading.Semaphore(0)

    def handle(peer: Peer) -> None:
        peer.request()
        counted.release()
        peer.hold()

    with serving(handle) as server:
        client = transport(server.url())
        threads = [in_thread(lambda: get(client)) for _ in range(4)]
        for _ in threads:
            assert counted.acquire(timeout=60)
        client.interrupt()
        client.interrupt()
        for thread, ended in threads:
            thread.join(60)
            assert [type(each) for each in ended] == [Interrupted]
