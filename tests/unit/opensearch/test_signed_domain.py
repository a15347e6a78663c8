"""The tests' own domain of OpenSearch: whoever signs and may is let through, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials

from seedbed.aws.cloud import Cloud
from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.wire.client import Client
from seedbed.errors import SeedbedError
from seedbed.model.secret import Secret
from tests.support.deployment.inside import Authority
from tests.support.opensearch.signed import signed
from tests.support.wire.server import always, answer, serving
from tests.support.wire.tls import secured

ARN = "arn:aws:es:eu-central-1:111111111111:domain/ai"
MAY_READ = [{"Effect": "Allow", "Action": ["es:ESHttpGet"], "Resource": f"{ARN}/*"}]
JSON = "content-type: application/json\r\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Where a domain answers that lets the key `ana` read."""
    authority = Authority(tmp_path)

    def known(key: str) -> tuple[Credentials, list[Mapping[str, object]]] | None:
        return (Credentials("ana", "sesame", "token"), [*MAY_READ]) if key == "ana" else None

    with serving(always(answer(b'{"a": 1}', headers=JSON))) as server:
        serve = signed(server.url(), known, ARN, "eu-central-1")
        with secured(authority.vouched("localhost"), serve) as port:
            yield {"endpoint": f"https://localhost:{port}", "ca": str(authority.bundle)}


def ask(
    place: Mapping[str, str],
    method: str = "GET",
    path: str = "/",
    *,
    key: str = "ana",
    secret: str = "sesame",
    token: str = "token",
    **more: Any,
) -> Any:
    cloud = Cloud("eu-central-1", access_key=key, secret_key=Secret(secret), session_token=Secret(token))
    with closing(
        Client(Address(place["endpoint"], ca=place["ca"], auth="aws", cloud=cloud), max_attempts=1)
    ) as client:
        return client.call(method, path, **more)


def test_who_signs_and_may_is_let_through(place: Mapping[str, str]) -> None:
    params = {"filter_path": "a b,c*", "q": "ü"}
    assert ask(place, path="/a%20b/_search", body={"query": {}}, params=params) == {"a": 1}


@pytest.mark.parametrize("wrong", [{"key": "eve"}, {"secret": "other"}, {"token": "other"}])
def test_who_signs_with_something_else_is_refused(place: Mapping[str, str], wrong: dict[str, str]) -> None:
    with pytest.raises(SeedbedError, match=r"security token|request signature"):
        ask(place, **wrong)


def test_who_does_not_sign_is_refused(place: Mapping[str, str]) -> None:
    with (
        closing(Client(Address(place["endpoint"], ca=place["ca"]), max_attempts=1)) as client,
        pytest.raises(SeedbedError, match="403"),
    ):
        client.call("GET", "/")


def test_who_may_not_is_refused(place: Mapping[str, str]) -> None:
    with pytest.raises(SeedbedError, match="ESHttpDelete"):
        ask(place, "DELETE", "/a")
