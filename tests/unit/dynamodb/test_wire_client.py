"""The client against a server that misbehaves: what is sent again, what is not, and what each failure is called."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import json, structs

from seedbed.aws import faults
from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.wire import client as wire
from seedbed.engines.dynamodb.wire.client import Client, endpoint
from seedbed.engines.dynamodb.wire.errors import NoAnswer, ServiceError
from seedbed.engines.dynamodb.wire.values import InvalidValue
from seedbed.engines.kit.touched import Touched
from seedbed.errors import AccessRefused, ExitCode, Interrupted, SeedbedError, Unreachable
from seedbed.model.secret import Secret
from seedbed.wire.signing import Keys, Signer
from tests.support.dynamodb.scripted import HANG_UP, Request, Script, answer, refusal, scripted

PUT = {"TableName": "courses-lessons-dev-ana", "Item": {"pk": {"S": "1"}}}


def first(*answers: bytes, then: bytes | None = None) -> Script:
    """Return a script that gives `answers` in their order, and then the same for ever."""
    rest = answer({"ok": True}) if then is None else then
    return lambda request: answers[request.number - 1] if request.number <= len(answers) else rest


@pytest.mark.parametrize(
    "refused",
    [
        refusal("ThrottlingException"),
        refusal("ProvisionedThroughputExceededException"),
        refusal("RequestLimitExceeded"),
        refusal("TransactionConflictException"),
        refusal("TransactionInProgressException"),
        refusal("InternalServerError", status=500),
        answer(b"<html>no backend</html>", status=503),
        refusal(
            "TransactionCanceledException",
            CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict", "Message": "x"}],
        ),
    ],
)
def test_what_passes_is_tried_again(refused: bytes) -> None:
    with scripted(first(refused, refused)) as server, server.client() as client:
        assert client.call("PutItem", PUT) == {"ok": True}
        assert len(server.requests) == 3
        assert all(each.body == PUT for each in server.requests)


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (refusal("ConditionalCheckFailedException"), "ConditionalCheckFailedException"),
        (refusal("ResourceNotFoundException"), "ResourceNotFoundException"),
        (refusal("ValidationException"), "ValidationException"),
        (refusal("LimitExceededException"), "LimitExceededException"),
        (answer(b"<html>who are you</html>", status=407), "HTTP407"),
        (answer(b'{"message": "\xff"}', status=400), "HTTP400"),
    ],
)
def test_what_is_final_is_said_at_once(refused: bytes, code: str) -> None:
    with scripted(first(refused)) as server, server.client() as client:
        with pytest.raises(ServiceError) as raised:
            client.call("PutItem", PUT)
        assert raised.value.code == code
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        {"CancellationReasons": ["x"]},
        {"CancellationReasons": {"Code": "None"}},
        {"CancellationReasons": [{"Code": 7, "Item": "none"}]},
        {"Item": ["x"], "message": {"of": "another kind"}},
    ],
)
def test_a_refusal_of_a_strange_shape_is_a_refusal(said: dict[str, Any]) -> None:
    refused = refusal("ConditionalCheckFailedException", **said)
    with scripted(first(refused)) as server, server.client() as client, pytest.raises(ServiceError) as raised:
        client.call("PutItem", PUT)
    assert raised.value.is_condition
    assert raised.value.items == ({},)


def test_a_canceled_transaction_says_why_each_action_failed() -> None:
    reasons = [
        {"Code": "None"},
        {"Code": "ConditionalCheckFailed", "Message": "no", "Item": {"token": {"N": "7"}}},
        {"Code": "TransactionConflict"},
    ]
    said = refusal("TransactionCanceledException", CancellationReasons=reasons)
    with scripted(first(said)) as server, server.client() as client, pytest.raises(ServiceError) as raised:
        client.call("TransactWriteItems", {})
    assert raised.value.reasons == ("", "ConditionalCheckFailed", "TransactionConflict")
    assert raised.value.items == ({}, {"token": {"N": "7"}}, {})
    assert raised.value.is_condition


def test_throttles_are_told_to_whoever_sets_the_rate() -> None:
    told: list[str] = []
    script = first(*[refusal("ThrottlingException")] * 3)
    with scripted(script) as server, server.client(on_throttle=lambda: told.append("client")) as client:
        client.call("PutItem", PUT, on_throttle=lambda: told.append("call"))
        assert told == ["client", "call"] * 3
        assert client.throttles == 3


def test_whoever_may_not_write_any_more_is_asked_before_every_attempt() -> None:
    asked: list[int] = []

    def before() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise LookupError("the lease is lost")

    script = first(then=refusal("ThrottlingException"))
    with scripted(script) as server, server.client() as client:
        with pytest.raises(LookupError):
            client.call("PutItem", PUT, before=before)
        assert len(server.requests) == 2


def test_a_throttle_without_end_is_said_after_the_last_attempt() -> None:
    script = first(then=refusal("ThrottlingException"))
    with scripted(script) as server, server.client(max_attempts=3) as client:
        with pytest.raises(ServiceError) as raised:
            client.call("PutItem", PUT)
        assert raised.value.is_throttle
        assert len(server.requests) == 3


def test_a_connection_is_used_for_the_next_call() -> None:
    with scripted(first()) as server, server.client() as client:
        for _ in range(5):
            client.call("GetItem", PUT)
        assert [each.on for each in server.requests] == [1, 2, 3, 4, 5]


def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    said = answer({"ok": True}, headers={"Connection": "close"})
    with scripted(first(then=said)) as server, server.client() as client:
        for _ in range(3):
            client.call("PutItem", PUT, idempotent=False)
        assert [each.on for each in server.requests] == [1, 1, 1]


def test_a_server_that_closes_silently_costs_no_call() -> None:
    def script(request: Request) -> bytes:
        return answer({"ok": True}) if request.on == 1 else HANG_UP

    with scripted(script) as server, server.client() as client:
        for _ in range(3):
            assert client.call("PutItem", PUT) == {"ok": True}
        assert [each.on for each in server.requests] == [1, 2, 1, 2, 1]


@pytest.mark.parametrize(
    "lost",
    [
        HANG_UP,
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\n{",
        b"gibberish\r\n\r\nConnection: close",
        answer({"ok": True}, headers={"x-amz-crc32": "17"}),
        refusal("InternalServerError", status=500),
        answer(b"<html>please log in</html>"),
        answer(b""),
        answer(b"[]"),
        answer(b'{"ok": "\xff"}'),
        answer(b'{"ok": ' + b"[" * 100_000),
    ],
)
def test_a_write_whose_answer_was_lost_is_sent_again_only_where_that_is_safe(lost: bytes) -> None:
    with scripted(first(lost)) as server, server.client() as client:
        assert client.call("PutItem", PUT) == {"ok": True}
        assert len(server.requests) == 2
    with scripted(first(lost)) as server, server.client() as client:
        with pytest.raises(NoAnswer) as raised:
            client.call("PutItem", PUT, idempotent=False)
        assert raised.value.exit_code is ExitCode.PARTIAL
        assert len(server.requests) == 1


def test_nobody_there_is_unreachable_even_for_what_must_not_be_sent_twice() -> None:
    with scripted(first()) as server:
        cloud, client = server.cloud(), server.client(max_attempts=2)
    for idempotent in (True, False):
        with pytest.raises(Unreachable, match="does not answer") as raised:
            client.call("PutItem", PUT, idempotent=idempotent)
        assert cloud.endpoint in str(raised.value)
        assert raised.value.exit_code is ExitCode.UNAVAILABLE


def test_a_server_that_never_answers_is_unreachable() -> None:
    with (
        scripted(lambda _: server.hold()) as server,
        server.client(max_attempts=2, read_timeout=0.2) as client,
        pytest.raises(Unreachable, match="no answer came in time"),
    ):
        client.call("GetItem", PUT)


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'6;x=y\r\n{"ok":\r\n5\r\ntrue}\r\n0\r\nTrailer: 1\r\n\r\n'
)


@pytest.mark.parametrize(
    "said",
    [
        CHUNKED,
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer({"ok": True}),
        b'HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{"ok":true}',
        answer(b'{"ok":     ' + b" " * 500_000 + b"true}"),
    ],
)
def test_every_way_to_end_a_body_is_understood(said: bytes) -> None:
    with scripted(first(then=said)) as server, server.client() as client:
        for _ in range(3):
            assert client.call("PutItem", PUT) == {"ok": True}


# What stays of a write


@pytest.mark.parametrize(
    ("said", "is_touched"),
    [
        (answer({}), True),
        (refusal("ConditionalCheckFailedException"), False),
        (refusal("ExpiredTokenException"), False),
        (refusal("AccessDeniedException"), False),
        (refusal("ProvisionedThroughputExceededException"), False),
        (refusal("InternalServerError", status=500), True),
        (HANG_UP, True),
    ],
    ids=["done", "condition", "expired", "denied", "throttled", "failed", "lost"],
)
def test_a_write_counts_unless_it_was_refused(said: bytes, is_touched: bool) -> None:
    with scripted(lambda _: said) as server, server.client(max_attempts=2) as client:
        client.touched, client.own = Touched(), "history"
        with suppress(SeedbedError):
            client.call("PutItem", PUT)
        assert bool(client.touched) is is_touched


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("GetItem", PUT),
        ("PutItem", {**PUT, "TableName": "history"}),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "history"}}]}),
    ],
)
def test_reads_and_records_of_our_own_do_not_count(operation: str, body: dict[str, Any]) -> None:
    with scripted(lambda _: answer({})) as server, server.client() as client:
        client.touched, client.own = Touched(), "history"
        client.call(operation, body)
        assert not client.touched
        beside = {"TransactItems": [{"Put": {"TableName": each}} for each in ("history", "courses")]}
        client.call("TransactWriteItems", beside)
        assert client.touched


def test_throttling_that_does_not_end_is_called_throttling() -> None:
    said = refusal("ProvisionedThroughputExceededException", "slow down")
    with scripted(lambda _: said) as server, server.client(max_attempts=2) as client:
        with pytest.raises(ServiceError) as raised:
            client.call("PutItem", PUT)
        assert raised.value.what == "DynamoDB throttles PutItem, however often it is tried again"
        assert "slow down" in raised.value.because
        assert "capacity" in raised.value.try_


# Credentials and clocks, each by its name


@pytest.mark.parametrize(
    ("code", "fault", "exit_code", "words"),
    [
        ("ExpiredTokenException", faults.ExpiredCredentials, ExitCode.UNAVAILABLE, "have expired"),
        ("UnrecognizedClientException", faults.NoCredentials, ExitCode.REFUSED, "does not know"),
        ("InvalidSignatureException", faults.NoCredentials, ExitCode.REFUSED, "does not accept our sign"),
        ("AccessDeniedException", faults.Denied, ExitCode.REFUSED, "dynamodb:PutItem is not allowed"),
        ("RequestTimeTooSkewed", faults.ClockSkew, ExitCode.UNAVAILABLE, "clock is wrong"),
    ],
)
def test_what_aws_refuses_us_for_has_a_name(
    code: str, fault: type[SeedbedError], exit_code: ExitCode, words: str
) -> None:
    with scripted(first(refusal(code, "they say why"))) as server, server.client() as client:
        with pytest.raises(fault, match=words) as raised:
            client.call("PutItem", PUT)
        assert raised.value.exit_code is exit_code
        assert "they say why" in str(raised.value)
        assert "s3cr3t" not in str(raised.value)
        assert len(server.requests) == 1


def test_a_signature_that_only_the_clock_spoiled_is_called_so_with_the_difference() -> None:
    said = refusal(
        "InvalidSignatureException", "bad", headers={"Date": formatdate(time.time() - 3600, usegmt=True)}
    )
    expected = pytest.raises(faults.ClockSkew, match=r"it is 36\d\d s fast")
    with scripted(first(said)) as server, server.client() as client, expected:
        client.call("PutItem", PUT)


def test_credentials_that_expire_under_way_are_fetched_anew_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"

    def keys(name: str) -> None:
        file.write_text(
            f"[work]\naws_access_key_id = {name}\naws_secret_access_key = x\naws_session_token = t-{name}\n"
        )

    def script(request: Request) -> bytes:
        if request.headers["x-amz-security-token"] == "t-NEW":
            return answer({"ok": True})
        keys("NEW")  # as `aws sso login` would
        return refusal("ExpiredTokenException")

    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    keys("OLD")
    with scripted(script) as server:
        with Client(server.cloud(access_key="", secret_key=None, profile="work")) as client:
            assert client.call("PutItem", PUT) == {"ok": True}
        assert len(server.requests) == 2
        assert "Credential=NEW/" in server.requests[1].headers["authorization"]


def test_what_is_signed_is_what_is_sent_wherever_the_endpoint_leads() -> None:
    with scripted(first()) as server:
        for path in ("", "/aws"):
            cloud = server.cloud(session_token=Secret("t0ken"))
            with Client(structs.replace(cloud, endpoint=f"{server.endpoint}{path}")) as client:
                client.call("PutItem", PUT)
            got = server.requests[-1].headers
            stamp = datetime.strptime(got["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
            signer = Signer(
                host=got["host"], region="eu-central-1", service="dynamodb", clock=partial(float, stamp)
            )
            named = {name: got[name.lower()] for name in ("Content-Type", "X-Amz-Target")}
            keys = Keys("AKIDEXAMPLE", "s3cr3t-s3cr3t", "t0ken")
            again = signer.signed("POST", path or "/", named, json.encode(PUT), keys)
            assert got["authorization"] == again["Authorization"]
            assert got["x-amz-security-token"] == "t0ken"
            assert all(each in got["authorization"] for each in ("content-type", "x-amz-target", "host"))


def test_without_any_credentials_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere(tmp_path, monkeypatch)
    with scripted(first()) as server:
        with pytest.raises(faults.NoCredentials, match="there are no credentials"):
            Client(server.cloud(access_key="", secret_key=None)).call("PutItem", PUT)
        with pytest.raises(faults.NoCredentials, match="no AWS profile 'nix'"):
            Client(server.cloud(access_key="", secret_key=None, profile="nix")).call("PutItem", PUT)
        assert server.requests == []


def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the chain nothing to find."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_what_is_no_json_is_refused_before_it_is_sent() -> None:
    with scripted(first()) as server, server.client() as client:
        with pytest.raises(InvalidValue):
            client.call("PutItem", {"Item": {"pk": {"S": "\ud800"}}})
        assert server.requests == []


# Being stopped


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[BaseException | object]]:
    """Start `work` and return its thread, and a list that will have what it returned or raised."""
    ended: list[BaseException | object] = []

    def run() -> None:
        try:
            ended.append(work())
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


def wait_for(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_interrupt_ends_a_read_that_waits_for_its_answer() -> None:
    with scripted(lambda _: server.hold()) as server, server.client() as client:
        threads = [in_thread(lambda: client.call("Scan", PUT)) for _ in range(4)]
        wait_for(lambda: len(server.requests) == 4)
        client.interrupt()
        client.interrupt()
        for thread, ended in threads:
            thread.join(30)
            assert [type(each) for each in ended] == [Interrupted]


def test_an_interrupt_ends_the_wait_for_a_retry() -> None:
    script = first(then=refusal("ThrottlingException"))
    with scripted(script) as server, server.client(max_attempts=1000) as client:
        thread, ended = in_thread(lambda: client.call("PutItem", PUT))
        wait_for(lambda: len(server.requests) >= 2)
        client.interrupt()
        thread.join(30)
        assert [type(each) for each in ended] == [Interrupted]


def test_a_write_that_is_under_way_may_still_be_answered_when_we_are_interrupted() -> None:
    go = threading.Event()

    def script(request: Request) -> bytes:
        assert go.wait(30)
        return answer({"ok": request.operation})

    with scripted(script) as server, server.client() as client:
        thread, ended = in_thread(lambda: client.call("PutItem", PUT, idempotent=False))
        wait_for(lambda: server.requests)
        client.interrupt()
        go.set()
        thread.join(30)
        assert ended == [{"ok": "PutItem"}]
        with pytest.raises(Interrupted):
            client.call("PutItem", PUT)
        assert len(server.requests) == 1


def test_a_write_that_is_never_answered_is_open_when_we_are_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "GRACE", 0.3)
    with scripted(lambda _: server.hold()) as server, server.client() as client:
        thread, ended = in_thread(lambda: client.call("PutItem", PUT, idempotent=False))
        other, repeatable = in_thread(lambda: client.call("PutItem", PUT))
        wait_for(lambda: len(server.requests) == 2)
        client.interrupt()
        thread.join(30)
        other.join(30)
        assert [type(each) for each in ended] == [NoAnswer]
        assert [type(each) for each in repeatable] == [Interrupted]


def test_what_is_sheltered_goes_on_after_an_interrupt() -> None:
    with scripted(first()) as server, server.client() as client, client.sheltered() as sheltered:
        client.interrupt()
        assert sheltered.call("PutItem", PUT) == {"ok": True}
        with pytest.raises(Interrupted):
            client.sleep(0)


def test_many_threads_share_a_client() -> None:
    def script(request: Request) -> bytes:
        if request.number % 7 == 0:
            return HANG_UP
        if request.number % 5 == 0:
            return refusal("ThrottlingException")
        return answer({"echo": request.body["number"]})

    with scripted(script) as server, server.client(max_attempts=50) as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: client.call("GetItem", {"number": n})["echo"], range(400)))
    assert found == list(range(400))


# Where it goes


def test_each_partition_has_its_own_names() -> None:
    assert endpoint("eu-central-1") == "https://dynamodb.eu-central-1.amazonaws.com"
    assert endpoint("cn-north-1") == "https://dynamodb.cn-north-1.amazonaws.com.cn"
    assert endpoint("us-gov-west-1") == "https://dynamodb.us-gov-west-1.amazonaws.com"


def test_the_endpoints_are_botocores() -> None:
    from botocore.session import Session

    session = Session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("dynamodb", partition):
            made = session.create_client(
                "dynamodb", region_name=region, aws_access_key_id="x", aws_secret_access_key="y"
            )
            assert made.meta.endpoint_url == endpoint(region)
            made.close()
            break  # one of each partition: a client takes its time


def test_tls_is_verified_and_can_be_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ssl

    import trustme

    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    silent, held = threading.Event(), list[ssl.SSLSocket]()
    authority.issue_cert("127.0.0.1").configure_cert(served)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    secure = served.wrap_socket(connection, server_side=True)
                    secure.recv(65536)
                    if silent.is_set():
                        held.append(secure)
                        continue
                    secure.sendall(answer({"ok": True}, headers={"Connection": "close"}))
                    secure.close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        cloud = Cloud("eu-central-1", endpoint=url, access_key="A", secret_key=Secret("s"))
        with pytest.raises(AccessRefused, match="certificate verify failed"):
            Client(cloud, max_attempts=1).call("ListTables", {})
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        with Client(cloud, max_attempts=1) as client:
            assert client.call("ListTables", {}) == {"ok": True}
            silent.set()
            thread, ended = in_thread(lambda: client.call("ListTables", {}))
            wait_for(lambda: len(held) == 1)
            client.interrupt()
            thread.join(30)
            assert [type(each) for each in ended] == [Interrupted]
        held[0].close()
        listener.shutdown(socket.SHUT_RDWR)
