"""What stands before ministack: who may ask, what an answer may say, and when what is held is saved."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox import serving
from seedbed.engines.dynamodb.sandbox.serving import Kept, Message, Receive, Send

HERE = (b"host", b"127.0.0.1:4566")


class Ministack:
    """An application that answers everything, and counts how often its state was saved."""

    def __init__(self, *, persists: bool = True) -> None:
        self.PERSIST_STATE = persists
        self.saves = 0
        self.saved = asyncio.Event()

    async def app(self, scope: Message, _receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for each in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
                await send({"type": each})
            return
        headers = [(b"content-type", b"text/plain"), (b"Access-Control-Allow-Origin", b"*")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"yes"})

    def save_all(self, _state: object) -> None:
        self.saves += 1
        self.saved.set()

    def _build_persistence_save_dict(self) -> dict[str, object]:
        return {}


async def _never() -> Message:
    raise AssertionError("nothing is received")


async def asked(kept: Kept, *headers: tuple[bytes, bytes], kind: str = "http") -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await kept({"type": kind, "headers": list(headers)}, _never, send)
    return sent


@pytest.mark.parametrize(
    ("headers", "is_local"),
    [
        ([HERE], True),
        ([(b"host", b"localhost")], True),
        ([(b"host", b"bucket.localhost:4566")], True),
        ([(b"host", b"[::1]:4566"), (b"origin", b"http://127.0.0.1:3000")], True),
        ([], False),
        ([(b"host", b"example.org")], False),
        ([(b"host", b"10.0.0.1")], False),
        ([(b"host", b"[::1")], False),
        ([HERE, (b"origin", b"https://example.org")], False),
        ([HERE, (b"origin", b"null")], False),
    ],
)
def test_only_programs_of_this_machine_are_served(
    tmp_path: Path, headers: list[tuple[bytes, bytes]], is_local: bool
) -> None:
    async def main() -> list[Message]:
        return await asked(Kept(Ministack(), tmp_path, 1), *headers)

    start, body = asyncio.run(main())
    assert start["status"] == (200 if is_local else 403)
    assert (body["body"] == b"yes") is is_local
    assert not any(name.lower().startswith(b"access-control-") for name, _ in start["headers"])


def test_a_socket_of_another_page_is_closed(tmp_path: Path) -> None:
    async def main() -> list[Message]:
        return await asked(Kept(Ministack(), tmp_path, 1), (b"host", b"example.org"), kind="websocket")

    assert asyncio.run(main()) == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("target", "changes"),
    [
        (b"DynamoDB_20120810.GetItem", False),
        (b"DynamoDB_20120810.DescribeTable", False),
        (b"DynamoDB_20120810.PutItem", True),
        (b"AmazonSQS.ListQueues", True),
        (b"", True),
    ],
)
def test_what_only_reads_gives_nothing_to_save(tmp_path: Path, target: bytes, changes: bool) -> None:
    async def main() -> bool:
        kept = Kept(Ministack(), tmp_path, 1)
        await asked(kept, HERE, (b"x-amz-target", target))
        return kept.changed

    assert asyncio.run(main()) is changes


def test_it_tells_where_it_is_and_saves_what_changed_until_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "SECONDS_BETWEEN_SAVES", 0.001)

    async def main() -> Ministack:
        ministack = Ministack()
        kept = Kept(ministack, tmp_path, 4711)
        await asked(kept, kind="lifespan")
        assert kept.saving is not None
        await asyncio.sleep(0.01)
        assert ministack.saves == 0  # nothing has changed
        await asked(kept, HERE)
        await ministack.saved.wait()
        monkeypatch.setattr(serving, "LONGEST_SAVE_SECONDS", -1.0)
        await asked(kept, HERE)
        await asyncio.wait_for(kept.saving, 10)  # it has ended: what takes long is left to the end
        return ministack

    assert asyncio.run(main()).saves == 2
    assert (tmp_path / "port").read_text() == "4711"
    assert (tmp_path / "ready").exists()


def test_what_keeps_nothing_saves_nothing(tmp_path: Path) -> None:
    async def main() -> Any:
        kept = Kept(Ministack(persists=False), tmp_path, 1)
        await asked(kept, kind="lifespan")
        return kept.saving

    assert asyncio.run(main()) is None
    assert (tmp_path / "ready").exists()


def test_the_port_of_last_time_is_taken_where_it_is_free(tmp_path: Path) -> None:
    last = tmp_path / "port"
    with serving._listen(last) as first:
        port = first.getsockname()[1]
        last.write_text(str(port))
        with serving._listen(last) as second:  # the port is somebody else's
            assert second.getsockname()[1] not in {0, port}
    with serving._listen(last) as again:
        assert again.getsockname()[:2] == ("127.0.0.1", port)
