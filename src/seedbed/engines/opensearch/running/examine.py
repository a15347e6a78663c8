"""What index migrations would do to this very cluster: how much they copy, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct

from seedbed.engines.opensearch.rules.index_hazards import NEW_INDEX
from seedbed.engines.opensearch.rules.index_hazards import examine as declared_hazards
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.model.hazard import Hazard
from seedbed.support.phrases import count

if TYPE_CHECKING:
    from seedbed.engines.opensearch.cluster import Cluster
    from seedbed.model.migration import Migration

COPIES, NO_ROOM = "OS310", "OS311"
_FULL = 0.85  # of a disk, after which OpenSearch puts no new shard on it


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
        return max(int(self.free - (1 - _FULL) * self.total), 0)


def examine(cluster: Cluster, migrations: Sequence[Migration]) -> Mapping[str, tuple[Hazard, ...]]:
    """Return, by version, what indexes.toml and the cluster together show; nothing is changed."""
    found = dict(declared_hazards(cluster.declared(), migrations))
    copier = [each for each in migrations if _is_copied(each, found.get(each.version, ()))]
    if not copier:
        return found
    disk = _disk(cluster)
    for each in copier:
        if size := _size(cluster, each.settings["index"]):
            found[each.version] = (*found.get(each.version, ()), *_hazards(each, size, disk))
    return found


def _is_copied(migration: Migration, hazards: Sequence[Hazard]) -> bool:
    """Return whether `migration` fills a new index."""
    is_transformed = "index" in migration.settings and "function" in migration.settings
    return is_transformed or any(each.code == NEW_INDEX for each in hazards)


def _hazards(migration: Migration, size: Size, disk: Disk | None) -> list[Hazard]:
    name = migration.settings["index"]
    words = f"{name} is copied: {count(size.documents, 'document')}, {_amount(size.bytes_)}"
    if disk is None:
        return [Hazard(COPIES, words, because="as much again is written")]
    if disk.usable >= size.bytes_:
        return [
            Hazard(
                COPIES, words, because=f"as much again is written; there is room for {_amount(disk.usable)}"
            )
        ]
    return [
        Hazard(
            NO_ROOM,
            words,
            because=f"there is room for {_amount(disk.usable)} before the disks are {_FULL:.0%} full",
            try_="make room first",
            refused=True,
        )
    ]


def _size(cluster: Cluster, name: str) -> Size | None:
    """Return how much the index behind `name` holds; None where there is none yet."""
    try:
        answer = cluster.client.call("GET", f"/{quote(name, safe='')}/_stats/docs,store")
    except RequestFailed as error:
        if error.is_missing:
            return None
        raise
    found: Mapping[str, Any] = answer["_all"]
    return Size(
        found["primaries"].get("docs", {}).get("count", 0),
        found["total"].get("store", {}).get("size_in_bytes", 0),
    )


def _disk(cluster: Cluster) -> Disk | None:
    """Return the disks of the nodes that hold data; None where nobody may ask."""
    try:
        nodes = cluster.client.call("GET", "/_nodes/stats/fs")["nodes"].values()
    except RequestFailed:
        return None
    disks = [each["fs"]["total"] for each in nodes if "data" in each.get("roles", ("data",)) and "fs" in each]
    return Disk(
        sum(each["total_in_bytes"] for each in disks), sum(each["available_in_bytes"] for each in disks)
    )


def _amount(count: int) -> str:
    """Return bytes in words: "4.5 MB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
