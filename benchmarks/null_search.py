"""An OpenSearch that takes every `_bulk` and forgets all but the ids: so that a client's own cost is what is measured.

``python -m benchmarks.null_search`` prints the port that it listens on. It ends with its standard input. Whoever asks
for `filter_path` gets what OpenSearch leaves of an answer then, anybody else all of it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import threading

import msgspec

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


def digest(ids: list[str]) -> str:
    """Return what two lists of ids have in common only if they hold the same ones equally often."""
    return hashlib.sha256(repr(sorted(ids)).encode()).hexdigest()


def serve(connection: socket.socket, sink: Sink) -> None:
    """Answer one connection's requests until it ends."""
    left = b""
    with connection:
        while True:
            while (end := left.find(b"\r\n\r\n")) < 0:
                if not (more := connection.recv(1 << 18)):
                    return
                left += more
            head, left = left[:end].lower(), left[end + 4 :]
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            pieces, have = [left], len(left)
            while have < length:
                pieces.append(connection.recv(1 << 18))
                have += len(pieces[-1])
            received = b"".join(pieces)
            body, left = received[:length], received[length:]
            line = head.split(b"\r\n", 1)[0]
            if b"/_bulk" in line:
                answer = sink.bulk(body, is_filtered=b"filter_path" in line)
            else:
                answer = msgspec.json.encode(sink.report())
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nX-OpenSearch-Version: OpenSearch/3.6.0 (opensearch)\r\n"
                b"content-type: application/json; charset=UTF-8\r\ncontent-length: %d\r\n\r\n"
                % len(answer)
                + answer
            )


def main() -> None:
    sink = Sink()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_end_with_input, daemon=True).start()
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection, sink), daemon=True).start()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
