"""What lives in the cluster: the index behind an alias, how far its shards are, how it feels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.schema.names import META, serial
from seedbed.engines.opensearch.schema.settings import flat, is_fixed, spelled
from seedbed.engines.opensearch.schema.shape import Definition
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Refused, StepFailed

BLOCK = "blocks.write"
HIDDEN = {"expand_wildcards": "all"}


class Live(Struct, frozen=True):
    """A physical index as it is. `aliases`: with their filters and routing, ours among them."""

    name: str
    aliases: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]  # flat
    mappings: Mapping[str, Any]

    @property
    def mark(self) -> Mapping[str, Any]:
        """What seedbed wrote into it when it was made; empty for an index that it did not make."""
        found = (self.mappings.get("_meta") or {}).get(META)
        return found if isinstance(found, Mapping) else {}

    @property
    def version(self) -> int:
        return int(self.mark.get("version", 0))

    @property
    def is_blocked(self) -> bool:
        return bool(spelled(self.settings.get(BLOCK)) == "true")

    def definition(self) -> Definition:
        """Return the definition that makes an index like this one."""
        settings = {name: value for name, value in self.settings.items() if not is_fixed(name)}
        mappings = dict(self.mappings)
        if meta := {key: each for key, each in (mappings.pop("_meta", None) or {}).items() if key != META}:
            mappings["_meta"] = meta
        return Definition(self.version, settings, mappings)


def behind(client: Client, name: str) -> Live | None:
    """Return the index that the alias `name` leads to, or that is called so; None where there is neither.

    Raises Refused where the alias leads to several, or to a data stream.
    """
    found = look(client, name)
    if len(found) > 1:
        raise Refused(
            f"{name} leads to {len(found)} indexes",
            because=f"they are {', '.join(sorted(each.name for each in found))}",
            try_="let the alias lead to one of them",
        )
    if found and found[0].name.startswith(".ds-"):
        raise Refused(f"{name} is a data stream", because="its indexes are rolled over, not changed")
    return found[0] if found else None


def look(client: Client, name: str) -> list[Live]:
    """Return the indexes that `name` (a name, an alias, or a pattern) means."""
    try:
        answer = client.call("GET", path(name), params={"flat_settings": True, **HIDDEN})
    except RequestFailed as error:
        if error.is_missing:
            return []
        raise
    return [
        Live(index, each.get("aliases") or {}, flat(each.get("settings") or {}), each.get("mappings") or {})
        for index, each in answer.items()
    ]


def family(client: Client, name: str) -> list[Live]:
    """Return the indexes that were made to be behind the alias `name`, oldest first."""
    found = [each for each in look(client, f"{name}-*") if serial(name, each.name)]
    return sorted(found, key=lambda each: serial(name, each.name))


def is_ours(live: Live, name: str) -> bool:
    return live.mark.get("index") == name


def reached(client: Client, index: str) -> dict[str, int]:
    """Return by shard the _seq_no up to which every operation is done on all copies. Raises StepFailed."""
    answer = client.call("GET", path(index, "_stats", "docs"), params={"level": "shards"})
    found: dict[str, int] = {}
    for shard, copies in answer["indices"][index]["shards"].items():
        for copy in copies:
            if copy["routing"]["primary"] and "seq_no" in copy:
                found[shard] = int(copy["seq_no"]["global_checkpoint"])
    require_all(index, answer["_shards"])
    if answer["_shards"]["successful"] < answer["_shards"]["total"]:
        _require_primaries(client, index)
    return found


def last_operations(client: Client, index: str) -> dict[str, int]:
    """Return by shard the _seq_no of its last operation."""
    answer = client.call("GET", path(index, "_stats", "docs"), params={"level": "shards"})
    return {
        shard: int(copy["seq_no"]["max_seq_no"])
        for shard, copies in answer["indices"][index]["shards"].items()
        for copy in copies
        if copy["routing"]["primary"] and "seq_no" in copy
    }


def refresh(client: Client, index: str) -> None:
    """Make everything that was written to `index` visible to searches. Raises StepFailed."""
    require_all(index, client.call("POST", path(index, "_refresh"), idempotent=True)["_shards"])


def count(client: Client, index: str) -> int:
    return int(client.call("GET", path(index, "_count"))["count"])


def health(client: Client, index: str, *, seconds: int = 0) -> Mapping[str, Any]:
    """Return the health of `index`, as soon as it is green, after `seconds` at most."""
    params = {"wait_for_status": "green", "timeout": f"{seconds}s"} if seconds else {}
    answer = client.ask("GET", path("_cluster", "health", index), params=params)
    found: Mapping[str, Any] = answer.data  # 408 is what it says when the time is up
    return found


def failures(shards: Mapping[str, Any]) -> Iterator[str]:
    for each in shards.get("failures") or ():
        reason = each.get("reason") or {}
        yield f"shard {each.get('shard')}: {reason.get('type', '')} {reason.get('reason', '')}".strip()


def _require_primaries(client: Client, index: str) -> None:
    """Raise StepFailed where a shard has no primary: nobody lists it, and its documents would be missed."""
    if health(client, index).get("status") == "red":
        raise StepFailed(
            f"{index} is red",
            because="a shard of it is on no node, and its documents cannot be read",
            try_="bring it back, and run the same command again: it goes on where it stands",
        )


def require_all(index: str, shards: Mapping[str, Any]) -> None:
    """Raise StepFailed unless every shard answered."""
    if shards.get("failed"):
        raise StepFailed(
            f"{shards['failed']} of {shards['total']} shards of {index} did not answer",
            because="; ".join(failures(shards)),
            try_="look at the cluster's health, and run the same command again: it goes on where it stands",
        )
