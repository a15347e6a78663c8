"""Snapshots of a database: of its cluster on Amazon Aurora, and as a template in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from seedbed.aws.cloud import Cloud
from seedbed.engines.postgres.address import Address, is_rds
from seedbed.engines.snapshots import Snapshots, TakenElsewhere
from seedbed.model.target import Target


@contextmanager
def snapshots(target: Target, cloud: Cloud) -> Iterator[Snapshots]:
    """Reach the snapshots of `target`. Raises TakenElsewhere for a server that is neither."""
    address = cast(Address, target.address)
    if target.environment.is_sandbox:
        from seedbed.engines.postgres.snapshots.templates import template_snapshots

        with template_snapshots(target, address) as found:
            yield found
    elif is_rds(address.host):
        from seedbed.aws.identity import require_account
        from seedbed.engines.postgres.snapshots.clusters import ClusterSnapshots, cluster_id

        cluster = cluster_id(address)
        require_account(cloud)
        yield ClusterSnapshots(target, address, cloud, cluster)
    else:
        raise TakenElsewhere(
            f"{address} is no cluster of Amazon Aurora",
            because="seedbed takes snapshots of clusters on Aurora alone",
            try_="take one by its own means, and say so with a written reason",
        )
