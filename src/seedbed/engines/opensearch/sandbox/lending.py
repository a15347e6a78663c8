"""Indexes of the sandbox for an application's tests: documents are restored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.inspect import catalogue
from seedbed.engines.opensearch.running.reindex import pages
from seedbed.engines.opensearch.running.reindex.pages import Key, StoredDocument
from seedbed.engines.opensearch.session import connect
from seedbed.engines.opensearch.wire.client import Client
from seedbed.errors import SandboxError

if TYPE_CHECKING:
    from seedbed.model.target import Target

_MOST = 1_000  # documents in a page, and in a bulk request
_NOTHING = -1  # no document has this _seq_no
_FLAT = {"pipeline": "_none", "refresh": "true"}  # what was stored has been through a pipeline already


class KeptIndexes:
    """The documents that the indexes of `target` held; `settings` lead there. What tests do to its schema stays."""

    def __init__(self, target: Target, settings: Mapping[str, str]) -> None:
        self._target = target
        self._settings = settings
        self._shards: dict[str, int] = {}
        self._held: dict[str, dict[Key, StoredDocument]] = {}
        with connect(target) as session:
            client = session.cluster.client
            for index, body in catalogue(session.cluster).indexes.items():
                self._shards[index] = int(body["settings"]["index"]["number_of_shards"])
                self._held[index] = self._documents(client, index)
            self._numbers = {index: self._seq_nos(client, index) for index in self._held}

    @contextmanager
    def fresh(self) -> Iterator[Mapping[str, str]]:
        """Restore the documents, remove indexes that tests made, and yield the settings. Raises SandboxError."""
        with connect(self._target) as session:
            client = session.cluster.client
            there = catalogue(session.cluster).indexes
            if gone := sorted(set(self._held) - set(there)):
                raise SandboxError(
                    f"the index {gone[0]} is gone",
                    because="a test deleted it",
                    try_="let tests delete documents, not indexes",
                )
            for index in sorted(set(there) - set(self._held)):
                client.call("DELETE", path(index), idempotent=True)
            for index in self._held:
                self._restore(client, index)
        yield self._settings

    def _restore(self, client: Client, index: str) -> None:
        held, before, now = self._held[index], self._numbers[index], self._seq_nos(client, index)
        lines: list[bytes] = []
        for id_, routing in now.keys() - held.keys():
            lines.append(_action("delete", id_, routing))
        for key, document in held.items():
            if now.get(key) != before[key]:
                lines += (_action("index", *key), bytes(document.source))
        if lines:
            body = b"".join(line + b"\n" for line in lines)
            answer = client.call("POST", path(index, "_bulk"), body, params=_FLAT)
            if answer["errors"]:
                raise SandboxError(
                    f"the documents of {index} cannot be restored", because=str(answer["items"])[:500]
                )
            self._numbers[index] = self._seq_nos(client, index)

    def _documents(self, client: Client, index: str) -> dict[Key, StoredDocument]:
        client.call("POST", path(index, "_refresh"), idempotent=True)
        return {
            each.key: each
            for shard in range(self._shards[index])
            for page in pages.changed(client, index, str(shard), _NOTHING, _MOST)
            for each in page
        }

    def _seq_nos(self, client: Client, index: str) -> dict[Key, int]:
        """Return the number of the last change of every document."""
        client.call("POST", path(index, "_refresh"), idempotent=True)
        return {
            each.key: each.seq_no
            for shard in range(self._shards[index])
            for page in pages.ids(client, index, str(shard))
            for each in page
        }


def _action(verb: str, id_: str, routing: str) -> bytes:
    named: dict[str, Any] = {"_id": id_, **({"routing": routing} if routing else {})}
    return msgspec.json.encode({verb: named})
