"""What a request asks of AWS, whichever of AWS's protocols it is written in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.support.aws_proxy.http import Request, Response

READS = (
    *(
        "BatchGet",
        "Describe",
        "Detect",
        "Estimate",
        "Get",
        "Head",
        "List",
        "Query",
        "Scan",
        "Search",
        "TransactGet",
    ),
    *("AssumeRole", "Validate"),
)
KEPT_BYTES = 1 << 20  # of one answer
KEPT_CALLS = 20_000  # whole
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_S3 = {
    "GET": "GetObject",
    "PUT": "PutObject",
    "HEAD": "HeadObject",
    "DELETE": "DeleteObject",
    "POST": "PostObject",
}
# What S3 is asked about, by the first word of the query
_S3_ABOUT = {
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "list-type"): "ListObjectsV2",
    ("POST", "delete"): "DeleteObjects",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}
_PROTOCOLS = {
    "cloudformation": "query",
    "iam": "query",
    "rds": "query",
    "sns": "query",
    "sts": "query",
    "s3": "xml",
    "lambda": "rest",
}


@dataclass(slots=True)
class Call:
    """One call: what was asked, and what became of it.

    `at` and `seconds` are of the monotonic clock. `status` and `answer` are what the client was sent, if it was
    still there (0: nothing); `forwarded` says whether the server got it. `units` is the consumed capacity that the
    server told.
    """

    request: Request
    service: str
    operation: str
    region: str = ""
    access_key: str = ""
    at: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    forwarded: bool = False
    status: int = 0
    answer: bytes = b""
    units: float = 0.0

    def lighten(self) -> None:
        """Forget what was said, and keep what it was: of the older ones of very many."""
        self.request, self.answer = self.request.with_body(b""), b""

    @property
    def protocol(self) -> str:
        """json, query (XML out), xml (S3), rest."""
        return _PROTOCOLS.get(self.service, "json")

    @property
    def asked(self) -> Mapping[str, Any]:
        """The parameters: parsed JSON, or the form's fields."""
        if self.protocol == "query":
            return dict(parse_qsl(self.request.body.decode(), keep_blank_values=True))
        try:
            found = json.loads(self.request.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def answered(self) -> Mapping[str, Any]:
        """The answer's JSON; empty where it is none."""
        try:
            found = json.loads(self.answer)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def tables(self) -> frozenset[str]:
        """The tables that a call to DynamoDB names."""
        asked = self.asked
        named = [asked.get("TableName", ""), *asked.get("RequestItems", ())]
        for each in asked.get("TransactItems", ()):
            named += [part.get("TableName", "") for part in each.values()]
        return frozenset(filter(None, named))

    @property
    def mutates(self) -> bool:
        return mutating(self)

    @property
    def error(self) -> str:
        """The code of the error that the client was sent, "" if none."""
        if self.status < 400:
            return ""
        if self.protocol in ("query", "xml"):
            found = re.search(rb"<Code>([^<]*)</Code>", self.answer)
            return found[1].decode() if found else str(self.status)
        return str(self.answered.get("__type", self.status)).rpartition("#")[2]


def mutating(call: Call) -> bool:
    """Return whether a call changes something, should it arrive; PartiQL that is no SELECT does."""
    if call.operation in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"):
        return re.search(rb'"Statement"\s*:\s*"\s*(?!select)\w', call.request.body, re.IGNORECASE) is not None
    return not call.operation.startswith(READS)


def recognised(request: Request) -> Call:
    """Return the call that a request makes, not yet carried out."""
    credential = _CREDENTIAL.search(request.headers.get("authorization", ""))
    access_key, region, service = credential.groups() if credential else ("", "", "")
    target, _, operation = request.headers.get("x-amz-target", "").rpartition(".")
    if target.startswith("DynamoDB_"):
        service = "dynamodb"
    if not operation:
        operation = _by_form(request) or _by_path(request)
    if operation == "AssumeRoleWithWebIdentity":  # which nothing signs
        service = "sts"
    return Call(request, service, operation, region, access_key)


def _by_form(request: Request) -> str:
    found = re.search(r"(?:^|[?&])Action=(\w+)", request.body[:4096].decode("latin-1")) or re.search(
        r"[?&]Action=(\w+)", request.target
    )
    return found[1] if found else ""


def _by_path(request: Request) -> str:
    if found := re.search(r"/operation/(\w+)$", request.target):  # Smithy RPC
        return found[1]
    path, _, query = request.target.partition("?")
    path = path.strip("/")
    for each in query.split("&"):
        if found_about := _S3_ABOUT.get((request.method, each.partition("=")[0])):
            return found_about
    if not path:
        return "ListBuckets" if request.method == "GET" else request.method
    if "/" in path:
        return _S3.get(request.method, request.method)
    return {"GET": "ListObjects", "PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}.get(
        request.method, request.method
    )


def consumed(response: Response) -> float:
    """Return the capacity units that an answer of DynamoDB tells, all tables and indexes together."""
    if b'"ConsumedCapacity"' not in response.body:
        return 0.0
    found = json.loads(response.body).get("ConsumedCapacity") or []
    return float(
        sum(each.get("CapacityUnits", 0.0) for each in (found if isinstance(found, list) else [found]))
    )
