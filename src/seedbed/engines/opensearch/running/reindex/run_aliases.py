"""Aliases of one run on the two indexes of a reindex. The run that takes over removes those of the run before.

A run sends every change through its own aliases. A request of a former run that arrives late finds no index: it writes
no document, sets or removes no block, and swaps no alias.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex.existing import ExistingIndex, look
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.client import Before, Client
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import StepFailed

_RUN_ALIAS = re.compile(r".+-(?:reader|writer)-[0-9a-f]{12}")

Action = dict[str, Any]


class RunAliases:
    """The aliases `reader` on the current index `source`, and `writer` on the next index `target`."""

    def __init__(self, source: str, target: str) -> None:
        mark = uuid4().hex[:12]
        self.source, self.target = source, target
        self.reader, self.writer = f"{source}-reader-{mark}", f"{target}-writer-{mark}"

    def create(self, client: Client, before: Before | None = None) -> None:
        """Create the aliases and remove those of a former run, in one request. The target may not exist yet."""
        indexes, actions = self._former(client)
        names = {each.name for each in indexes}
        own = ((self.source, self.reader), (self.target, self.writer))
        actions += [_add(index, alias) for index, alias in own if index in names]
        change_aliases(client, actions, before)

    def remove(self, client: Client, before: Before | None = None) -> None:
        """Remove the aliases of every run."""
        change_aliases(client, self._former(client)[1], before)

    def replace(self, client: Client) -> RunAliases | None:
        """Replace these aliases by new ones and return those; None if these are gone."""
        other = RunAliases(self.source, self.target)
        actions = [_remove(self.source, self.reader), _remove(self.target, self.writer)]
        actions += [_add(other.source, other.reader), _add(other.target, other.writer)]
        try:
            change_aliases(client, actions)
        except RequestFailed as error:
            if error.is_missing:
                return None
            raise
        return other

    def _former(self, client: Client) -> tuple[list[ExistingIndex], list[Action]]:
        """Return the two indexes, as far as they exist, and the actions that remove the aliases of every run."""
        indexes = [each for name in dict.fromkeys((self.source, self.target)) for each in look(client, name)]
        return indexes, [
            _remove(each.name, alias) for each in indexes for alias in each.aliases if is_run_alias(alias)
        ]

    def swap(
        self, job: IndexJob, source: ExistingIndex, aliases: Mapping[str, Mapping[str, Any]], name: str
    ) -> None:
        """Move all `aliases` of the current index, `name` among them, to the next one: one request, all or nothing.

        OpenSearch refuses it if another swap came first. If `name` is not an alias but the index itself, the same
        request removes that index.
        """
        moved = {alias: each for alias, each in aliases.items() if not is_run_alias(alias)}
        actions: list[Action] = [_remove(self.target, self.writer)]
        if source.name == name:
            actions.append({"remove_index": {"index": name}})
            moved[name] = {}
        else:
            actions += [_remove(self.source, each) for each in (*moved, self.reader)]
        actions += [_add(self.target, alias, found) for alias, found in moved.items()]
        change_aliases(job.client, actions, job.lease.check)


def is_run_alias(alias: str) -> bool:
    """Return whether `alias` has the form of a run's own alias."""
    return _RUN_ALIAS.fullmatch(alias) is not None


def change_aliases(client: Client, actions: Sequence[Action], before: Before | None = None) -> None:
    """Carry out `actions` on aliases, all or none. Raises RequestFailed, NoAnswer, and what `before` raises."""
    if actions:
        client.call("POST", "/_aliases", {"actions": list(actions)}, before=before)


def _remove(index: str, alias: str) -> Action:
    return {"remove": {"index": index, "alias": alias, "must_exist": True}}


def _add(index: str, alias: str, found: Mapping[str, Any] | None = None) -> Action:
    return {"add": {"index": index, "alias": alias, **({"is_hidden": True} if found is None else found)}}


def block_writes(job: IndexJob, reader: str, *, timeout: float) -> None:
    """Block writes to the index behind `reader`; writes that had begun have ended when this returns."""
    answer = job.client.call(
        "PUT",
        path(reader, "_block", "write"),
        before=job.lease.check,
        timeout=timeout,
        shape=shapes.Acknowledged,
    )
    if not answer.get("acknowledged") or not answer.get("shards_acknowledged"):
        raise StepFailed(
            f"writes to {reader} could not be blocked",
            because="not every shard acknowledged the block",
            try_="check the health of the cluster, then run the same command again",
        )


def unblock_writes(client: Client, reader: str) -> None:
    """Remove the write block of the index behind `reader`."""
    client.call("PUT", path(reader, "_settings"), {"index.blocks.write": None}, idempotent=True)
