"""A domain of OpenSearch as AWS has it: HTTPS, and every request signed by a role that may do what it asks."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.aws_proxy.http import Closed, Request, Response, Wire
from tests.support.aws_proxy.policies import Asked, allows
from tests.support.aws_proxy.proxy import Connection
from tests.support.wire.tls import Serve

# By an access key: the credentials that belong to it, and the statements of the role that they are for.
Known = Callable[[str], tuple[Credentials, Sequence[Mapping[str, Any]]] | None]
_OURS = ("authorization", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token")


def signed(upstream: str, known: Known, arn: str, region: str) -> Serve:
    """Return what answers for the domain `arn`, whose server is at the URL `upstream`."""
    where = urlsplit(upstream)
    server = where.hostname or "", where.port or 80

    def serve(client: ssl.SSLSocket) -> None:
        connection = Connection(server, _opened)
        wire = Wire(client)
        try:
            with suppress(Closed):
                while True:
                    request = wire.request()
                    answer = _refused(request, known, arn, region) or connection.ask(_plain(request))
                    wire.send(answer.encoded())
        finally:
            connection.close()

    return serve


@contextmanager
def _opened(connection: socket.socket) -> Iterator[Wire]:
    wire = Wire(connection)
    try:
        yield wire
    finally:
        wire.close()


def _plain(request: Request) -> Request:
    headers = {name: value for name, value in request.headers.items() if name not in _OURS}
    return Request(request.method, request.target, {**headers, "host": "localhost"}, request.body)


def _refused(request: Request, known: Known, arn: str, region: str) -> Response | None:
    """Return the answer to a request that is not signed, or by nobody who may; None where it is let through."""
    said = request.headers.get("authorization", "")
    if not said.startswith("AWS4-HMAC-SHA256 "):
        return _forbidden("User: anonymous is not authorized to perform: es:ESHttp")
    parts = dict(each.strip().split("=", 1) for each in said.split(" ", 1)[1].split(","))
    key, *scope = parts["Credential"].split("/")
    found = known(key)
    if found is None:
        return _forbidden("The security token included in the request is invalid.")
    credentials, statements = found
    if scope[1:] != [region, "es", "aws4_request"]:
        return _forbidden("Credential should be scoped to a valid region and service.")
    if not _is_true(request, parts, credentials, region):
        return _forbidden("The request signature we calculated does not match the signature you provided.")
    path = request.target.partition("?")[0]
    asked = Asked(f"es:ESHttp{request.method.capitalize()}", f"{arn}{path}")
    return None if allows(statements, asked) else _forbidden(f"no permission to perform: {asked.action}")


def _is_true(request: Request, parts: Mapping[str, str], credentials: Credentials, region: str) -> bool:
    digest = hashlib.sha256(request.body).hexdigest()
    if request.headers.get("x-amz-content-sha256", digest) != digest:
        return False
    if request.headers.get("x-amz-security-token") != credentials.token:
        return False
    names = parts["SignedHeaders"].split(";")
    again = AWSRequest(
        request.method,
        f"https://{request.headers['host']}{request.target}",
        {name: request.headers[name] for name in names},
        request.body,
    )
    again.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(credentials, "es", region)
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return bool(signer.signature(text, again) == parts["Signature"])


def _forbidden(message: str) -> Response:
    return Response(403, {"content-type": "application/json"}, json.dumps({"message": message}).encode())
