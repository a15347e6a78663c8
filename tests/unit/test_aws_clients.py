"""What answers in the place of AWS, and is not AWS: a proxy's page, another server."""

from __future__ import annotations

import os
import queue
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from seedbed.aws import awaited, clients, identity
from seedbed.aws.cloud import Cloud
from seedbed.errors import Unreachable
from seedbed.model.secret import Secret
from tests.support.wire.server import always, answer, serving


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    identity.forget()
    yield
    identity.forget()


@pytest.mark.parametrize(
    "said",
    [
        answer(b"<html>please log in</html>"),
        answer(b"please log in"),
        answer(b""),
        answer(b"", status=302, headers="Location: /login\r\n"),
        answer(b"{}", status=403),
        answer(b"\xff\xfe", status=400),
    ],
)
def test_what_is_not_aws_is_unreachable(said: bytes) -> None:
    with serving(always(said)) as server:
        cloud = Cloud("eu-central-1", endpoint=server.url(), access_key="AKID", secret_key=Secret("hush"))
        with pytest.raises(Unreachable, match="is not AWS") as raised:
            clients.call(cloud, "sts", "GetCallerIdentity", attempts=1)
        assert "hush" not in str(raised.value)


def test_an_error_in_no_encoding_is_no_traceback() -> None:
    with serving(always(answer(b"\xff\xfe", status=400))) as server:
        cloud = Cloud("eu-central-1", endpoint=server.url(), access_key="AKID", secret_key=Secret("hush"))
        with pytest.raises(Unreachable, match="is not AWS"):
            clients.call(cloud, "ssm", "GetParametersByPath", attempts=1, Path="/x")


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("dynamodb", "GetItem", {"TableName": "t", "Key": {"id": {"S": "a"}}}),
        ("ecs", "DescribeTasks", {"tasks": ["a"]}),
        ("s3", "GetObject", {"Bucket": "b", "Key": "k"}),
    ],
)
def test_a_service_that_says_nothing_is_told_and_then_unreachable(
    service: str, operation: str, parameters: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awaited, "PATIENCE", 0.1)
    monkeypatch.setattr(clients, "READ_TIMEOUT", 0.4)
    monkeypatch.setitem(clients._SLOW, "s3", 0.4)
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    with socket.create_server(("127.0.0.1", 0)) as silent, awaited.subscribed(told.put):
        there = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cloud = Cloud("eu-central-1", endpoint=there, access_key="AKID", secret_key=Secret("hush"))
        for _ in range(2):  # it is told once, however often it is asked
            with pytest.raises(Unreachable, match="AWS does not answer") as raised:
                clients.call(cloud, service, operation, attempts=1, **parameters)
            assert f"{service}:{operation}: Read timeout" in raised.value.because
            assert "check the network" in raised.value.try_
    assert told.get(timeout=1) == f"no answer from AWS yet, to {service}:{operation} in eu-central-1 (0 s)"
    assert told.empty()


def test_a_service_that_answered_is_told_again_when_it_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaited, "PATIENCE", 0.05)
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    with awaited.subscribed(told.put):
        for _ in range(2):
            with awaited.awaited("ecs", "DescribeTasks", "eu-central-1"):
                assert told.get(timeout=5)


def test_no_service_is_given_more_than_a_minute_by_calls_that_people_wait_for() -> None:
    """Of CloudFormation's, whose calls may not be made twice without harm, the first line has to do."""
    for service in ("dynamodb", "ecs", "ssm", "sts", "logs", "s3", "secretsmanager"):
        seconds = clients._SLOW.get(service, clients.READ_TIMEOUT)
        assert seconds * clients._FEWEST.get(service, clients.ATTEMPTS) <= 60


def test_clients_share_a_session_as_long_as_the_surroundings_are_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To make one takes longer than a client; what it found in files and variables is not to outlive them."""
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    clients._session.cache_clear()
    for key, region in (("AKIDONE", "eu-central-1"), ("AKIDTWO", "eu-west-1")):
        file = tmp_path / key
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = x\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        made = [clients.client(Cloud(region), service) for service in ("sts", "ssm", "sts")]
        assert {each._request_signer._credentials.access_key for each in made} == {key}
    assert clients._session.cache_info().misses == 2
