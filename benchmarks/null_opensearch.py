"""An OpenSearch that takes every `_bulk` and forgets all but the ids: so that a client's own cost is what is measured.

``python -m benchmarks.null_opensearch`` prints the port that it listens on. It ends with its standard input. Whoever
asks for `filter_path` gets what OpenSearch leaves of an answer then, anybody else all of it.
"""

from __future__ import annotations

import threading

import msgspec

from benchmarks.null_http import digest, run

_WHOLE = (
    b'{"index":{"_index":"lessons-1","_id":%s,"_version":1,"result":"created",'
    b'"_shards":{"total":1,"successful":1,"failed":0},"_seq_no":%d,"_primary_term":1,"status":201}}'
)
_FILTERED = b'{"index":{"_shards":{"failed":0},"status":201}}'


class Report(msgspec.Struct):
    """What has arrived since the last report. `digest`: of all ids, sorted; `problems`: what no OpenSearch takes."""

    requests: int
    documents: int
    largest: int
    digest: str
    problems: list[str]


class _Meta(msgspec.Struct):
    id: str = msgspec.field(name="_id")


class _Action(msgspec.Struct, forbid_unknown_fields=True):
    index: _Meta


_action = msgspec.json.Decoder(_Action).decode
_document = msgspec.json.Decoder().decode


class Sink:
    """Everything that arrived, from all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self.requests = self.largest = 0
        self.ids: list[str] = []
        self.problems: list[str] = []

    def bulk(self, body: bytes, *, is_filtered: bool) -> bytes:
        """Take a batch and return what OpenSearch answers."""
        lines = body.split(b"\n")
        if lines.pop() or len(lines) % 2:
            self.problems.append("the lines are no pairs that end with a line break")
        ids = [_action(each).index.id for each in lines[::2]]
        for each in lines[1::2]:
            _document(each)
        with self._lock:
            self.requests += 1
            self.largest = max(self.largest, len(ids))
            self.ids += ids
        if is_filtered:
            return b'{"errors":false,"items":[' + b",".join([_FILTERED] * len(ids)) + b"]}"
        items = [_WHOLE % (msgspec.json.encode(each), at) for at, each in enumerate(ids)]
        return b'{"took":30,"errors":false,"items":[' + b",".join(items) + b"]}"

    def report(self) -> Report:
        with self._lock:
            made = Report(self.requests, len(self.ids), self.largest, digest(self.ids), list(self.problems))
            self._clear()
            return made


SINK = Sink()


def answered(head: bytes, body: bytes) -> bytes:
    line = head.split(b"\r\n", 1)[0]
    if b"/_bulk" in line:
        answer = SINK.bulk(body, is_filtered=b"filter_path" in line)
    else:
        answer = msgspec.json.encode(SINK.report())
    return (
        b"HTTP/1.1 200 OK\r\nX-OpenSearch-Version: OpenSearch/3.6.0 (opensearch)\r\n"
        b"content-type: application/json; charset=UTF-8\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer
    )


if __name__ == "__main__":
    run(answered)
