"""A domain that environments share, as its administrator reaches it: what each has there, made, listed and dropped.

Whose something is, its name says; of which platform all of it is, a component template of seedbed's own, since prefixes
of two platforms would meet. An environment's history is made before anything else and goes last. Nothing is kept as a
template: OpenSearch has no quick copy of an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from msgspec import convert
from msgspec.structs import replace

from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.prefix.names import owner_of, prefix_of
from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running import tasks
from seedbed.engines.opensearch.running.inspect import catalogue
from seedbed.engines.opensearch.schema.catalogue import KINDS, Catalogue
from seedbed.engines.opensearch.schema.names import HISTORY, META
from seedbed.engines.opensearch.store import history
from seedbed.engines.opensearch.wire import serverless, shapes
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import RequestFailed, failed
from seedbed.errors import Refused, StepFailed
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share
from seedbed.support.phrases import count
from seedbed.support.typed import ready

_ENGINE = "opensearch"
_PLATFORM = path(
    "_component_template", f"{HISTORY}_base"
)  # which does nothing: no template is composed of it
_BATCH = 20  # indexes deleted by one request: their names stand in its path
_ROUNDS = 5  # after which whoever still writes has to be stopped first
_PAUSE = 0.5  # seconds before what was written meanwhile is looked for


@contextmanager
def shared_server(address: Address) -> Iterator[OpenSearchSharedServer]:
    """Reach the domain at `address`. Raises Unreachable, Refused."""
    serverless.require_more(address)
    with closing(Client(replace(address, prefix=""))) as client:
        client.call("GET", "/")
        yield OpenSearchSharedServer(client)


class OpenSearchSharedServer:
    """The domain of a base, seen whole; what is changed is changed below one prefix."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def listed(self) -> Sequence[Share]:
        """Return whose names are there. The platform is empty where nothing was ever made by `make`."""
        platform = self._platform()
        found = _catalogue(self._client, "")
        others = [name for kind in found.others.values() for name in kind]
        owners = {owner_of(name) for name in (*found.indexes, *found.streams, *others)} - {None}
        return sorted(
            Share(platform or self._bound(*owner), owner[0], f"{owner[1]}/{_ENGINE}")
            for owner in owners
            if owner
        )

    def make(self, share: Share, logins: Mapping[str, Secret], *, template: str = "") -> str:
        """Make the index of `share`'s history, and say of which platform it is. Logins of AWS are roles."""
        del logins, template
        if not self._require_own(share):
            mark = {"template": {}, "_meta": {META: {"platform": share.platform}}}
            self._client.call("PUT", _PLATFORM, mark, idempotent=True)
        with self._below(share) as client:
            is_new = history.create_index(client)
            if not is_new:  # one that was half dropped lacks the alias for writes
                client.call("PUT", path(HISTORY, "_alias", history.WRITES), idempotent=True)
        return f"the history below {_prefix(share)}" if is_new else ""

    def drop(self, share: Share) -> str:
        """Remove all names below the prefix of `share`, its history last. Raises StepFailed where writers go on."""
        self._require_own(share)
        dropped: dict[str, int] = {}
        with self._below(share) as client:
            for _ in range(_ROUNDS):
                found, has_history = _catalogue(client, _prefix(share)), _exists(client, HISTORY)
                if not has_history and not _size(found):
                    return ", ".join(count(number, *words.split("|")) for words, number in dropped.items())
                if has_history:
                    _end_run(client)
                _end_tasks(client)
                for words, number in _remove(client, found):
                    dropped[words] = dropped.get(words, 0) + number
                if has_history:
                    _delete(client, path(HISTORY))
                    dropped["history|histories"] = 1
                    client.sleep(_PAUSE)
        raise StepFailed(
            f"what {share} has comes back while it is removed",
            because=f"an application writes below {_prefix(share)}, and OpenSearch makes the index that is missing",
            try_="stop the application, then run the same command again",
        )

    def keep(self, share: Share, template: str) -> bool:
        """Return False: there are no templates."""
        del share, template
        return False

    def templates(self) -> Sequence[str]:
        return ()

    def drop_template(self, name: str) -> None:
        """Do nothing: there are none."""

    @contextmanager
    def _below(self, share: Share) -> Iterator[Client]:
        """Yield a client that has the names of `share` only."""
        with closing(Client(replace(self._client.address, prefix=_prefix(share)))) as client:
            yield client

    def _require_own(self, share: Share) -> bool:
        """Return whether the domain is known to be of `share`'s platform. Raises Refused where it is another's."""
        platform = self._platform()
        if platform and platform != share.platform:
            raise Refused(
                f"the domain at {self._client.address} is a base of {platform}, not of {share.platform}",
                because="the names of two platforms' environments would meet there",
                try_="a base of each platform has a domain of its own",
            )
        return bool(platform)

    def _platform(self) -> str:
        """Return the platform whose base this is; "" where no environment of it was made yet."""
        answer = self._client.ask("GET", _PLATFORM)
        if answer.status == 404:
            return ""
        if answer.status >= 300:
            raise failed(answer.status, answer.data, f"GET {_PLATFORM}")
        with self._client.reading("GET", _PLATFORM):
            found: Any = convert(answer.data, ready(shapes.Templates))
        (mark,) = found.component_templates
        return str(mark.component_template.get("_meta", {}).get(META, {}).get("platform", ""))

    def _bound(self, environment: str, service: str) -> str:
        """Return the platform that a history is bound to, which a run made by itself; "" where it is to none."""
        answer = self._client.ask(
            "GET", path(prefix_of(environment, service) + HISTORY, "_doc", history.STATE)
        )
        found: Any = answer.data if answer.status < 300 else {}
        return str(found.get("_source", {}).get("platform", "")) if isinstance(found, dict) else ""


def _prefix(share: Share) -> str:
    return prefix_of(share.environment, share.service)


def _catalogue(client: Client, prefix: str) -> Catalogue:
    address = replace(client.address, prefix=prefix)
    return catalogue(Cluster("", address, client, "", "", PurePath()))


def _size(found: Catalogue) -> int:
    return len(found.indexes) + len(found.streams) + sum(len(each) for each in found.others.values())


def _exists(client: Client, index: str) -> bool:
    answer = client.ask("GET", path(index))
    if answer.status >= 300 and answer.status != 404:
        raise failed(answer.status, answer.data, f"GET {path(index)}")
    return answer.status != 404


def _end_run(client: Client) -> None:
    """Take away the aliases of a history: whoever has its lease loses it, and changes nothing any more."""
    action = {"remove": {"index": HISTORY, "alias": "*"}}
    try:
        client.call("POST", "/_aliases", {"actions": [action]}, idempotent=True, shape=shapes.Object)
    except RequestFailed as error:
        if not error.is_missing:
            raise


def _end_tasks(client: Client) -> None:
    """Cancel what runs for this environment, and wait for its end: a copy would make an index that is gone."""
    for task in tasks.all_running(client):
        tasks.cancel(client, task)
        for _ in tasks.follow(client, task, _go_on):
            pass


def _go_on() -> None:
    """Check nothing: there is no lease."""


def _remove(client: Client, found: Catalogue) -> Iterator[tuple[str, int]]:
    """Remove what is in `found` by its names, yielding what was removed: its noun, both numbers of it, how many."""
    for name in found.streams:
        _delete(client, path("_data_stream", name))
    if found.streams:
        yield "data stream|data streams", len(found.streams)
    names = sorted(found.indexes)
    for first in range(0, len(names), _BATCH):
        _delete(client, "/" + ",".join(quote(each, safe="") for each in names[first : first + _BATCH]))
    if names:
        yield "index|indexes", len(names)
    for kind in KINDS:
        objects = sorted(found.others.get(kind, ()))
        for name in objects:
            _delete(client, f"{kind.path}/{quote(name, safe='')}")
        if objects:
            yield f"{kind.name}|{kind.plural}", len(objects)


def _delete(client: Client, where: str) -> None:
    """Delete an object; a missing one is not an error."""
    try:
        client.call("DELETE", where, idempotent=True)
    except RequestFailed as error:
        if not error.is_missing:
            raise
