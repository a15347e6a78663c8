"""Existing indexes: the one behind an alias, the sequence numbers of its shards, its health."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any

from msgspec import Struct, convert

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.schema.names import META, serial
from seedbed.engines.opensearch.schema.settings import flat, is_fixed, normalized
from seedbed.engines.opensearch.schema.shape import IndexDefinition
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Refused, StepFailed
from seedbed.support.typed import ready

BLOCK = "blocks.write"
HIDDEN = {"expand_wildcards": "all"}


class ExistingIndex(Struct, frozen=True):
    """A physical index as it is now. `aliases`: with their filters and routing, those of seedbed among them."""

    name: str
    aliases: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]  # flat
    mappings: Mapping[str, Any]

    @property
    def mark(self) -> Mapping[str, Any]:
        """What seedbed wrote into `_meta` when it created the index; empty for any other index."""
        found = (self.mappings.get("_meta") or {}).get(META)
        return found if isinstance(found, Mapping) else {}

    @property
    def version(self) -> int:
        return int(self.mark.get("version", 0))

    @property
    def is_blocked(self) -> bool:
        return bool(normalized(self.settings.get(BLOCK)) == "true")

    def definition(self) -> IndexDefinition:
        """Return the definition that creates an index like this one."""
        settings = {name: value for name, value in self.settings.items() if not is_fixed(name)}
        mappings = dict(self.mappings)
        if meta := {key: each for key, each in (mappings.pop("_meta", None) or {}).items() if key != META}:
            mappings["_meta"] = meta
        return IndexDefinition(self.version, settings, mappings)


def find_behind(client: Client, name: str) -> ExistingIndex | None:
    """Return the index behind the alias `name`, or of that name; None if there is neither.

    Raises Refused if the alias has several indexes, or is a data stream.
    """
    found = look(client, name)
    if len(found) > 1:
        raise Refused(
            f"the alias {name} has {len(found)} indexes",
            because=f"they are {', '.join(sorted(each.name for each in found))}",
            try_="leave the alias on one of them",
        )
    if found and found[0].name.startswith(".ds-"):
        raise Refused(
            f"{name} is a data stream", because="the indexes of a data stream are rolled over, not changed"
        )
    return found[0] if found else None


def look(client: Client, name: str) -> list[ExistingIndex]:
    """Return the indexes that `name` (a name, an alias, or a pattern) resolves to."""
    try:
        answer = client.call(
            "GET", path(name), params={"flat_settings": True, **HIDDEN}, shape=shapes.Indexes
        )
    except RequestFailed as error:
        if error.is_missing:
            return []
        raise
    return [
        ExistingIndex(
            index, each.get("aliases") or {}, flat(each.get("settings") or {}), each.get("mappings") or {}
        )
        for index, each in answer.items()
    ]


def family(client: Client, name: str) -> list[ExistingIndex]:
    """Return the physical indexes numbered after the alias `name`, oldest first."""
    found = [each for each in look(client, f"{name}-*") if serial(name, each.name)]
    return sorted(found, key=lambda each: serial(name, each.name))


def is_created_for(index: ExistingIndex, name: str) -> bool:
    return index.mark.get("index") == name


def global_checkpoints(client: Client, index: str) -> dict[str, int]:
    """Return, by shard, the _seq_no up to which all copies have every operation. Raises StepFailed."""
    answer = client.call(
        "GET", path(index, "_stats", "docs"), params={"level": "shards"}, shape=shapes.Statistics
    )
    found: dict[str, int] = {}
    for shard, copies in _shards(answer, index):
        for copy in copies:
            if copy["routing"]["primary"] and copy.get("seq_no"):
                found[shard] = int(copy["seq_no"]["global_checkpoint"])
    require_all(index, answer["_shards"])
    if answer["_shards"]["successful"] < answer["_shards"]["total"]:
        _require_primaries(client, index)
    return found


def _shards(answer: Mapping[str, Any], index: str) -> ItemsView[str, Any]:
    """Return the copies of each shard of `index`, by its number. Raises StepFailed for statistics without it."""
    if index not in answer["indices"]:
        raise StepFailed(
            f"the cluster has no statistics of {index}",
            because="its documents would be missed",
            try_="check the health of the cluster, then run the same command again: it continues from its checkpoint",
        )
    found: Mapping[str, Any] = answer["indices"][index]["shards"]
    return found.items()


def last_seq_nos(client: Client, index: str) -> dict[str, int]:
    """Return, by shard, the highest _seq_no."""
    answer = client.call(
        "GET", path(index, "_stats", "docs"), params={"level": "shards"}, shape=shapes.Statistics
    )
    return {
        shard: int(copy["seq_no"]["max_seq_no"])
        for shard, copies in _shards(answer, index)
        for copy in copies
        if copy["routing"]["primary"] and copy.get("seq_no")
    }


def refresh(client: Client, index: str) -> None:
    """Make everything that was written to `index` visible to searches. Raises StepFailed."""
    answer = client.call("POST", path(index, "_refresh"), idempotent=True, shape=shapes.Refreshed)
    require_all(index, answer["_shards"])


def count(client: Client, index: str) -> int:
    return int(client.call("GET", path(index, "_count"), shape=shapes.Count)["count"])


def health(client: Client, index: str, *, seconds: int = 0) -> Mapping[str, Any]:
    """Return the health of `index` once it is green, or after `seconds`."""
    params = {"wait_for_status": "green", "timeout": f"{seconds}s"} if seconds else {}
    where = path("_cluster", "health", index)
    answer = client.ask("GET", where, params=params)
    found: Mapping[str, Any] = answer.data  # 408 means that the time is up
    with client.reading("GET", where):
        convert(found, ready(shapes.Object if answer.status >= 300 else shapes.Health))
    return found


def failures(shards: Mapping[str, Any]) -> Iterator[str]:
    for each in shards.get("failures") or ():
        reason = each.get("reason") or {}
        yield f"shard {each.get('shard')}: {reason.get('type', '')} {reason.get('reason', '')}".strip()


def _require_primaries(client: Client, index: str) -> None:
    """Raise StepFailed if a shard has no primary: the statistics leave it out, and its documents would be missed."""
    if health(client, index).get("status") == "red":
        raise StepFailed(
            f"{index} is red",
            because="one of its shards is not assigned to a node, so its documents cannot be read",
            try_="recover the shard, then run the same command again: it continues from its checkpoint",
        )


def require_all(index: str, shards: Mapping[str, Any]) -> None:
    """Raise StepFailed unless every shard answered."""
    if shards.get("failed"):
        raise StepFailed(
            f"{shards['failed']} of {shards['total']} shards of {index} did not answer",
            because="; ".join(failures(shards)),
            try_="check the health of the cluster, then run the same command again: it continues from its checkpoint",
        )
