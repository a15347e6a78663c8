"""A worker whose surroundings are silent, or somebody else's: its work goes on, and it knows who it is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast

import pytest

from seedbed.model.event import WorkProgressed
from seedbed.remote.control import Control
from seedbed.remote.records import Happened, Written
from seedbed.remote.worker import METADATA, this_task
from seedbed.remote.writing import Writer
from tests.support.remote import asked

ARN = "arn:aws:ecs:eu-central-1:111111111111:task/shop/1"


def test_a_worker_that_cannot_write_is_not_slowed_down_by_what_waits() -> None:
    """Once results alone are more than the limit, nothing that waits is looked at again for each line."""
    writer = Writer(cast("Control", None), cast("Any", asked("dev-a")), pause=1.0, log=print, limit=1_000_000)
    progress = Happened(WorkProgressed("user/postgres", "1", 1, 2, "rows"))
    began = time.process_time()
    for number in range(20_000):
        writer.put(Written("stdout", f"{number} {'x' * 80}"))
        writer.put(progress)
    assert time.process_time() - began < 5.0
    kept = [line for line, is_passing in writer._waiting if not is_passing]
    assert len(kept) == 20_000
    assert writer.dropped > 15_000
    assert writer._bytes == sum(len(line) for line, _ in writer._waiting)
    assert writer._passing == sum(len(line) for line, is_passing in writer._waiting if is_passing)


@pytest.fixture
def metadata() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Where ECS tells a container who it is, and what it says there."""
    said = {"body": json.dumps({"TaskARN": ARN}).encode()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(said["body"])

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v4/x", said
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_it_is_is_asked_past_any_proxy(
    metadata: tuple[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, said = metadata
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert this_task({METADATA: url}) == ARN
    for body in (b"[1]", b"null", b"{}", b"no JSON"):
        said["body"] = body
        assert this_task({METADATA: url}).startswith("local:")
