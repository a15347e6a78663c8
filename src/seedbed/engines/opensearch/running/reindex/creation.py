"""Create the next index: empty and cheap to fill, then with the settings that it is declared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex import existing
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.schema.names import META
from seedbed.engines.opensearch.schema.settings import DEFERRED, PIPELINES
from seedbed.engines.opensearch.schema.shape import IndexDefinition
from seedbed.engines.opensearch.wire.errors import EXISTS, RequestFailed
from seedbed.errors import Location, StepFailed

_WAIT = 2  # seconds that one question about health waits


def with_mark(definition: IndexDefinition, name: str, made: str = "") -> dict[str, Any]:
    """Return the mappings of `definition` with a mark: which version of which index this is."""
    mark: dict[str, Any] = {"index": name, "digest": definition.digest}
    if definition.number:
        mark["version"] = definition.number
    if made:
        mark["made"] = made
    mappings = dict(definition.mappings)
    mappings["_meta"] = {**(mappings.get("_meta") or {}), META: mark}
    return mappings


def create_index(
    job: IndexJob,
    index: str,
    definition: IndexDefinition,
    name: str,
    *,
    made: str,
    aliases: Sequence[str] = (),
    is_filled: bool,
) -> None:
    """Create `index`, unless the run that recorded `made` did so already. Raises StepFailed.

    `is_filled`: replicas, refreshes and pipelines are set once all documents are copied.
    """
    settings = {key: each for key, each in definition.settings.items() if not (is_filled and key in DEFERRED)}
    if is_filled:
        settings |= {"number_of_replicas": 0, "refresh_interval": "-1"}
    body = {
        "settings": {"index": settings} if settings else {},
        "mappings": with_mark(definition, name, made),
        "aliases": {each: {"is_hidden": True} if is_filled else {} for each in aliases},
    }
    try:
        job.client.call("PUT", path(index), body, before=job.lease.check, idempotent=True)
    except RequestFailed as error:
        if error.type == EXISTS and _is_created(job, index, made):
            return
        raise StepFailed(
            f"OpenSearch refused to create {index}: {error.type}",
            because=error.because,
            try_="fix its definition in indexes.toml",
            at=Location(job.migration.path),
        ) from None


def _is_created(job: IndexJob, index: str, made: str) -> bool:
    found = existing.look(job.client, index)
    return bool(found) and found[0].mark.get("made") == made


def clear_pipelines(job: IndexJob, alias: str, definition: IndexDefinition) -> None:
    """Remove the pipelines from an index that is being filled: its documents have been through theirs."""
    if any(each in definition.settings for each in PIPELINES):
        _put(job, alias, dict.fromkeys(PIPELINES))


def set_pipelines(job: IndexJob, alias: str, definition: IndexDefinition) -> None:
    """Set the pipelines that are declared."""
    pipelines = {each: definition.settings[each] for each in PIPELINES if each in definition.settings}
    if pipelines:
        _put(job, alias, pipelines)


def restore_settings(job: IndexJob, alias: str, definition: IndexDefinition) -> None:
    """Set replicas and refreshes as declared, else to the defaults of OpenSearch."""
    settings = {each: definition.settings.get(each) for each in DEFERRED if each not in PIPELINES}
    _put(job, alias, settings)


def _put(job: IndexJob, alias: str, settings: Mapping[str, Any]) -> None:
    named = {f"index.{each}": value for each, value in settings.items()}
    job.client.call("PUT", path(alias, "_settings"), named, before=job.lease.check, idempotent=True)


def until_green(job: IndexJob, index: str) -> Iterator[str]:
    """Wait until every copy of `index` is assigned; yield its health as a message, the final one last.

    Copies without a node to hold them are not waited for: the final health is yellow then.
    """
    seconds = 0  # the first request does not wait: the health may be final already
    while True:
        found = existing.health(job.client, index, seconds=seconds)
        seconds = _WAIT
        if message := final_health(found):
            yield message
            return
        yield f"{index} is {found.get('status')}: {found.get('initializing_shards', 0)} shards are initializing"
        job.lease.check()
        job.client.sleep(0.05)


def final_health(health: Mapping[str, Any]) -> str:
    """Return the health of an index if it will not improve, "" if it may."""
    status = health.get("status")
    if status == "green":
        return "green"
    shards = int(health.get("active_primary_shards", 0)) or 1
    copies = (int(health.get("unassigned_shards", 0)) + int(health.get("active_shards", 0))) / shards
    moves = int(health.get("initializing_shards", 0)) + int(health.get("relocating_shards", 0))
    has_room = copies <= int(health.get("number_of_data_nodes", 1))
    if status == "yellow" and not moves and not has_room:
        return "yellow: more copies are declared than there are nodes to hold them"
    return ""
