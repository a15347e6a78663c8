"""Our signer beside botocore's: the same bytes, or AWS would refuse us."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import NoCredentials
from seedbed.aws.keys import Chain
from seedbed.engines.dynamodb.wire.signing import Signer
from seedbed.model.secret import Secret
from seedbed.wire.signing import Keys

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
token = st.just("") | printable


def signer(
    moment: float, *, host: str = "localhost:8000", path: str = "/", target: str = "DynamoDB_20120810"
) -> Signer:
    return Signer(
        host=host,
        path=path,
        region="eu-central-1",
        service="dynamodb",
        target=target,
        clock=lambda: moment,
    )


def theirs(moment: float, headers: dict[str, str], url: str, body: bytes, keys: Keys) -> str:
    """Return botocore's Authorization header of the same request at the same moment."""
    request = AWSRequest("POST", url, headers, body)
    credentials = Credentials(keys.access_key, keys.secret_key, keys.session_token or None)
    now = datetime.fromtimestamp(moment, UTC)
    with mock.patch.object(auth, "get_current_datetime", return_value=now):
        auth.SigV4Auth(credentials, "dynamodb", "eu-central-1").add_auth(request)
    return str(request.headers["Authorization"])


def parsed(head: bytes) -> dict[str, str]:
    assert head.endswith(b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])


@given(
    body=st.binary(max_size=300),
    access=printable,
    secret=printable,
    session=token,
    moment=st.floats(0, 4e9).map(lambda seconds: round(seconds, 3)),  # botocore's clock has microseconds
)
def test_the_signature_is_botocores(
    body: bytes, access: str, secret: str, session: str, moment: float
) -> None:
    keys = Keys(access, secret, session)
    headers = parsed(signer(moment).head("PutItem", body, keys))
    signed = {"Content-Type": headers["Content-Type"], "X-Amz-Target": headers["X-Amz-Target"]}
    assert headers["X-Amz-Target"] == "DynamoDB_20120810.PutItem"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Authorization"] == theirs(moment, signed, "http://localhost:8000/", body, keys)


def test_a_path_in_the_endpoint_is_signed_too() -> None:
    keys = Keys("AKID", "secret", "")
    headers = parsed(signer(1e9, host="example.com", path="/aws/").head("Scan", b"{}", keys))
    signed = {"Content-Type": headers["Content-Type"], "X-Amz-Target": headers["X-Amz-Target"]}
    assert headers["Authorization"] == theirs(1e9, signed, "http://example.com/aws/", b"{}", keys)


def test_the_key_of_a_day_is_made_anew_for_the_next_day_and_for_other_keys() -> None:
    moments = [1e9, 1e9 + 86_400, 1e9]
    now = iter([each for each in moments for _ in range(3)])
    one = Signer(
        host="h", path="/", region="eu-central-1", service="dynamodb", target="T", clock=lambda: next(now)
    )
    for moment in moments:
        for keys in (Keys("A", "s", ""), Keys("A", "t", ""), Keys("A", "s", "token")):
            fresh = signer(moment, host="h", target="T")
            assert one.head("Scan", b"{}", keys) == fresh.head("Scan", b"{}", keys)


@pytest.mark.parametrize("broken", ["AKID\r\nX-Evil: 1", "AKID ", "käse"])
def test_keys_that_no_header_can_carry_are_refused_and_not_shown(broken: str) -> None:
    for setting in ("access_key", "session_token"):
        given = {"access_key": "AKID", "secret_key": Secret("s"), setting: broken}
        token = given.get("session_token")
        cloud = Cloud("eu-central-1", **{**given, "session_token": Secret(str(token)) if token else None})  # type: ignore[arg-type]
        with pytest.raises(NoCredentials, match="are broken") as raised:
            Chain(cloud)
        assert broken not in str(raised.value)


def test_keys_do_not_show_their_secret() -> None:
    assert "hush" not in repr(Keys("AKID", "hush", "hush-too"))
