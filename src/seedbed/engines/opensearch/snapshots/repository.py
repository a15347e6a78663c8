"""Snapshots in a repository of the cluster's, and indexes that are restored from them beside the others.

A copy has the names of the originals below a prefix, "r12.ai.", as an environment has on a domain that several share:
so a session reads it like any database. Aliases are never restored, since those of a copy would lead applications to
old documents as well; what they were is kept with the snapshot, and made anew below the prefix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

from msgspec.structs import replace

from seedbed.engines.base import Session
from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.cluster import Cluster, translate_errors
from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.inspect import catalogue
from seedbed.engines.opensearch.schema.names import HISTORY, META
from seedbed.engines.opensearch.session import OpenSearchSession
from seedbed.engines.opensearch.snapshots.aliases import AliasSwap, living, require_unused
from seedbed.engines.opensearch.wire import serverless
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed, failed
from seedbed.engines.snapshots import Swaps, TakenElsewhere
from seedbed.errors import Hint, Refused, call
from seedbed.model.snapshot import Copy, Snapshot, known_id, snapshot_id
from seedbed.model.target import Target
from seedbed.support.phrases import listed

REPOSITORY = "seedbed"
_MOST = 1000  # bytes of what is kept with a snapshot: OpenSearch takes 1024
_BATCH = 20  # indexes deleted by one request
_STATES = {"SUCCESS": "available", "IN_PROGRESS": "making"}
_BUSY = "concurrent_snapshot_execution_exception"


@contextmanager
def snapshots(target: Target) -> Iterator[RepositorySnapshots]:
    """Reach the repository of the cluster of `target`. Raises Unreachable, TakenElsewhere."""
    address = cast(Address, target.address)
    serverless.require_more(address)
    if address.prefix:
        raise TakenElsewhere(
            f"{target.id} lies below {address.prefix} on a domain that others share",
            because="a copy has a prefix of its own, and there is one",
            try_="take one by the domain's own means, and say so with a written reason",
        )
    with closing(Client(address)) as client:
        cluster = Cluster(
            target=target.id,
            address=address,
            client=client,
            service=target.database.service,
            environment=target.environment.name,
            directory=target.database.directory,
            is_sandbox=target.environment.is_sandbox,
        )
        yield RepositorySnapshots(cluster, target)


class RepositorySnapshots:
    """The snapshots of one database, and its copies in the same cluster."""

    def __init__(self, cluster: Cluster, target: Target) -> None:
        self._cluster, self._client, self._target = cluster, cluster.client, target
        self._names = (target.platform, target.environment.name, target.database.service)
        self._tried_again: set[str] = set()

    @property
    def lost(self) -> Sequence[str]:
        found = catalogue(self._cluster)
        streams = [f"data streams: {listed(sorted(found.streams))}"] if found.streams else []
        return [*streams, "templates, pipelines and scripts, which stay as they are for all"]

    def listed(self) -> Sequence[Snapshot]:
        answer = self._client.ask("GET", path("_snapshot", REPOSITORY, "_all"))
        if answer.status == 404:  # there is no repository yet
            return []
        told = self._good(answer, "listing snapshots").get("snapshots", ())
        found = [
            self._snapshot(*known, each)
            for each in told
            if (known := known_id(*self._names, each["snapshot"]))
        ]
        return sorted(found, key=lambda each: (each.release, each.number), reverse=True)

    def take(self, release: int, number: int) -> Snapshot:
        self._require_repository()
        name = snapshot_id(*self._names, release, number)
        found = self._taken(name)
        if found is not None and found["state"] not in _STATES and name not in self._tried_again:
            self._tried_again.add(name)  # what is partial never becomes whole
            self._delete(name)
            found = None
        if found is None:
            self._create(name)
            found = self._taken(name)
        if found is None:
            return Snapshot(id=name, database=self._target.id, release=release, number=number, state="making")
        return self._snapshot(release, number, found)

    def delete(self, snapshot: Snapshot) -> None:
        self._delete(snapshot.id)

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        prefix = self._prefix(name)
        there = set(self._indexes(prefix))
        self._require_of(snapshot, there, name)
        missing = [each for each in snapshot.parts if prefix + each not in there]
        if missing:
            self._restore(snapshot, missing, prefix)
            return self._copy(name, f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} restored")
        if self._is_red(prefix):
            return self._copy(name, f"indexes below {prefix} are restored")
        self._alias(snapshot, prefix)
        return self._copy(name, "")

    def copies(self) -> Sequence[Copy]:
        form = re.compile(rf"(r\d+[a-z0-9-]*)\.{re.escape(self._target.database.service)}\..+")
        names = {found[1] for each in self._indexes("r") if (found := form.fullmatch(each))}
        return [
            self._copy(each, "it is restored" if self._is_red(self._prefix(each)) else "")
            for each in sorted(names)
        ]

    def drop(self, name: str) -> bool:
        prefix = self._prefix(name)
        found = self._found(prefix)
        require_unused(self._cluster, found, prefix, name)
        there = sorted(found)
        for first in range(0, len(there), _BATCH):
            self._tried("DELETE", path(",".join(there[first : first + _BATCH])))
        return not self._indexes(self._prefix(name))

    def swapping(self, name: str) -> Swaps:
        return AliasSwap(self._cluster, self._prefix(name), name)

    def address(self, copy: Copy) -> object:
        return replace(self._cluster.address, prefix=copy.settings["prefix"])

    def counts(self, session: Session) -> Mapping[str, int]:
        cluster = cast(OpenSearchSession, session).cluster
        with translate_errors(cluster, f"counting the documents of {cluster.target}"):
            names = _own(catalogue(cluster).indexes)
            counted = {each: cluster.client.call("GET", path(each, "_count"))["count"] for each in names}
        return {name: int(number) for name, number in counted.items()}

    # The repository

    def _require_repository(self) -> None:
        """Make the repository of the sandbox. Raises Refused where another cluster has none."""
        answer = self._client.ask("GET", path("_snapshot", REPOSITORY))
        if answer.status != 404:
            self._good(answer, "looking at the repository")
            return
        if not self._cluster.is_sandbox:
            raise Refused(
                f"{self._cluster.address} has no snapshot repository {REPOSITORY}",
                because="snapshots lie outside of the cluster, and it has to be told once where",
                try_="register one, as docs/how-to/restore-a-snapshot.md says",
            )
        with translate_errors(self._cluster, "making the repository"):
            settings = {"type": "fs", "settings": {"location": REPOSITORY}}
            self._client.call("PUT", path("_snapshot", REPOSITORY), settings, idempotent=True)

    def _taken(self, name: str) -> Mapping[str, Any] | None:
        answer = self._client.ask("GET", path("_snapshot", REPOSITORY, name))
        if answer.status == 404:
            return None
        found: Sequence[Mapping[str, Any]] = self._good(answer, f"looking at {name}").get("snapshots", ())
        return found[0] if found else None

    def _create(self, name: str) -> None:
        with translate_errors(self._cluster, f"looking at the indexes of {self._cluster.target}"):
            found = catalogue(self._cluster).indexes
        aliases = {index: sorted(body.get("aliases") or ()) for index, body in found.items()}
        kept = {META: {"aliases": {index: names for index, names in aliases.items() if names}}}
        if len(json.dumps(kept)) > _MOST:
            kept = {META: {"aliases": {}}}
        indexes = [*_own(found), HISTORY]
        body = {
            "indices": ",".join(indexes),
            "include_global_state": False,
            "partial": False,
            "metadata": kept,
        }
        self._tried("PUT", path("_snapshot", REPOSITORY, name), body, params={"wait_for_completion": False})

    def _delete(self, name: str) -> None:
        self._tried("DELETE", path("_snapshot", REPOSITORY, name))

    def _snapshot(self, release: int, number: int, told: Mapping[str, Any]) -> Snapshot:
        state, shards = told["state"], told.get("shards") or {}
        reasons = [str(each.get("reason", "")) for each in told.get("failures") or ()]
        done = f"{shards.get('successful', 0)} of {shards.get('total', 0)} shards"
        return Snapshot(
            id=told["snapshot"],
            database=self._target.id,
            release=release,
            number=number,
            state=cast(Any, _STATES.get(state, "partial")),
            taken=float(told.get("start_time_in_millis") or 0) / 1000,
            percent=100 * int(shards.get("successful") or 0) // (int(shards.get("total") or 0) or 1),
            because="" if state in _STATES else f"{state}, {done}; {listed(reasons, most=1)}".rstrip("; "),
            parts=dict.fromkeys(sorted(told.get("indices") or ()), told["snapshot"]),
        )

    # Copies

    def _prefix(self, name: str) -> str:
        return f"{name}.{self._target.database.service}."

    def _indexes(self, beginning: str) -> list[str]:
        return sorted(self._found(beginning))

    def _found(self, beginning: str) -> dict[str, Any]:
        answer = self._client.ask("GET", path(f"{beginning}*"), params={"expand_wildcards": "all"})
        return self._good(answer, "looking for copies")

    def _require_of(self, snapshot: Snapshot, there: set[str], name: str) -> None:
        """Raise Refused where an index of the copy came from another snapshot, as far as the cluster still knows."""
        release = snapshot.release
        for index in sorted(there):
            recovery = self._good(self._client.ask("GET", path(index, "_recovery")), "looking at a copy")
            for shard in (recovery.get(index) or {}).get("shards", ()):
                source = (shard.get("source") or {}).get("snapshot", snapshot.id)
                if source != snapshot.id:
                    raise Refused(
                        f"{index} was restored from another snapshot",
                        because=f"it has its place, and comes from {source}",
                        try_=Hint(
                            f"take the copy {name} away first: ",
                            call("snapshot drop", "--release", str(release), about=snapshot.database),
                        ),
                    )

    def _restore(self, snapshot: Snapshot, indexes: Sequence[str], prefix: str) -> None:
        body = {
            "indices": ",".join(indexes),
            "include_global_state": False,
            "include_aliases": False,
            "rename_pattern": "(.+)",
            "rename_replacement": f"{prefix}$1",
        }
        where = path("_snapshot", REPOSITORY, snapshot.id, "_restore")
        self._tried("POST", where, body, params={"wait_for_completion": False})

    def _is_red(self, prefix: str) -> bool:
        where = path("_cluster", "health", f"{prefix}*")
        answer = self._client.ask("GET", where, params={"expand_wildcards": "all"})
        return str(self._good(answer, "looking at a copy").get("status")) == "red"

    def _alias(self, snapshot: Snapshot, prefix: str) -> None:
        found = self._taken(snapshot.id) or {}
        kept = ((found.get("metadata") or {}).get(META) or {}).get("aliases") or {}
        actions = [
            {"add": {"index": prefix + index, "alias": prefix + alias}}
            for index, aliases in sorted(kept.items())
            for alias in aliases
            if index in snapshot.parts
        ]
        if actions:
            with translate_errors(self._cluster, "making the aliases of a copy"):
                self._client.call("POST", "/_aliases", {"actions": actions}, idempotent=True)

    def _copy(self, name: str, doing: str) -> Copy:
        prefix = self._prefix(name)
        return Copy(
            database=self._target.id,
            name=name,
            state="making" if doing else "available",
            place=f"indexes below {prefix}",
            settings={"prefix": prefix},
            doing=doing,
        )

    # Asking

    def _tried(self, method: str, where: str, body: Any = None, *, params: Any = None) -> None:
        """Ask for something once; what is there, gone, or under way is found by looking the next time."""
        try:
            self._client.call(method, where, body, params=params, idempotent=False)
        except RequestFailed as error:
            is_there = (
                error.status == 400 and "already exists" in error.reason
            ) or "same name" in error.reason
            if not (error.is_missing or is_there or error.type == _BUSY):
                raise
        except NoAnswer:
            return

    def _good(self, answer: Any, doing: str) -> dict[str, Any]:
        if answer.status >= 300:
            with translate_errors(self._cluster, doing):
                raise failed(answer.status, answer.data, "GET")
        return answer.data if isinstance(answer.data, dict) else {}


def _own(indexes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return those of `indexes` that are no copy beside others.

    What an alias of applications leads to is none: it has the place of the database.
    """
    below = re.compile(r"r\d+[a-z0-9-]*\.[^.]+\.")
    return sorted(
        name
        for name, body in indexes.items()
        if not (beside := below.match(name)) or living({name: body}, beside[0])
    )
