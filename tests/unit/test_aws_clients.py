"""What answers in the place of AWS, and is not AWS: a proxy's page, another server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seedbed.aws import clients, identity
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
