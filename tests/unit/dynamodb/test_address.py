"""Settings of a DynamoDB target: what an address is made of, and what no address can be made of."""

from __future__ import annotations

import msgspec
import pytest

from seedbed.aws.faults import WrongRegion
from seedbed.engines.dynamodb.address import VARIABLES, address
from seedbed.engines.dynamodb.options import Options
from seedbed.errors import ExitCode, UsageError
from seedbed.model.secret import Secret

DECLARED: dict[str, str | Secret] = {"region": "eu-central-1", "account": "111111111111"}


def test_the_declared_account_and_region_are_an_address() -> None:
    found = address(DECLARED, Options())
    assert str(found) == "eu-central-1 of account 111111111111"
    assert found.secrets == ()
    assert found.lease_seconds == 20


def test_an_endpoint_is_shown_and_credentials_are_not() -> None:
    settings = {
        **DECLARED,
        "endpoint": "http://127.0.0.1:4566/",
        "access_key": "AKIDEXAMPLE",
        "secret_key": Secret("very-secret"),
        "session_token": Secret("quite-secret"),
    }
    found = address(settings, Options(lease_seconds=2, write_units=100))
    assert str(found) == "eu-central-1 of account 111111111111 at http://127.0.0.1:4566"
    assert found.secrets == (Secret("very-secret"), Secret("quite-secret"))
    assert "secret" not in repr(found).replace("secret_key", "").replace("Secret(", "")
    assert found.cloud.endpoint == "http://127.0.0.1:4566"
    assert found.write_units == 100


def test_the_region_of_the_caller_has_to_be_the_declared_one() -> None:
    assert address({**DECLARED, "caller_region": "eu-central-1"}, Options()).cloud.region == "eu-central-1"
    with pytest.raises(WrongRegion, match="us-east-1 where you are, and eu-central-1") as raised:
        address({**DECLARED, "caller_region": "us-east-1"}, Options())
    assert raised.value.exit_code is ExitCode.REFUSED


def test_the_region_of_the_caller_counts_where_none_is_declared() -> None:
    assert address({"caller_region": "us-gov-west-1"}, Options()).cloud.region == "us-gov-west-1"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "needs a region"),
        ({"host": "x"}, "'host' says nothing about a DynamoDB target"),
        ({**DECLARED, "region": "Frankfurt"}, "'Frankfurt' is not a region"),
        ({**DECLARED, "region": "eu-central-1.evil.example/"}, "is not a region"),
        ({**DECLARED, "account": "123"}, "'123' is not an account"),
        ({**DECLARED, "endpoint": "127.0.0.1:4566"}, "AWS_ENDPOINT_URL is not an endpoint"),
        ({**DECLARED, "endpoint": "http://user:hush@127.0.0.1"}, "without user"),
        ({**DECLARED, "endpoint": "http://127.0.0.1:99999"}, "AWS_ENDPOINT_URL is not an endpoint"),
        ({**DECLARED, "endpoint": "http://a b"}, "AWS_ENDPOINT_URL is not an endpoint"),
        ({**DECLARED, "endpoint": "http://x/\r\nHost: y"}, "AWS_ENDPOINT_URL is not an endpoint"),
        ({**DECLARED, "access_key": "AKID"}, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not"),
        (
            {**DECLARED, "secret_key": Secret("hush")},
            "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(settings: dict[str, str | Secret], words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        address(settings, Options())
    assert "hush" not in str(raised.value)


def test_every_variable_is_one_that_all_databases_share() -> None:
    assert all(each.shared for each in VARIABLES)
    assert {each.name for each in VARIABLES if each.secret} == {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    names = [each.name for each in VARIABLES if each.setting == "caller_region"]
    assert names == ["AWS_DEFAULT_REGION", "AWS_REGION"]  # the last one wins


def test_options_refuse_what_they_do_not_know() -> None:
    assert msgspec.convert({"segments": 8}, Options).segments == 8
    for wrong in ({"segment": 8}, {"segments": 0}, {"lease_seconds": 1}, {"write_units": -1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, Options)
