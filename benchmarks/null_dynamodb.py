"""A DynamoDB that takes every batch and forgets all but the keys: so that a client's own cost is what is measured.

``python -m benchmarks.null_dynamodb [UPSTREAM]`` prints the port that it listens on. It ends with its standard input.
UPSTREAM, the URL of a DynamoDB, is asked all else; without one the answer is empty.
"""

from __future__ import annotations

import sys
import threading
import urllib.error
import urllib.request
import zlib

import msgspec

from benchmarks.null_http import digest, run

KEY = ("conversation_id", "message_id")
_ANSWER = b'{"UnprocessedItems":{}}'
_EMPTY = b"{}"
UPSTREAM = sys.argv[1] if __name__ == "__main__" and len(sys.argv) > 1 else ""


class Report(msgspec.Struct):
    """What has arrived since the last report. `digest`: of all keys, sorted; `problems`: what no DynamoDB takes."""

    requests: int
    items: int
    keys: int
    digest: str
    problems: list[str]


class _Put(msgspec.Struct):
    Item: dict[str, dict[str, object]]


class _Write(msgspec.Struct):
    PutRequest: _Put


class _Batch(msgspec.Struct):
    RequestItems: dict[str, list[_Write]]


_decode = msgspec.json.Decoder(_Batch).decode


class Sink:
    """Everything that arrived, from all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self.requests = self.items = 0
        self.keys: set[tuple[str, ...]] = set()
        self.problems: list[str] = []

    def batch(self, body: bytes) -> None:
        with self._lock:
            self.requests += 1
            for table, writes in _decode(body).RequestItems.items():
                found = [key_of(each.PutRequest.Item) for each in writes]
                self.items += len(found)
                if not 1 <= len(found) <= 25 or len(set(found)) != len(found):
                    self.problems.append(f"{table}: {len(found)} items, {len(set(found))} keys in a batch")
                self.keys.update(found)

    def report(self) -> Report:
        with self._lock:
            made = Report(
                self.requests, self.items, len(self.keys), digest(list(self.keys)), list(self.problems)
            )
            self._clear()
            return made


def key_of(item: dict[str, dict[str, object]]) -> tuple[str, ...]:
    return tuple(str(item[name]["S"]) for name in KEY)


SINK = Sink()


def answered(head: bytes, body: bytes) -> bytes:
    status, answer = b"200 OK", _EMPTY
    if b".BatchWriteItem" in head:
        SINK.batch(body)
        answer = _ANSWER
    elif head.startswith(b"GET /report"):
        answer = msgspec.json.encode(SINK.report())
    elif UPSTREAM:
        status, answer = passed_on(head, body)
    return (
        b"HTTP/1.1 %s\r\nServer: Server\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\n"
        b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nConnection: keep-alive\r\n"
        b"x-amzn-RequestId: 7G0QH2LN4JQ8HRNT5RDU3JAK5VVV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
        b"x-amz-crc32: %d\r\n\r\n" % (status, len(answer), zlib.crc32(answer)) + answer
    )


def passed_on(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Return the status and the body that the upstream answers."""
    sent = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    headers = {name.decode(): value.decode() for name, value in sent.items() if name.lower() != b"connection"}
    request = urllib.request.Request(UPSTREAM, body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return b"200 OK", answer.read()
    except urllib.error.HTTPError as error:
        return b"%d Refused" % error.code, error.read()


if __name__ == "__main__":
    run(answered)
