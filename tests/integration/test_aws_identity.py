"""Who we are, and what the parameter store says, asked of a real AWS API; and what each way to fail is called."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.aws import clients, faults, identity, parameters
from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import ExitCode, SeedbedError, UsageError
from seedbed.model.secret import Secret

PATH = "/edtech/dev-ana/user/postgres"


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    identity.forget()
    yield
    identity.forget()


@pytest.fixture
def cloud(ministack_account: World) -> Cloud:
    return ministack_account.cloud


def test_the_caller_is_who_the_credentials_say(cloud: Cloud) -> None:
    who = identity.require_account(cloud)
    assert who.account == cloud.account
    assert who.arn.startswith("arn:aws:")
    assert identity.require_account(replace(cloud, account="")).account == cloud.account


def test_another_account_is_refused_with_both_named(cloud: Cloud) -> None:
    with pytest.raises(
        faults.WrongAccount, match=f"belong to account {cloud.account}, not to 333333333333"
    ) as raised:
        identity.require_account(replace(cloud, account="333333333333"))
    assert raised.value.exit_code is ExitCode.REFUSED


def test_given_keys_need_no_profile_and_go_where_the_address_says(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-somebody-else")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert identity.require_account(cloud).account == cloud.account


def test_a_caller_is_asked_for_once(cloud: Cloud) -> None:
    assert identity.require_account(cloud) is identity.require_account(cloud)


def test_a_service_that_does_not_answer_is_unreachable(cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gone = replace(cloud, endpoint=f"http://127.0.0.1:{port}")
    with pytest.raises(SeedbedError, match="AWS does not answer in eu-central-1") as raised:
        identity.require_account(gone)
    assert raised.value.exit_code is ExitCode.UNAVAILABLE
    assert "sts:GetCallerIdentity" in raised.value.because


def test_without_credentials_it_says_so(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bare = replace(cloud, access_key="", secret_key=None)
    with pytest.raises(faults.NoCredentials, match="there are no credentials"):
        identity.require_account(bare)
    with pytest.raises(faults.NoCredentials, match="there is no AWS profile 'nix'"):
        identity.require_account(replace(bare, profile="nix"))


def test_a_login_that_has_run_out_says_how_to_log_in(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile work]\nsso_session = edtech\nsso_account_id = 111111111111\nsso_role_name = dev\n"
        "[sso-session edtech]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-central-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(faults.ExpiredCredentials, match="aws sso login --profile work") as raised:
        identity.require_account(replace(cloud, access_key="", secret_key=None, profile="work"))
    assert raised.value.exit_code is ExitCode.UNAVAILABLE


def test_a_session_that_has_run_out_is_expired(cloud: Cloud) -> None:
    from botocore.exceptions import ClientError

    said = ClientError({"Error": {"Code": "ExpiredToken", "Message": "it is"}}, "GetCallerIdentity")
    found = faults.of_exception(said, cloud, action="sts:GetCallerIdentity")
    assert isinstance(found, faults.ExpiredCredentials)
    assert "have expired" in found.what


def test_a_place_is_shown_without_its_keys(cloud: Cloud) -> None:
    assert faults.where(cloud) == f"eu-central-1 of account {cloud.account} at {cloud.endpoint}"


# Parameters


def put(cloud: Cloud, name: str, value: str, kind: str = "String") -> None:
    clients.call(cloud, "ssm", "PutParameter", Name=f"{PATH}/{name}", Value=value, Type=kind)


def secret(cloud: Cloud, name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    made = clients.call(cloud, "secretsmanager", "CreateSecret", Name=name, SecretString=text)
    return str(made["ARN"])


def test_settings_are_read_below_their_path_and_pointers_lead_to_secrets(cloud: Cloud) -> None:
    arn = secret(cloud, "user-db", {"username": "app", "password": "s3cr3t-pass", "port": 5432})
    put(cloud, "host", "db.example.com")
    put(cloud, "port", f"secret:{arn}:port")
    put(cloud, "user", f"secret:{arn}:username")
    put(cloud, "password", f"secret:{arn}:password")
    put(cloud, "hidden", "in plain sight", "SecureString")
    put(cloud, "deeper/than", "this")
    assert parameters.read(cloud, PATH) == {
        "host": "db.example.com",
        "port": Secret("5432"),
        "user": Secret("app"),
        "password": Secret("s3cr3t-pass"),
        "hidden": Secret("in plain sight"),
    }


def test_more_settings_than_a_page_holds_are_all_read(cloud: Cloud) -> None:
    for number in range(23):
        put(cloud, f"setting{number:02}", str(number))
    assert list(parameters.read(cloud, PATH).values()) == [str(number) for number in range(23)]


def test_a_path_with_nothing_below_it_has_no_settings(cloud: Cloud) -> None:
    assert parameters.read(cloud, "/edtech/dev-nobody/user/postgres") == {}


def test_a_pointer_that_leads_nowhere_is_named_and_shows_nothing(cloud: Cloud) -> None:
    arn = secret(cloud, "user-db", {"username": "hush-hush"})
    text = secret(cloud, "text", "hush-hush")
    wanted = {
        f"secret:{arn}:password": "the member 'password' of a secret that has none",
        f"secret:{text}:password": "cannot be read",
        f"secret:{arn}gone:password": "does not exist in eu-central-1",
        "secret:": "points to no secret",
    }
    for number, (pointer, words) in enumerate(wanted.items()):
        clients.call(
            cloud, "ssm", "PutParameter", Name=f"/case{number}/password", Value=pointer, Type="String"
        )
        with pytest.raises(UsageError, match=words) as raised:
            parameters.read(cloud, f"/case{number}")
        assert "hush-hush" not in str(raised.value)


def test_the_time_of_answers_is_what_a_clock_is_compared_with() -> None:
    cloud = Cloud("eu-central-1")
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    for code, date, kind in (
        ("SignatureDoesNotMatch", now, faults.NoCredentials),
        ("SignatureDoesNotMatch", "Mon, 23 Nov 2020 12:00:00 GMT", faults.ClockSkew),
        ("SignatureDoesNotMatch", "nonsense", faults.NoCredentials),
        ("RequestTimeTooSkewed", "", faults.ClockSkew),
    ):
        found = faults.of_code(code, "x", cloud, action="sts:GetCallerIdentity", server_date=date)
        assert type(found) is kind
