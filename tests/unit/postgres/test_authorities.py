"""The certificate authorities of Amazon RDS: where they are found, and what is never taken for them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from seedbed.engines.postgres.address import address
from seedbed.engines.postgres.wire import authorities
from seedbed.errors import AccessRefused, SeedbedError, Unreachable
from seedbed.model.secret import Secret

HOST = "user.cluster-abc.eu-central-1.rds.amazonaws.com"
WHOLE = b"-----BEGIN CERTIFICATE-----\n"
SETTINGS: dict[str, str | Secret] = {"user": "app", "name": "user_db", "password": Secret("p")}


class _Answers(BaseHTTPRequestHandler):
    content = WHOLE
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Answers]]:
    """A server that has the file, in the place of AWS's; the machine has none."""

    class Answers(_Answers):
        pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(authorities, "URL", f"http://127.0.0.1:{server.server_port}/global-bundle.pem")
    monkeypatch.setattr(authorities, "SHA256", hashlib.sha256(WHOLE).hexdigest())
    monkeypatch.setattr(authorities, "IN_IMAGE", tmp_path / "image.pem")
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path / "cache"))
    yield Answers
    server.shutdown()
    server.server_close()


def test_the_file_is_fetched_once_and_one_that_was_changed_is_fetched_anew(aws: type[_Answers]) -> None:
    path = authorities.bundle(HOST)
    assert (path.read_bytes(), authorities.bundle(HOST), aws.asked) == (WHOLE, path, 1)
    path.write_bytes(WHOLE + b"another authority")
    assert authorities.bundle(HOST).read_bytes() == WHOLE
    assert aws.asked == 2


def test_a_file_of_the_image_is_taken_and_nothing_is_fetched(aws: type[_Answers]) -> None:
    authorities.IN_IMAGE.write_bytes(b"mine")
    assert authorities.bundle(HOST) == authorities.IN_IMAGE
    assert not aws.asked


def test_another_file_than_the_known_one_is_refused_and_not_kept(aws: type[_Answers], tmp_path: Path) -> None:
    aws.content = b"an authority of somebody's"
    with pytest.raises(AccessRefused, match="is not the file that this seedbed knows"):
        authorities.bundle(HOST)
    assert not [each for each in (tmp_path / "cache").rglob("*") if each.is_file()]


def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(
    aws: type[_Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorities, "URL", "http://127.0.0.1:9/global-bundle.pem")
    error = _raised(HOST)
    assert authorities.URL in error.because
    for word in (str(authorities.IN_IMAGE), "DB_SSLROOTCERT"):
        assert word in str(error.try_)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("a.rds.cn-north-1.rds.amazonaws.com.cn", "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/"),
        ("a.b.us-gov-west-1.rds.amazonaws.com", "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/"),
    ],
)
def test_a_part_of_aws_with_its_own_authorities_is_told_where_they_are(
    aws: type[_Answers], host: str, url: str
) -> None:
    assert url in _raised(host).because
    assert not aws.asked


def _raised(host: str) -> SeedbedError:
    with pytest.raises(Unreachable) as raised:
        authorities.bundle(host)
    return raised.value


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}.", "a.b.rds.amazonaws.com.cn"])
def test_a_name_that_rds_gave_is_verified_unless_less_is_asked_for(host: str) -> None:
    assert address({**SETTINGS, "host": host}, None).sslmode == "verify-full"
    assert address({**SETTINGS, "host": host, "sslmode": "require"}, None).sslmode == "require"


@pytest.mark.parametrize(
    "host",
    ["rds.amazonaws.com", "a.rds.amazonaws.com.evil.example", "a.xrds.amazonaws.com", "a.rds.amazonaws.co"],
)
def test_a_name_that_only_looks_like_one_is_not_taken_for_it(host: str) -> None:
    assert address({**SETTINGS, "host": host}, None).sslmode == "require"
