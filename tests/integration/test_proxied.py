"""Every HTTP client of seedbed's through a real proxy with a login, a process that alone knows the servers' names."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.wire.client import Client as DynamoDB
from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.wire.client import Client as OpenSearch
from seedbed.errors import AccessRefused, SandboxError, Unreachable, UsageError
from seedbed.model.secret import Secret
from seedbed.servers.download import Artifact, fetch
from tests.support.processes import until
from tests.support.wire.proxy import Proxy, proxy
from tests.support.wire.server import always, answer, serving

NAME = "aws.example"
LOGIN = "ana:p%40ss"
JAR = b"a jar" * 1000
STS = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::111111111111:user/ana</Arn><UserId>A</UserId><Account>111111111111</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def url(scheme: str) -> str:
    return f"{scheme}://{NAME}:8443"


@pytest.fixture(autouse=True)
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """Make one, trusted by all; and let this machine's own proxies count for nothing."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def between(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, scheme: str, body: bytes
) -> Iterator[Proxy]:
    """A proxy in front of a server that answers everything with `body`."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if scheme == "https" else None
    if tls:
        authority.issue_cert(NAME).configure_cert(tls)
    with (
        serving(always(answer(body, headers="Connection: close\r\n")), tls=tls) as server,
        proxy({f"{NAME}:8443": server.port}, login="ana:p@ss") as running,
    ):
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://{LOGIN}@127.0.0.1:{running.port}")
        yield running


@pytest.fixture
def body() -> bytes:
    return b"{}"


def came_through(between: Proxy, scheme: str) -> bool:
    verbs = {"http": f"http://{NAME}:8443/", "https": f"CONNECT {NAME}:8443"}
    return until(
        lambda: bool(between.asked)
    ) and all(  # the proxy is a process of its own: its word may come later
        each.startswith("200") and verbs[scheme] in each for each in between.asked
    )


def cloud(url: str) -> Cloud:
    return Cloud("eu-central-1", endpoint=url, access_key="AKIA", secret_key=Secret("hush"))


def test_dynamodb_is_reached(between: Proxy, url: str, scheme: str) -> None:
    with DynamoDB(cloud(url)) as client:
        assert client.call("ListTables", {}) == {}
    assert came_through(between, scheme)


@pytest.mark.parametrize("auth", ["none", "aws"])
def test_opensearch_is_reached(between: Proxy, url: str, scheme: str, tmp_path: Path, auth: str) -> None:
    ca = str(tmp_path / "ca.pem") if scheme == "https" else ""
    address = Address(
        url, ca=ca, auth="aws" if auth == "aws" else "none", cloud=cloud("") if auth == "aws" else None
    )
    with OpenSearch(address) as client:
        assert client.call("GET", "/") == {}
        assert client.call("PUT", "/a", {"n": 1}, idempotent=True) == {}
    assert came_through(between, scheme)


@pytest.mark.parametrize("body", [STS])
def test_the_rarer_calls_of_aws_are_made(
    between: Proxy, url: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        clients, "_clients", {}
    )  # a client of a test before it, whose server had the same port
    assert clients.call(cloud(url), "sts", "GetCallerIdentity")["Account"] == "111111111111"
    assert came_through(between, scheme)


@pytest.mark.parametrize("body", [JAR])
def test_files_are_downloaded(
    between: Proxy, url: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_MAVEN", url)
    artifact = Artifact("org.example", "thing", "jar", "1", len(JAR), hashlib.sha256(JAR).hexdigest())
    assert fetch(artifact, tmp_path).read_bytes() == JAR
    assert came_through(between, scheme)


def test_no_proxy_is_asked_for_what_no_proxy_names(
    between: Proxy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "example")
    with DynamoDB(cloud(url), max_attempts=1) as client, pytest.raises(Unreachable, match="does not answer"):
        client.call("ListTables", {})
    assert between.asked == []


def test_a_wrong_login_is_named_and_shows_no_password(
    between: Proxy, url: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", between.wrong_url)
    with (
        DynamoDB(cloud(url)) as client,
        pytest.raises(AccessRefused, match="does not let us through") as caught,
    ):
        client.call("ListTables", {})
    assert "wrong" not in str(caught.value)
    assert len([each for each in between.asked if each.startswith("407")]) <= 1


@pytest.mark.parametrize("scheme", ["https"])
def test_a_proxy_that_speaks_something_else_is_refused_by_every_client(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://ana:hush@127.0.0.1:1080")
    monkeypatch.setenv("SEEDBED_MAVEN", url)
    artifact = Artifact("org.example", "thing", "jar", "1", 1, "00")
    for use in (
        lambda: DynamoDB(cloud(url)),
        lambda: OpenSearch(Address(url)),
        lambda: clients.call(cloud(f"{url}/socks"), "sts", "GetCallerIdentity"),
        lambda: fetch(artifact, tmp_path),
    ):
        with pytest.raises((UsageError, SandboxError), match="HTTPS_PROXY cannot be used") as caught:
            use()
        assert "hush" not in str(caught.value)
