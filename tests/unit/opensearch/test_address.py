"""Settings -> where a cluster is and how its requests prove who sends them."""

from __future__ import annotations

import pytest

from seedbed.engines.opensearch.address import VARIABLES, address
from seedbed.engines.opensearch.options import Options
from seedbed.engines.opensearch.wire import serverless
from seedbed.errors import Refused, UsageError
from seedbed.model.secret import Secret

DOMAIN = "https://search-ai-abc123.eu-central-1.es.amazonaws.com"
COLLECTION = "https://abc123.eu-central-1.aoss.amazonaws.com"


def test_an_endpoint_alone_is_enough_where_nobody_asks_who_we_are() -> None:
    found = address({"endpoint": "http://127.0.0.1:9200/"}, Options(lease_seconds=7))
    assert (found.endpoint, found.auth, found.lease_seconds) == ("http://127.0.0.1:9200", "none", 7)
    assert found.secrets == ()


def test_a_user_means_a_login_and_the_address_does_not_show_it() -> None:
    settings: dict[str, str | Secret] = {
        "endpoint": "https://search.example.org",
        "user": "ana",
        "password": Secret("very secret"),
    }
    found = address(settings, Options())
    assert found.auth == "basic"
    assert [each.reveal() for each in found.secrets] == ["very secret"]
    assert "secret" not in f"{found} {found!r}"


@pytest.mark.parametrize(
    ("endpoint", "region", "service"),
    [
        (DOMAIN, "eu-central-1", "es"),
        (COLLECTION, "eu-central-1", "aoss"),
        ("https://vpc-ai.us-gov-west-1.es.amazonaws.com", "us-gov-west-1", "es"),
        ("https://vpc-ai.cn-north-1.es.amazonaws.com.cn", "cn-north-1", "es"),
        ("https://search-ai.eu-west-1.es.on.aws", "eu-west-1", "es"),
    ],
)
def test_the_name_of_a_host_of_aws_says_how_its_requests_are_signed(
    endpoint: str, region: str, service: str
) -> None:
    found = address({"endpoint": endpoint, "region": "us-east-1"}, Options())
    assert found.cloud is not None
    assert (found.auth, found.cloud.region, found.service) == ("aws", region, service)


def test_a_name_of_ones_own_is_signed_for_where_the_settings_say() -> None:
    settings = {"endpoint": "https://search.example.org", "auth": "aws", "region": "eu-north-1"}
    found = address({**settings, "access_key": "AKIA", "secret_key": Secret("hush hush")}, Options())
    assert found.cloud is not None
    assert (found.cloud.region, found.cloud.access_key) == ("eu-north-1", "AKIA")
    assert [each.reveal() for each in found.secrets] == ["hush hush"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "OPENSEARCH_ENDPOINT"),
        ({"endpoint": "127.0.0.1:9200"}, "not an endpoint"),
        ({"endpoint": "https://ana:very@host"}, "not an endpoint"),
        ({"endpoint": "https://host/?a=b"}, "not an endpoint"),
        ({"endpoint": "https://host:0"}, "not an endpoint"),
        ({"endpoint": "https://ho st"}, "not an endpoint"),
        ({"endpoint": "https://host", "auth": "oauth"}, "OPENSEARCH_AUTH=oauth"),
        ({"endpoint": "https://host", "auth": "basic"}, "OPENSEARCH_USERNAME"),
        ({"endpoint": "https://host", "user": "ana"}, "OPENSEARCH_PASSWORD"),
        ({"endpoint": "http://host:9200", "user": "ana", "password": "very@"}, "sent to host unencrypted"),
        ({"endpoint": "http://127.evil.example", "user": "ana", "password": "very@"}, "unencrypted"),
        ({"endpoint": "https://host", "auth": "aws"}, "region"),
        ({"endpoint": DOMAIN, "access_key": "AKIA"}, "AWS_SECRET_ACCESS_KEY"),
        ({"endpoint": DOMAIN, "secret_key": "hush"}, "AWS_ACCESS_KEY_ID"),
        ({"endpoint": "https://host", "service": "s3"}, "s3"),
        ({"endpoint": "https://host", "port": "9200"}, "port"),
    ],
)
def test_what_is_missing_or_wrong_is_named(settings: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        address(settings, Options())
    assert "very@" not in str(caught.value)


def test_a_password_may_be_sent_to_this_machine_without_tls() -> None:
    for endpoint in ("http://127.0.0.1:9200", "http://localhost:9200", "http://[::1]:9200"):
        assert address({"endpoint": endpoint, "user": "ana", "password": "x"}, Options()).auth == "basic"


def test_serverless_is_refused_by_name_and_says_what_it_lacks() -> None:
    found = address({"endpoint": COLLECTION}, Options())
    with pytest.raises(Refused, match=r"Serverless(?s:.)*_reindex(?s:.)*_tasks"):
        serverless.require_more(found)
    serverless.require_more(address({"endpoint": DOMAIN}, Options()))


def test_a_region_that_is_told_goes_before_that_of_the_caller() -> None:
    settings = {"endpoint": "https://search.example.org", "auth": "aws", "caller_region": "us-east-1"}
    regions = [address(each, Options()).cloud for each in (settings, {**settings, "region": "eu-north-1"})]
    assert [each.region for each in regions if each] == ["us-east-1", "eu-north-1"]


def test_the_account_that_a_domain_is_in_is_known_where_requests_are_signed() -> None:
    found = address({"endpoint": DOMAIN, "account": "111111111111", "region": "eu-central-1"}, Options())
    assert found.cloud is not None
    assert found.cloud.account == "111111111111"


def test_only_passwords_and_keys_are_secret_variables() -> None:
    assert {each.name for each in VARIABLES if each.secret} == {
        "OPENSEARCH_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    }
    assert [each.name for each in VARIABLES if each.required] == ["OPENSEARCH_ENDPOINT"]
