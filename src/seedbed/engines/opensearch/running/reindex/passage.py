"""This run's own way to the two indexes: aliases that nobody else knows, and that whoever takes over removes.

Every request of a run that changes anything goes by them. So a request of a former run that arrives late, however
late, finds no index: it writes no document, puts up or lifts no block, and swaps nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.running.reindex.live import Live, look
from seedbed.engines.opensearch.wire.client import Before, Client
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import StepFailed

_OURS = re.compile(r".+-(?:reader|writer)-[0-9a-f]{12}")

Action = dict[str, Any]


class Passage:
    """The aliases `reader`, of the present index `source`, and `writer`, of the next one, `target`."""

    def __init__(self, source: str, target: str) -> None:
        mark = uuid4().hex[:12]
        self.source, self.target = source, target
        self.reader, self.writer = f"{source}-reader-{mark}", f"{target}-writer-{mark}"

    def open(self, client: Client, before: Before | None = None) -> None:
        """Make the aliases in place of those of a former run, in one request. The target may not be there yet."""
        there, actions = self._former(client)
        names = {each.name for each in there}
        own = ((self.source, self.reader), (self.target, self.writer))
        actions += [_add(index, alias) for index, alias in own if index in names]
        change(client, actions, before)

    def close(self, client: Client, before: Before | None = None) -> None:
        """Take all such aliases away, where no swap did."""
        change(client, self._former(client)[1], before)

    def replaced(self, client: Client) -> Passage | None:
        """Put another passage in place of this one; None where this one is no more."""
        other = Passage(self.source, self.target)
        actions = [_remove(self.source, self.reader), _remove(self.target, self.writer)]
        actions += [_add(other.source, other.reader), _add(other.target, other.writer)]
        try:
            change(client, actions)
        except RequestFailed as error:
            if error.is_missing:
                return None
            raise
        return other

    def _former(self, client: Client) -> tuple[list[Live], list[Action]]:
        """Return the two indexes, as far as they are there, and what takes every run's aliases away from them."""
        there = [each for name in dict.fromkeys((self.source, self.target)) for each in look(client, name)]
        return there, [
            _remove(each.name, alias) for each in there for alias in each.aliases if is_passage(alias)
        ]

    def swap(self, job: Job, source: Live, aliases: Mapping[str, Mapping[str, Any]], name: str) -> None:
        """Lead all `aliases` of the present index, `name` among them, to the next one: one request, all or nothing.

        It is refused where a former run's swap, or anything else, was faster. Where `name` is not an alias but the
        index itself, that index goes in the same request.
        """
        moved = {alias: each for alias, each in aliases.items() if not is_passage(alias)}
        actions: list[Action] = [_remove(self.target, self.writer)]
        if source.name == name:
            actions.append({"remove_index": {"index": name}})
            moved[name] = {}
        else:
            actions += [_remove(self.source, each) for each in (*moved, self.reader)]
        actions += [_add(self.target, alias, found) for alias, found in moved.items()]
        change(job.client, actions, job.lease.check)


def is_passage(alias: str) -> bool:
    """Return whether `alias` is one that a run made for itself."""
    return _OURS.fullmatch(alias) is not None


def change(client: Client, actions: Sequence[Action], before: Before | None = None) -> None:
    """Carry out `actions` on aliases, all or none. Raises RequestFailed, NoAnswer, and what `before` raises."""
    if actions:
        client.call("POST", "/_aliases", {"actions": list(actions)}, before=before)


def _remove(index: str, alias: str) -> Action:
    return {"remove": {"index": index, "alias": alias, "must_exist": True}}


def _add(index: str, alias: str, found: Mapping[str, Any] | None = None) -> Action:
    return {"add": {"index": index, "alias": alias, **({"is_hidden": True} if found is None else found)}}


def block(job: Job, reader: str, *, timeout: float) -> None:
    """Close the index behind `reader` for writers; those under way have ended when this returns."""
    answer = job.client.call("PUT", path(reader, "_block", "write"), before=job.lease.check, timeout=timeout)
    if not answer.get("acknowledged") or not answer.get("shards_acknowledged"):
        raise StepFailed(
            f"{reader} could not be closed for writers",
            because="not every shard said that its last write has ended",
            try_="look at the cluster's health, and run the same command again",
        )


def lift(client: Client, reader: str) -> None:
    """Let writers into the index behind `reader` again."""
    client.call("PUT", path(reader, "_settings"), {"index.blocks.write": None}, idempotent=True)
