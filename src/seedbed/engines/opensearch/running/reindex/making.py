"""Making the next index: empty at first and cheap to fill, then as it is declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex import live
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.schema.names import META
from seedbed.engines.opensearch.schema.settings import HELD, PIPELINES
from seedbed.engines.opensearch.schema.shape import Definition
from seedbed.engines.opensearch.wire.errors import EXISTS, RequestFailed
from seedbed.errors import Location, StepFailed

_WAIT = 2  # seconds that one question about health waits


def marked(definition: Definition, name: str, made: str = "") -> dict[str, Any]:
    """Return the mappings of `definition`, with what tells later which version of which index this is."""
    mark: dict[str, Any] = {"index": name, "digest": definition.digest}
    if definition.number:
        mark["version"] = definition.number
    if made:
        mark["made"] = made
    mappings = dict(definition.mappings)
    mappings["_meta"] = {**(mappings.get("_meta") or {}), META: mark}
    return mappings


def make(
    job: Job,
    index: str,
    definition: Definition,
    name: str,
    *,
    made: str,
    aliases: Sequence[str] = (),
    is_filled: bool,
) -> None:
    """Make `index`, unless the run that recorded `made` did so already. Raises StepFailed.

    `is_filled`: it gets its replicas, refreshes and pipelines only when all documents are in it.
    """
    settings = {key: each for key, each in definition.settings.items() if not (is_filled and key in HELD)}
    if is_filled:
        settings |= {"number_of_replicas": 0, "refresh_interval": "-1"}
    body = {
        "settings": {"index": settings} if settings else {},
        "mappings": marked(definition, name, made),
        "aliases": {each: {"is_hidden": True} if is_filled else {} for each in aliases},
    }
    try:
        job.client.call("PUT", path(index), body, before=job.lease.check, idempotent=True)
    except RequestFailed as error:
        if error.type == EXISTS and _is_made(job, index, made):
            return
        raise StepFailed(
            f"OpenSearch does not make {index}: {error.type}",
            because=error.because,
            try_="mend its definition in indexes.toml",
            at=Location(job.migration.path),
        ) from None


def _is_made(job: Job, index: str, made: str) -> bool:
    found = live.look(job.client, index)
    return bool(found) and found[0].mark.get("made") == made


def hold_pipelines(job: Job, alias: str, definition: Definition) -> None:
    """Take pipelines away from what is being filled: documents have been through theirs."""
    if any(each in definition.settings for each in PIPELINES):
        _put(job, alias, dict.fromkeys(PIPELINES))


def give_pipelines(job: Job, alias: str, definition: Definition) -> None:
    found = {each: definition.settings[each] for each in PIPELINES if each in definition.settings}
    if found:
        _put(job, alias, found)


def restore(job: Job, alias: str, definition: Definition) -> None:
    """Give the index its replicas and refreshes, as declared or as OpenSearch has them by default."""
    wanted = {each: definition.settings.get(each) for each in HELD if each not in PIPELINES}
    _put(job, alias, wanted)


def _put(job: Job, alias: str, settings: Mapping[str, Any]) -> None:
    named = {f"index.{each}": value for each, value in settings.items()}
    job.client.call("PUT", path(alias, "_settings"), named, before=job.lease.check, idempotent=True)


def until_green(job: Job, index: str) -> Iterator[str]:
    """Wait until every copy of `index` is in its place, telling in words what is waited for.

    Copies that no node is there for are not waited for: the index stays yellow, and that is the last word.
    """
    seconds = 0  # it may be all that it will ever be by now
    while True:
        found = live.health(job.client, index, seconds=seconds)
        seconds = _WAIT
        if words := settled(found):
            yield words
            return
        yield f"{index} is {found.get('status')}: {found.get('initializing_shards', 0)} shards are on their way"
        job.lease.check()
        job.client.sleep(0.05)


def settled(health: Mapping[str, Any]) -> str:
    """Return how an index feels that gets no better, "" while it may."""
    status = health.get("status")
    if status == "green":
        return "green"
    shards = int(health.get("active_primary_shards", 0)) or 1
    copies = (int(health.get("unassigned_shards", 0)) + int(health.get("active_shards", 0))) / shards
    moves = int(health.get("initializing_shards", 0)) + int(health.get("relocating_shards", 0))
    has_room = copies <= int(health.get("number_of_data_nodes", 1))
    if status == "yellow" and not moves and not has_room:
        return "yellow: there are more copies declared than nodes to hold them"
    return ""
