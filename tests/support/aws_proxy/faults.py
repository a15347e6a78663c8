"""Errors as AWS writes them, in the protocol of the call that they answer."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.support.aws_proxy.calls import Call
from tests.support.aws_proxy.http import Response

_NAMESPACES = {"dynamodb": "com.amazonaws.dynamodb.v20120810"}
THROTTLED = {
    "ProvisionedThroughputExceededException": "The level of configured provisioned throughput for the table was "
    "exceeded. Consider increasing your provisioning level with the UpdateTable API.",
    "ThrottlingException": "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically "
    "scaling your table or index so please try again shortly. If exceptions persist, check if you have a hot key: "
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html",
    "RequestLimitExceeded": "Throughput exceeds the current throughput limit for your account. Please contact AWS "
    "Support at https://aws.amazon.com/support request a limit increase",
    "Throttling": "Rate exceeded",
}


def fault(call: Call, code: str, message: str, status: int = 400, **more: Any) -> Response:
    """Return the answer that refuses `call`; `more` are further fields where it is JSON."""
    request_id = str(uuid.uuid4())
    if call.protocol == "query":
        kind = "Sender" if status < 500 else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{_escaped(message)}</Message>"
            f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return Response(status, {"content-type": "text/xml", "x-amzn-requestid": request_id}, body.encode())
    if call.protocol == "xml":
        body = f"<Error><Code>{code}</Code><Message>{_escaped(message)}</Message></Error>"
        return Response(
            status, {"content-type": "application/xml", "x-amz-request-id": request_id}, body.encode()
        )
    prefix = _NAMESPACES.get(call.service, "com.amazon.coral.service")
    body = json.dumps({"__type": f"{prefix}#{code}", "message": message, **more})
    headers = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": request_id}
    if call.protocol == "rest":
        headers["x-amzn-errortype"] = code
    return Response(status, headers, body.encode())


def throttled(call: Call, code: str = "") -> Response:
    """Return the answer to one call too many."""
    if not code:
        code = (
            "ProvisionedThroughputExceededException" if call.service == "dynamodb" else "ThrottlingException"
        )
        code = "Throttling" if call.protocol == "query" else code
    return fault(call, code, THROTTLED.get(code, "Rate exceeded"), 503 if call.protocol == "xml" else 400)


def expired(call: Call) -> Response:
    """Return the answer to credentials that were valid once."""
    if call.protocol == "query":
        return fault(call, "ExpiredToken", "The security token included in the request is expired", 403)
    if call.protocol == "xml":
        return fault(call, "ExpiredToken", "The provided token has expired.")
    if call.protocol == "rest":
        return fault(
            call, "ExpiredTokenException", "The security token included in the request is expired", 403
        )
    # Whoever checks signatures is in front of the service: not the service's own namespace.
    found = fault(call, "ExpiredTokenException", "The security token included in the request is expired")
    return found.with_body(
        found.body.replace(b"com.amazonaws.dynamodb.v20120810", b"com.amazon.coral.service")
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
