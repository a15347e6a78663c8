"""A session on an OpenSearch target: reading, and taking the lease."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.cluster import Cluster, translate_errors
from seedbed.engines.opensearch.prefix.names import prefix_of
from seedbed.engines.opensearch.store import history
from seedbed.engines.opensearch.wire.client import Client
from seedbed.errors import Refused, Unreachable
from seedbed.model.history import History, Owner
from seedbed.model.ids import Extent, Ids
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, QueryRow, Suspect

if TYPE_CHECKING:
    from seedbed.engines.opensearch.store.lease import OpenSearchLease
    from seedbed.model.event import Listener
    from seedbed.model.hazard import Hazard
    from seedbed.model.migration import Migration, Work
    from seedbed.model.plan import Loss
    from seedbed.model.target import Target
    from seedbed.model.usage import Removed, Usage
    from seedbed.model.verified import Verified, VerifyRecord

_TRIES, _FIRST = (
    4,
    10.0,
)  # at the first request, and the seconds that each may take: nothing has to be looked up


@contextmanager
def connect(target: Target) -> Iterator[OpenSearchSession]:
    """Open a session on `target`.

    Raises Unreachable, Refused where it is OpenSearch Serverless, the credentials are another account's, or the prefix
    is not the environment's own where it shares a domain.
    """
    from seedbed.aws import identity
    from seedbed.engines.opensearch.wire import serverless

    address = cast(Address, target.address)
    serverless.require_more(address)
    _require_own_prefix(target, address)
    if address.cloud and address.cloud.account:  # without an account any credentials will do
        identity.require_account(address.cloud)
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
        with (
            translate_errors(cluster, f"connecting to {address}"),
            closing(
                client.sheltered(max_attempts=_TRIES, timeout=min(_FIRST, address.request_timeout))
            ) as first,
        ):
            found = first.call("GET", "/")
        if not isinstance(found, dict) or not isinstance(found.get("version"), dict):
            raise Unreachable(
                f"what answers at {address} is not OpenSearch",
                because="its answer to GET / names no version",
                try_="check OPENSEARCH_ENDPOINT, HTTPS_PROXY, and what stands in front of the cluster",
            )
        yield OpenSearchSession(cluster, found["version"])


def _require_own_prefix(target: Target, address: Address) -> None:
    """Raise Refused where an environment that shares a domain has another's prefix, or none: all would be its own."""
    environment, service = target.environment, target.database.service
    own = prefix_of(environment.name, service)
    if environment.lies_in_base(service, target.database.engine) and address.prefix != own:
        what = f"{address.prefix} is not its prefix" if address.prefix else "it has no prefix"
        raise Refused(
            f"{target.id} lies on the domain of {environment.base}, and {what}",
            because=f"what {environment.name} has there begins with {own}, and all else is others'",
            try_=f"unset OPENSEARCH_PREFIX, or set it to {own}",
        )


class OpenSearchSession:
    """Every operation is a request of its own: there is no connection to keep."""

    def __init__(self, cluster: Cluster, version: Mapping[str, Any]) -> None:
        self.cluster = cluster
        self._version = version

    @property
    def server(self) -> str:
        name = str(self._version.get("distribution", "")).replace("opensearch", "OpenSearch")
        return f"{name or 'OpenSearch'} {self._version.get('number', '')}".strip()

    def history(self) -> History:
        with translate_errors(self.cluster, f"reading the history of {self.cluster.target}"):
            return history.read(self.cluster)

    def holder(self) -> str:
        from seedbed.engines.opensearch.store import lease_store

        return lease_store.holder(self.cluster)

    def interrupt(self) -> None:
        """Stop requests in progress. A write that was sent is answered, or settled by the next run; no other begins."""
        self.cluster.client.interrupt()

    def abandon(self) -> None:
        """Cut off every request under way, those of the lease too."""
        self.cluster.client.abandon()

    def lease(
        self, owner: Owner, *, wait: float, listener: Listener
    ) -> AbstractContextManager[OpenSearchLease]:
        return self._lease(owner, wait, listener)

    @contextmanager
    def _lease(self, owner: Owner, wait: float, listener: Listener) -> Iterator[OpenSearchLease]:
        from seedbed.engines.opensearch.store import lease_store
        from seedbed.engines.opensearch.store.lease import OpenSearchLease

        with lease_store.lease(self.cluster, owner, wait=wait, listener=listener) as ledger:
            yield OpenSearchLease(self.cluster, ledger)

    def unlock(self, *, actor: str) -> str:
        """End the current lease, audited; return its holder."""
        from seedbed.engines.opensearch.store import lease_store

        return lease_store.unlock(self.cluster, actor=actor)

    def examine(self, migrations: Sequence[Migration]) -> Mapping[str, Sequence[Hazard]]:
        """Return, by version, the hazards that only the cluster shows."""
        from seedbed.engines.opensearch.running.examine import examine

        with translate_errors(self.cluster, f"examining the pending migrations of {self.cluster.target}"):
            return examine(self.cluster, migrations)

    def require_feasible(self, works: Sequence[Work]) -> None:
        """Raise Refused for an index that is not at the version which `works` lead from."""
        from seedbed.engines.opensearch.running.feasible import require_feasible

        with translate_errors(self.cluster, f"looking at the indexes of {self.cluster.target}"):
            require_feasible(self.cluster, works)

    def present(self, names: Sequence[str]) -> Collection[str]:
        """Return those of `names` that are indexes, aliases or data streams."""
        from seedbed.engines.opensearch.running.reindex.existing import look

        with translate_errors(self.cluster, f"looking at the indexes of {self.cluster.target}"):
            return [each for each in names if look(self.cluster.client, each)]

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        from seedbed.engines.opensearch.running import ids

        return ids.ids(self.cluster, path, where)

    def extent(self, path: str, where: Where = ALL) -> Extent:
        from seedbed.engines.opensearch.running.ids import extent

        return extent(self.cluster, path, where)

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        from seedbed.engines.opensearch.running.ids import found

        return found(self.cluster, path, ids)

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        from seedbed.engines.opensearch.running.ids import holders

        return holders(self.cluster, path, suspects, time=time, most=most, where=where)

    def rows(self, query: str, most: int) -> Sequence[QueryRow]:
        from seedbed.engines.opensearch.running.queries import rows

        return rows(self.cluster, query, most)

    def number(self, query: str) -> Decimal:
        from seedbed.engines.opensearch.running.queries import number

        return number(self.cluster, query)

    def verified(self) -> Verified:
        from seedbed.engines.opensearch.store import verified

        with translate_errors(self.cluster, f"reading what verify found of {self.cluster.target}"):
            return verified.read(self.cluster)

    def keep(self, record: VerifyRecord, forget: Collection[str]) -> None:
        from seedbed.engines.opensearch.store import verified

        with translate_errors(self.cluster, f"keeping what verify found of {self.cluster.target}"):
            verified.keep(self.cluster, record, forget)

    def usage(self, removed: Sequence[Removed]) -> Usage:
        from seedbed.engines.opensearch.running.usage import usage

        with translate_errors(self.cluster, f"reading what {self.cluster.target} counts"):
            return usage(self.cluster, removed)

    def losses(self, works: Sequence[Work]) -> Sequence[Loss]:
        """Return how many documents `works` would remove."""
        from seedbed.engines.opensearch.running.losses import losses

        with translate_errors(self.cluster, f"counting what a revert of {self.cluster.target} would remove"):
            return losses(self.cluster, works)

    def schema(self) -> Sequence[str]:
        """Return the schema as lines: indexes, aliases, pipelines, templates; without those of seedbed."""
        from seedbed.engines.opensearch.running.inspect import catalogue
        from seedbed.engines.opensearch.schema.render import schema_lines

        with translate_errors(self.cluster, f"reading the schema of {self.cluster.target}"):
            return schema_lines(catalogue(self.cluster))
