"""The client: what it sends again, what it must not, and how it is stopped."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Denied, ExpiredCredentials
from seedbed.engines.kit.touched import Touched
from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.rest import ndjson, path, query
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed
from seedbed.errors import AccessRefused, Interrupted, LeaseLost, SeedbedError, StepFailed, Unreachable
from seedbed.model.secret import Secret
from seedbed.wire.signing import Keys, Signer

HANG_UP = 0  # in a script: the connection ends without an answer
HANG = -1  # nothing comes, for longer than any test lasts


class Server(ThreadingHTTPServer):
    """Answers what its script says, one status after the other; 200 when that is over."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.script: list[int] = []
        self.says: dict[str, str] = {}
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.hangs = threading.Event()
        self.over = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients hang up here."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.got.append((self.command, self.path, dict(self.headers), body))
        status = self.server.script.pop(0) if self.server.script else 200
        if status == HANG:
            self.server.hangs.set()
            self.server.over.wait(30)
        if status <= 0:
            self.close_connection = True
            return
        text = json.dumps(
            {} if status == 200 else {"error": {"type": "x_exception", "reason": "no"}}
        ).encode()
        self.send_response_only(status)
        for name, value in self.server.says.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _answer


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        made.over.set()
        made.shutdown()


def address(server: Server, **more: Any) -> Address:
    return Address(f"http://127.0.0.1:{server.server_address[1]}", **more)


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(address(server), max_attempts=3, connect_timeout=2, read_timeout=5) as made:
        yield made


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_the_cluster_was_too_busy_for_is_sent_again(client: Client, server: Server, method: str) -> None:
    server.script = [429, 429]
    assert client.call(method, "/a") == {}
    assert len(server.got) == 3


@pytest.mark.parametrize("status", [502, 503, 504, HANG_UP])
def test_what_may_have_been_done_is_sent_again_only_where_that_is_harmless(
    client: Client, server: Server, status: int
) -> None:
    server.script = [status]
    assert client.call("GET", "/a") == {}
    server.script = [status]
    assert client.call("PUT", "/a", {}, idempotent=True) == {}
    server.script, server.got = [status], []
    with pytest.raises((NoAnswer, RequestFailed)) as caught:
        client.call("PUT", "/a", {})
    assert len(server.got) == 1
    assert isinstance(caught.value, NoAnswer) is (status == HANG_UP)


def test_what_is_refused_is_not_sent_again(client: Client, server: Server) -> None:
    server.script = [400]
    with pytest.raises(RequestFailed, match="x_exception") as caught:
        client.call("GET", "/a")
    assert (caught.value.status, caught.value.reason, len(server.got)) == (400, "no", 1)


@pytest.mark.parametrize(
    ("status", "is_touched"),
    [(200, True), (400, False), (403, False), (429, False), (500, True), (HANG_UP, True)],
)
def test_a_write_counts_unless_it_was_refused(
    client: Client, server: Server, status: int, is_touched: bool
) -> None:
    server.script = [status] * 5
    client.touched = Touched()
    with suppress(SeedbedError):
        client.call("PUT", "/a/_doc/1", {}, idempotent=True)
    assert bool(client.touched) is is_touched


@pytest.mark.parametrize(
    ("method", "where", "counts"),
    [
        ("GET", "/a/_doc/1", False),
        ("POST", "/a/_search", False),
        ("POST", "/a/_refresh", False),
        ("PUT", "/migrations_history/_doc/state", False),
        ("POST", "/migrations_history_lease_1_0/_rollover/a", True),
        ("POST", "/_aliases", True),
        ("PUT", "/a", True),
        ("DELETE", "/a", True),
    ],
)
def test_looks_and_records_of_our_own_do_not_count(
    client: Client, method: str, where: str, counts: bool
) -> None:
    client.touched = Touched()
    client.call(method, where)
    assert bool(client.touched) is counts


def test_throttling_that_does_not_end_is_called_throttling(client: Client, server: Server) -> None:
    server.script = [429] * 3
    with pytest.raises(RequestFailed) as caught:
        client.call("PUT", "/a", {})
    assert caught.value.what == "OpenSearch throttles PUT /a, however often it is tried again"
    assert caught.value.try_


def test_nobody_there_is_unreachable_and_names_the_endpoint() -> None:
    with (
        Client(Address("http://127.0.0.1:9"), max_attempts=2) as client,
        pytest.raises(Unreachable, match=":9"),
    ):
        client.call("PUT", "/a", {})


def test_a_login_that_is_not_known_is_refused_and_shows_no_password(server: Server) -> None:
    server.script = [401]
    where = address(server, auth="basic", user="ana", password=Secret("very secret"))
    with Client(where) as client, pytest.raises(AccessRefused) as caught:
        client.call("GET", "/a")
    assert server.got[0][2]["Authorization"].startswith("Basic ")
    assert "very secret" not in f"{caught.value!r} {caught.value}"


def test_a_read_is_cut_off_by_an_interruption(client: Client, server: Server) -> None:
    self_made: list[BaseException] = []
    server.script = [HANG]

    def read() -> None:
        try:
            client.call("GET", "/a")
        except Interrupted as error:
            self_made.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert server.hangs.wait(60)
    client.interrupt()
    reader.join(60)
    assert len(self_made) == 1
    with pytest.raises(Interrupted):
        client.call("PUT", "/a", {})
    with pytest.raises(Interrupted):
        client.sleep(60)


def test_a_write_that_is_under_way_is_cut_off_later_and_its_outcome_is_open(
    client: Client, server: Server
) -> None:
    found: list[BaseException] = []
    server.script = [HANG]

    def write() -> None:
        try:
            client.call("PUT", "/a", {})
        except NoAnswer as error:
            found.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    assert server.hangs.wait(60)
    client.interrupt()
    writer.join(60)
    assert len(found) == 1


def test_a_shelter_is_not_reached_by_an_interruption(client: Client) -> None:
    client.interrupt()
    with client.sheltered() as shelter:
        assert shelter.call("GET", "/a") == {}


def test_before_is_asked_before_every_attempt_and_may_refuse(client: Client, server: Server) -> None:
    asked: list[int] = []

    def before() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise LeaseLost("gone")

    server.script = [429, 429]
    with pytest.raises(LeaseLost):
        client.call("PUT", "/a", {}, before=before)
    assert (len(asked), len(server.got)) == (2, 1)


def test_bodies_go_out_as_what_they_are(client: Client, server: Server) -> None:
    client.call("PUT", "/a", {"n": 1}, opaque_id="mine")
    client.call("POST", "/_bulk", ndjson([{"index": {}}, {"n": 1}]))
    client.call("DELETE", "/a")
    kinds = [(headers.get("Content-Type"), body) for _, _, headers, body in server.got]
    assert kinds == [
        ("application/json", b'{"n":1}'),
        ("application/x-ndjson", b'{"index":{}}\n{"n":1}\n'),
        (None, b""),
    ]
    assert server.got[0][2]["X-Opaque-Id"] == "mine"


def test_what_is_no_json_is_not_sent(client: Client, server: Server) -> None:
    with pytest.raises(StepFailed, match="not valid JSON"):
        client.call("PUT", "/a", {"n": object()})
    assert server.got == []


def test_paths_and_parameters_are_quoted() -> None:
    assert path("lessons", "_doc", "a/b ä?") == "/lessons/_doc/a%2Fb%20%C3%A4%3F"
    assert query({"refresh": True, "routing": "a b&c", "size": 3}) == "?refresh=true&routing=a%20b%26c&size=3"
    assert query({}) == ""


def test_requests_of_many_threads_do_not_mix(client: Client, server: Server) -> None:
    threads = [threading.Thread(target=lambda n=n: client.call("PUT", f"/{n}", {"n": n})) for n in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert {(where, body) for _, where, _, body in server.got} == {
        (f"/{n}", f'{{"n":{n}}}'.encode()) for n in range(16)
    }


def test_what_is_signed_is_what_is_sent(server: Server) -> None:
    cloud = Cloud("eu-central-1", access_key="AKIA", secret_key=Secret("verysecret"))
    with Client(address(server, auth="aws", cloud=cloud)) as client:
        client.call("PUT", path("lessons", "_doc", "a/b ä~!*"), {"n": 1}, params={"routing": "x y+z"})
    ((method, where, headers, body),) = server.got
    stamp = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    signer = Signer(host=headers["Host"], region="eu-central-1", service="es", clock=lambda: stamp)
    given = {key: each for key, each in headers.items() if key not in {"Authorization", "Content-Length"}}
    again = signer.signed(method, where, given, body, Keys("AKIA", "verysecret", ""))
    assert headers["Authorization"] == again["Authorization"]
    assert "content-type" in headers["Authorization"]


@pytest.mark.parametrize(
    ("code", "error"),
    [("ExpiredTokenException:", ExpiredCredentials), ("AccessDeniedException", Denied)],
)
def test_what_aws_itself_has_against_us_is_named(
    server: Server, code: str, error: type[SeedbedError]
) -> None:
    cloud = Cloud("eu-central-1", access_key="AKIA", secret_key=Secret("verysecret"))
    server.script, server.says = [403], {"x-amzn-ErrorType": code}
    with Client(address(server, auth="aws", cloud=cloud)) as client, pytest.raises(error) as caught:
        client.call("GET", "/")
    assert "verysecret" not in str(caught.value)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the file of a certificate for 127.0.0.1 that signed itself, and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seedbed's tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture
def secure(certificates: tuple[Path, Path]) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates)
    with Server() as made:
        made.socket = context.wrap_socket(made.socket, server_side=True)
        threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        made.over.set()
        made.shutdown()


def test_a_server_proves_who_it_is_by_the_authorities_that_we_are_told_to_trust(
    secure: Server, certificates: tuple[Path, Path]
) -> None:
    endpoint = f"https://127.0.0.1:{secure.server_address[1]}"
    with Client(Address(endpoint, ca=str(certificates[0]))) as client:
        assert client.call("GET", "/") == {}
    with Client(Address(endpoint)) as client, pytest.raises(AccessRefused, match="does not prove who it is"):
        client.call("GET", "/")
