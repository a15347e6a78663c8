"""Whether index migrations find the cluster as they need it, asked before anything is touched. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from seedbed.engines.opensearch.files.programs import is_program, subject_of
from seedbed.engines.opensearch.rules.sharing import beyond
from seedbed.engines.opensearch.running.reindex.existing import find_behind
from seedbed.engines.opensearch.running.reindex.goal import obstacle
from seedbed.engines.opensearch.store import history
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import collected, raise_errors
from seedbed.model.history import RevisionState
from seedbed.model.migration import Direction, Work

if TYPE_CHECKING:
    from seedbed.engines.opensearch.cluster import Cluster


def require_feasible(cluster: Cluster, works: Sequence[Work]) -> None:
    """Raise Refused for an index that is not where the first of `works` that is about it sets out from.

    On a domain that environments share, also for each of `works` that reaches further than its own.
    """
    if prefix := cluster.address.prefix:
        raise_errors(
            error
            for each in works
            for error in beyond(prefix, cluster.declared, each.migration, each.direction)
        )
    collected(partial(_require, cluster, each) for each in _firsts(works))


def _firsts(works: Sequence[Work]) -> Iterator[Work]:
    """Yield the first work on each index, as far as no request comes before it: that may make it, or anything of it."""
    seen = set[str]()
    for work in works:
        if not is_program(work.migration):
            return
        subject = subject_of(work.migration)
        if subject.kind == "index" and subject.name not in seen:
            seen.add(subject.name)
            yield work


def _require(cluster: Cluster, work: Work) -> None:
    name = subject_of(work.migration).name
    try:
        current = find_behind(cluster.client, name)
    except RequestFailed as error:
        if error.status == 403:  # a login for plans may see less than one for migrations
            return
        raise
    found = obstacle(work, current, cluster.declared().index(name))
    if found and not _is_begun(cluster, work):
        raise found


def _is_begun(cluster: Cluster, work: Work) -> bool:
    """Return whether a former run began `work`, or another one carries it out right now."""
    revision = history.read(cluster).revision(work.migration.version)
    if work.direction is Direction.UP:
        return revision is not None
    return revision is None or revision.state is RevisionState.STARTED
