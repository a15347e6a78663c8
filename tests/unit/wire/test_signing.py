"""Our signer of any request beside botocore's: the same bytes, or AWS would refuse us."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from seedbed.engines.opensearch.rest import path, query
from seedbed.wire.signing import Keys, Signer

HOST = "search-ai-abc.eu-central-1.es.amazonaws.com"
printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
segments = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4)
params = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=4)


def encodable(text: str) -> bool:
    return not any(0xD800 <= ord(each) < 0xE000 for each in text)


def signed(
    moment: float,
    method: str,
    url: str,
    body: bytes,
    keys: Keys,
    *,
    service: str = "es",
    headers: dict[str, str] | None = None,
) -> dict[str, str]:
    given = {"Content-Type": "application/json"} if headers is None else headers
    signer = Signer(host=HOST, region="eu-central-1", service=service, clock=lambda: moment)
    return signer.signed(method, url, given, body, keys)


def theirs(moment: float, method: str, url: str, body: bytes, headers: dict[str, str], keys: Keys) -> str:
    """Return botocore's Authorization header of the same request at the same moment."""
    request = AWSRequest(method, f"https://{HOST}{url}", headers, body)
    scope = headers["Authorization"].split("/")
    del request.headers["Authorization"]
    credentials = Credentials(keys.access_key, keys.secret_key, keys.session_token or None)
    now = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    with mock.patch.object(auth, "get_current_datetime", return_value=now):
        auth.SigV4Auth(credentials, scope[3], scope[2]).add_auth(request)
    found: str = request.headers["Authorization"]
    return found


@settings(deadline=None)
@given(
    moment=st.integers(0, 4_000_000_000).map(float),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    names=segments.filter(lambda each: encodable("".join(each))),
    words=params.filter(lambda each: encodable("".join([*each, *each.values()]))),
    body=st.binary(max_size=200),
    key=printable,
    secret=printable,
    token=st.just("") | printable,
    service=st.sampled_from(["es", "aoss", "dynamodb"]),
    named=st.sampled_from(
        [{}, {"Content-Type": "application/json"}, {"X-Amz-Target": "DynamoDB_20120810.PutItem"}]
    ),
)
def test_every_request_is_signed_as_botocore_signs_it(
    moment: float,
    method: str,
    names: list[str],
    words: dict[str, str],
    body: bytes,
    key: str,
    secret: str,
    token: str,
    service: str,
    named: dict[str, str],
) -> None:
    keys = Keys(key.replace("/", "-"), secret, token)
    url = path(*names) + query(words)
    mine = signed(moment, method, url, body, keys, service=service, headers=named)
    assert mine["Authorization"] == theirs(moment, method, url, body, mine, keys)


def test_the_key_of_a_day_is_made_anew_for_the_next_day_and_for_other_keys() -> None:
    moments = [1e9, 1e9 + 86_400, 1e9]
    now = iter([each for each in moments for _ in range(3)])
    one = Signer(host=HOST, region="eu-central-1", service="es", clock=lambda: next(now))
    for moment in moments:
        for keys in (Keys("A", "s", ""), Keys("A", "t", ""), Keys("A", "s", "token")):
            assert one.signed("GET", "/", {}, b"", keys) == signed(moment, "GET", "/", b"", keys, headers={})


def test_what_a_proxy_may_change_is_not_signed() -> None:
    headers = {"User-Agent": "seedbed", "Accept-Encoding": "identity", "X-Opaque-Id": "one"}
    mine = signed(0.0, "GET", "/_tasks?detailed=true", b"", Keys("AKIA", "secret", ""), headers=headers)
    names = mine["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert names == ["host", "x-amz-content-sha256", "x-amz-date", "x-opaque-id"]


@pytest.mark.parametrize("token", ["", "a token"])
def test_the_session_token_goes_with_it_and_nothing_else_that_is_secret(token: str) -> None:
    mine = signed(0.0, "GET", "/", b"", Keys("AKIA", "very secret", token))
    assert mine.get("X-Amz-Security-Token", "") == token
    assert not any("very secret" in each for each in mine.values())
