"""Which proxy leads to a server, by the variables that every tool reads."""

from __future__ import annotations

import pytest

from seedbed.errors import UsageError
from seedbed.wire.endpoint import endpoint
from seedbed.wire.proxies import proxy

AWS = "https://dynamodb.eu-central-1.amazonaws.com"


def found(url: str, **environ: str) -> str:
    return str(proxy(endpoint(url), environ) or "")


def test_a_scheme_has_its_own_variable() -> None:
    assert found(AWS) == ""
    assert found(AWS, HTTPS_PROXY="http://corp:3128") == "corp:3128"
    assert found(AWS, HTTP_PROXY="http://corp:3128") == ""
    assert found("http://search.corp", HTTP_PROXY="http://corp") == "corp:80"
    assert found("http://search.corp", HTTPS_PROXY="http://corp:3128") == ""
    assert found(AWS, HTTPS_PROXY="corp:3128") == "corp:3128"
    assert found(AWS, HTTPS_PROXY="http://[::1]:3128/") == "::1:3128"


def test_the_name_in_lower_case_wins_even_where_it_is_empty() -> None:
    assert found(AWS, https_proxy="http://a:1", HTTPS_PROXY="http://b:2") == "a:1"
    assert found(AWS, https_proxy="", HTTPS_PROXY="http://b:2") == ""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(host: str) -> None:
    assert found(f"http://{host}:9200", HTTP_PROXY="http://corp:3128") == ""


def test_a_name_that_only_looks_like_this_machine_is_another_one() -> None:
    assert found("http://127.corp.example:9200", HTTP_PROXY="http://corp:3128") == "corp:3128"


@pytest.mark.parametrize(
    ("entries", "is_exempt"),
    [
        ("*", True),
        ("amazonaws.com", True),
        (".amazonaws.com", True),
        ("*.amazonaws.com", True),
        ("localhost, dynamodb.eu-central-1.amazonaws.com", True),
        ("DynamoDB.eu-central-1.AmazonAWS.com", True),
        ("amazonaws.com:443", True),
        ("amazonaws.com:8443", False),
        ("aws.com", False),
        ("s3.eu-central-1.amazonaws.com", False),
        ("10.0.0.0/8", False),
        ("", False),
        (" , .", False),
    ],
)
def test_no_proxy_names_what_is_reached_straight(entries: str, is_exempt: bool) -> None:
    assert (found(AWS, HTTPS_PROXY="http://corp:3128", NO_PROXY=entries) == "") is is_exempt


@pytest.mark.parametrize(
    ("entries", "is_exempt"),
    [
        ("10.0.0.0/8", True),
        ("10.1.2.3", True),
        ("10.1.2.3:9200", True),
        ("10.1.2.3:9201", False),
        ("fd00::/8", False),
        ("1.2.3", False),
    ],
)
def test_addresses_and_networks_are_exempt_too(entries: str, is_exempt: bool) -> None:
    assert (found("http://10.1.2.3:9200", http_proxy="corp:3128", no_proxy=entries) == "") is is_exempt


def test_an_address_of_version_6_is_exempt_with_and_without_brackets() -> None:
    for entries in ("fd00::1", "[fd00::1]", "[fd00::1]:9200", "fd00::/8"):
        assert found("http://[fd00::1]:9200", http_proxy="corp:3128", no_proxy=entries) == ""


def test_a_login_is_unquoted_and_never_shown() -> None:
    made = proxy(endpoint(AWS), {"HTTPS_PROXY": "http://ana:p%40ss%2Fword@corp:3128"})
    assert made
    assert made.login == "Basic YW5hOnBAc3Mvd29yZA=="  # ana:p@ss/word
    assert "ss" not in f"{made} {made!r}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("socks5h://ana:hush@corp:1080", "SOCKS"),
        ("https://ana:hush@corp:3128", "https://"),
        ("http://ana:hush@:3128", "names no proxy"),
        ("http://corp:hush", "names no proxy"),
        ("http://[hush", "names no proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_with_a_reason_and_shows_no_password(
    text: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        found(AWS, HTTPS_PROXY=text)
    assert "hush" not in str(caught.value)
    assert "HTTPS_PROXY" in str(caught.value)
