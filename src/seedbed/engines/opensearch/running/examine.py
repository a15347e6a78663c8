"""What index migrations would do to this very cluster: how much they copy, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct

from seedbed.engines.opensearch.rules import registry, sandbox
from seedbed.engines.opensearch.rules.index_hazards import examine as index_hazards
from seedbed.engines.opensearch.rules.sharing import declared_hazards
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.errors import LineLost, RequestFailed
from seedbed.model.hazard import Hazard
from seedbed.support.phrases import count, size

if TYPE_CHECKING:
    from seedbed.engines.opensearch.cluster import Cluster
    from seedbed.model.migration import Migration


class Size(Struct, frozen=True):
    """How much an index holds: `bytes_` on disk, all copies together."""

    documents: int
    bytes_: int


class Disk(Struct, frozen=True):
    """The disks of all data nodes together, in bytes."""

    total: int
    free: int

    @property
    def usable(self) -> int:
        return max(int(self.free - (1 - registry.FULL) * self.total), 0)


def examine(cluster: Cluster, migrations: Sequence[Migration]) -> Mapping[str, tuple[Hazard, ...]]:
    """Return, by version, what indexes.toml and the cluster together show; nothing is changed."""
    found = dict(index_hazards(cluster.declared(), migrations))
    if cluster.is_sandbox:
        for each in migrations:
            found[each.version] = (
                *found.get(each.version, ()),
                *sandbox.hazards(cluster.declared(), each),
            )
    if prefix := cluster.address.prefix:
        for each in migrations:
            found[each.version] = (
                *found.get(each.version, ()),
                *declared_hazards(prefix, cluster.declared(), each),
            )
    copied = [each for each in migrations if _is_copied(found.get(each.version, ()))]
    if not copied:
        return found
    disk = _disk(cluster)
    for each in copied:
        if held := _held(cluster, each.settings["index"]):
            found[each.version] = (*found.get(each.version, ()), *_hazards(each, held, disk))
    return found


def _is_copied(hazards: Sequence[Hazard]) -> bool:
    """Return whether a migration with `hazards` fills a new index."""
    return any(each.code == registry.FILLS_NEW_INDEX.code for each in hazards)


def _hazards(migration: Migration, held: Size, disk: Disk | None) -> list[Hazard]:
    name = migration.settings["index"]
    words = f"{name} is copied: {count(held.documents, 'document')}, {size(held.bytes_)}"
    if disk is None:
        return [registry.COPIES.hazard(words)]
    room = f"there is room for {size(disk.usable)}"
    if disk.usable >= held.bytes_:
        return [registry.COPIES.hazard(words, because=f"{registry.COPIES.why}; {room}")]
    return [registry.NO_ROOM.hazard(words, because=f"{room} before the disks are {registry.FULL:.0%} full")]


def _held(cluster: Cluster, name: str) -> Size | None:
    """Return how much the index behind `name` holds; None where there is none yet."""
    where = f"/{quote(name, safe='')}"
    try:
        answer = cluster.client.call("GET", f"{where}/_stats/store", shape=shapes.StoredSize)
        # Not the number of `_stats`: there, each nested object is a document, too.
        documents = cluster.client.call("GET", f"{where}/_count", shape=shapes.Count)["count"]
    except RequestFailed as error:
        if error.is_missing:
            return None
        raise
    found: Mapping[str, Any] = answer["_all"]
    return Size(documents, found["total"].get("store", {}).get("size_in_bytes", 0))


def _disk(cluster: Cluster) -> Disk | None:
    """Return the disks of the nodes that hold data; None where nobody may ask."""
    try:
        nodes = cluster.client.call("GET", "/_nodes/stats/fs", shape=shapes.Nodes)["nodes"].values()
    except (RequestFailed, LineLost):
        return None
    disks = [each["fs"]["total"] for each in nodes if "data" in each.get("roles", ("data",)) and "fs" in each]
    return Disk(
        sum(each["total_in_bytes"] for each in disks), sum(each["available_in_bytes"] for each in disks)
    )
