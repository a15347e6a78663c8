"""Requests through a real proxy, a process of its own, that alone knows the servers' names."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from seedbed.errors import AccessRefused, Interrupted, Unreachable
from seedbed.wire.connection import Broken
from seedbed.wire.transport import Transport
from tests.support.wire.proxy import proxy
from tests.support.wire.server import Peer, always, answer, serving

NAME = "search.example"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let this machine's own proxies count for nothing."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def transport(url: str, *, authorities: str = "") -> closing[Transport]:
    return closing(Transport(url, server="Nobody", connect=5, read=5, grace=0.3, authorities=authorities))


def put(client: Transport, body: bytes = b"{}") -> bytes:
    return client.ask("PUT", "/a?b=c", dict, body, is_write=True, may_repeat=True).body


@pytest.mark.parametrize("login", ["", "ana:secret"])
def test_a_request_in_the_clear_is_relayed(monkeypatch: pytest.MonkeyPatch, login: str) -> None:
    with serving(always(answer())) as server, proxy({f"{NAME}:9200": server.port}, login=login) as between:
        monkeypatch.setenv("HTTP_PROXY", between.url)
        with transport(f"http://{NAME}:9200") as client:
            assert put(client) == b"{}"
            assert put(client, b"x" * 500_000) == b"{}"
    assert between.asked == [f"200 PUT http://{NAME}:9200/a?b=c"] * 2


@pytest.mark.parametrize("login", ["", "ana:secret"])
def test_a_request_over_tls_goes_through_a_tunnel_that_is_used_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, login: str
) -> None:
    authority, served = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(served)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with (
        serving(always(answer()), tls=served) as server,
        proxy({f"{NAME}:443": server.port}, login=login) as between,
    ):
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        with transport(f"https://{NAME}", authorities=str(tmp_path / "ca.pem")) as client:
            assert [put(client), put(client, b"x" * 500_000)] == [b"{}", b"{}"]
    assert between.asked == [f"200 CONNECT {NAME}:443"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_login_that_the_proxy_does_not_know_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with proxy({f"{NAME}:9200": 9}, login="ana:secret") as between:
        for url, says in (
            (f"http://127.0.0.1:{between.port}", "the URL has none"),
            (between.wrong_url, "no such"),
        ):
            monkeypatch.setenv(f"{scheme.upper()}_PROXY", url)
            with transport(f"{scheme}://{NAME}:9200") as client, pytest.raises(AccessRefused) as caught:
                put(client)
            assert says in str(caught.value)
            assert "wrong" not in str(caught.value)


def test_a_proxy_that_may_not_lead_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy({}) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        with (
            transport(f"https://{NAME}") as client,
            pytest.raises(Unreachable, match="answered 403") as caught,
        ):
            put(client)
        assert "NO_PROXY" in str(caught.value)


def test_no_proxy_there_is_told_before_anything_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy({}) as between:
        url = between.url
    monkeypatch.setenv("HTTPS_PROXY", url)
    with (
        transport(f"https://{NAME}") as client,
        pytest.raises(Broken, match="no connection to the proxy") as caught,
    ):
        put(client)
    assert not caught.value.was_sent


def test_a_tunnel_that_is_not_answered_for_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def handle(peer: Peer) -> None:
        peer.request()
        asked.set()
        peer.hold()

    with serving(handle) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url())
        client = Transport(f"https://{NAME}", server="Nobody", connect=60, read=60, grace=60)
        ended: list[BaseException] = []

        def work() -> None:
            try:
                put(client)
            except Interrupted as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        assert asked.wait(60)
        began = time.monotonic()
        client.interrupt()
        thread.join(60)
        assert len(ended) == 1
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(("status", "error"), [(502, Broken), (500, Broken), (405, Unreachable)])
def test_a_proxy_that_cannot_now_is_another_thing_than_one_that_will_not(
    monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
) -> None:
    with serving(always(answer(b"<html>", status=status))) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url())
        with transport(f"https://{NAME}") as client, pytest.raises(error, match=str(status)):
            put(client)
