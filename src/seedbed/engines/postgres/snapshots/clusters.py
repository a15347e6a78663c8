"""Snapshots of clusters on Amazon Aurora, and clusters that are restored from them beside.

A cluster is restored in two parts: the cluster itself, which is given what the original has of network and parameters
(said nothing, it would get the default security group), and one instance, without which it has no computer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import where
from seedbed.engines.base import Session
from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.session import PostgresSession
from seedbed.engines.postgres.snapshots.counting import counts
from seedbed.engines.postgres.snapshots.rds import COPY, Existing, Missing, NotNow, Rds, as_tags, tags_of
from seedbed.engines.postgres.snapshots.renames import ClusterSwap
from seedbed.engines.snapshots import Swaps, TakenElsewhere
from seedbed.errors import Refused
from seedbed.model.names import stack_tags
from seedbed.model.snapshot import Copy, Snapshot, known_id, snapshot_id
from seedbed.model.target import Target

ENGINE = "aurora-postgresql"
LONGEST = 63  # characters of the name of a cluster or an instance
_CLUSTER = re.compile(r"([a-z][a-z0-9-]*)\.cluster-(?!ro-|custom-)[a-z0-9]+\..+", re.IGNORECASE)
_GIB = 1 << 30
_WORKING = (
    "available",
    "backing-up",
    "modifying",
    "upgrading",
    "creating",
    "migrating",
    "preparing-data-migration",
)


def cluster_id(address: Address) -> str:
    """Return the name of the cluster that `address` leads to. Raises TakenElsewhere where its host is no writer's."""
    if found := _CLUSTER.fullmatch(address.host):
        return found[1].lower()
    raise TakenElsewhere(
        f"{address.host} is not the endpoint of an Aurora cluster",
        because="seedbed takes snapshots of clusters, and knows them by their cluster endpoint",
        try_="take one by its own means, and say so with a written reason",
    )


class ClusterSnapshots:
    """The manual snapshots of one cluster, and the clusters that were restored from them."""

    def __init__(self, target: Target, address: Address, cloud: Cloud, cluster: str) -> None:
        self._target, self._address, self._cloud, self._cluster = target, address, cloud, cluster
        self._names = (target.platform, target.environment.name, target.database.service)
        self._rds = Rds(
            cloud, {**stack_tags(target.platform, target.environment.name), "seedbed-database": target.id}
        )

    @property
    def lost(self) -> Sequence[str]:
        members = self._original()["DBClusterMembers"]
        readers = ["its readers: a copy has one instance"] if len(members) > 1 else []
        return [*readers, "passwords that were changed since: logins have those of then"]

    def listed(self) -> Sequence[Snapshot]:
        found = []
        for each in self._rds.pages(
            "DescribeDBClusterSnapshots", "DBClusterSnapshots", SnapshotType="manual"
        ):
            known = known_id(*self._names, each["DBClusterSnapshotIdentifier"])
            if known and self._rds.is_ours(each):
                found.append(self._snapshot(*known, each))
        return sorted(found, key=lambda each: (each.release, each.number), reverse=True)

    def take(self, release: int, number: int) -> Snapshot:
        name = snapshot_id(*self._names, release, number)
        if (found := self._taken(name)) is None:
            try:
                self._rds.ask(
                    "CreateDBClusterSnapshot",
                    DBClusterIdentifier=self._cluster,
                    DBClusterSnapshotIdentifier=name,
                    Tags=as_tags(self._rds.tags),
                )
            except NotNow:
                self._require_working()
            except Existing:
                pass  # ours, whose answer was lost; looked at now
            found = self._taken(name)
        if found is None:
            return Snapshot(id=name, database=self._target.id, release=release, number=number, state="making")
        self._rds.require_ours(found, name)
        return self._snapshot(release, number, found)

    def delete(self, snapshot: Snapshot) -> None:
        found = self._taken(snapshot.id)
        if found is None:
            return
        self._rds.require_ours(found, snapshot.id)
        try:
            self._rds.ask("DeleteDBClusterSnapshot", DBClusterSnapshotIdentifier=snapshot.id)
        except (Missing, NotNow):
            return  # it goes already

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        beside = self._beside(name)
        cluster = self._rds.described("DescribeDBClusters", "DBClusters", DBClusterIdentifier=beside)
        if cluster is None:
            self._restore_cluster(snapshot, beside, name)
            return self._copy(name, None, f"the cluster {beside} is restored")
        self._rds.require_ours(cluster, beside, copy=name, source=snapshot.id)
        if cluster["Status"] != "available":
            return self._copy(name, None, f"the cluster {beside} is {cluster['Status']}")
        instance = self._rds.described("DescribeDBInstances", "DBInstances", DBInstanceIdentifier=beside)
        if instance is None:
            self._create_instance(beside, name)
            return self._copy(name, None, f"the instance {beside} is created")
        if instance["DBInstanceStatus"] != "available":
            return self._copy(name, None, f"the instance {beside} is {instance['DBInstanceStatus']}")
        return self._copy(name, cluster, "")

    def copies(self) -> Sequence[Copy]:
        found = []
        for each in self._rds.pages("DescribeDBClusters", "DBClusters"):
            tags = tags_of(each)
            is_beside = each["DBClusterIdentifier"] == self._beside(tags.get(COPY, ""))
            if (
                COPY in tags and self._rds.is_ours(each) and is_beside
            ):  # one that took the original's name is no copy
                is_there = each["Status"] == "available"
                found.append(self._copy(tags[COPY], each if is_there else None, f"it is {each['Status']}"))
        return sorted(found, key=lambda each: each.name)

    def drop(self, name: str) -> bool:
        beside = self._beside(name)
        instance = self._rds.described("DescribeDBInstances", "DBInstances", DBInstanceIdentifier=beside)
        if instance is not None:
            self._rds.require_ours(instance, beside, copy=name)
            if instance["DBInstanceStatus"] != "deleting":
                self._rds.asked_again("DeleteDBInstance", DBInstanceIdentifier=beside, SkipFinalSnapshot=True)
                return False
        cluster = self._rds.described("DescribeDBClusters", "DBClusters", DBClusterIdentifier=beside)
        if cluster is not None:
            self._rds.require_ours(cluster, beside, copy=name)
            if cluster["Status"] != "deleting":
                self._rds.asked_again("DeleteDBCluster", DBClusterIdentifier=beside, SkipFinalSnapshot=True)
        return instance is None and cluster is None

    def address(self, copy: Copy) -> object:
        return replace(self._address, host=copy.settings["host"], port=int(copy.settings["port"]))

    def counts(self, session: Session) -> Mapping[str, int]:
        return counts(cast(PostgresSession, session))

    def swapping(self, name: str) -> Swaps:
        return ClusterSwap(self._rds, self._address, self._cluster, self._beside(name), name)

    def _restore_cluster(self, snapshot: Snapshot, beside: str, name: str) -> None:
        original = self._original()
        asked = {
            "DBClusterIdentifier": beside,
            "SnapshotIdentifier": snapshot.id,
            "Engine": original["Engine"],
            "EngineVersion": original["EngineVersion"],
            "Port": original["Port"],
            "DBSubnetGroupName": original["DBSubnetGroup"],
            "VpcSecurityGroupIds": [each["VpcSecurityGroupId"] for each in original["VpcSecurityGroups"]],
            "DBClusterParameterGroupName": original["DBClusterParameterGroup"],
            "EnableIAMDatabaseAuthentication": bool(original.get("IAMDatabaseAuthenticationEnabled")),
            "DeletionProtection": False,
            "Tags": as_tags({**self._rds.tags, COPY: name, "seedbed-source": snapshot.id}),
        }
        if scaling := original.get("ServerlessV2ScalingConfiguration"):
            asked["ServerlessV2ScalingConfiguration"] = scaling
        self._rds.asked_again("RestoreDBClusterFromSnapshot", **asked)

    def _create_instance(self, beside: str, name: str) -> None:
        self._rds.asked_again(
            "CreateDBInstance",
            DBInstanceIdentifier=beside,
            DBClusterIdentifier=beside,
            DBInstanceClass=self._writer()["DBInstanceClass"],
            Engine=ENGINE,
            PubliclyAccessible=False,
            Tags=as_tags({**self._rds.tags, COPY: name}),
        )

    def _writer(self) -> Mapping[str, Any]:
        members = self._original()["DBClusterMembers"]
        writer = next(each["DBInstanceIdentifier"] for each in members if each["IsClusterWriter"])
        found = self._rds.described("DescribeDBInstances", "DBInstances", DBInstanceIdentifier=writer)
        if found is None:
            raise NotNow(f"the writer of {self._cluster} is being replaced", because=f"{writer} is gone")
        return found

    def _original(self) -> Mapping[str, Any]:
        found = self._rds.described("DescribeDBClusters", "DBClusters", DBClusterIdentifier=self._cluster)
        if found is None:
            raise Refused(
                f"there is no cluster {self._cluster} in {where(self._cloud)}",
                because=f"{self._address.host} says so, which may be a name for another one",
                try_="use the cluster's own endpoint",
            )
        return found

    def _require_working(self) -> None:
        status = self._original()["Status"]
        if status not in _WORKING:
            raise Refused(
                f"{self._cluster} is {status}",
                because="a cluster has to be available for a snapshot of it to be taken",
                try_="start it, then run the same command again",
            )

    def _taken(self, name: str) -> Mapping[str, Any] | None:
        return self._rds.described(
            "DescribeDBClusterSnapshots", "DBClusterSnapshots", DBClusterSnapshotIdentifier=name
        )

    def _snapshot(self, release: int, number: int, told: Mapping[str, Any]) -> Snapshot:
        status, taken = told["Status"], told.get("SnapshotCreateTime")
        made = {"available": "available", "creating": "making", "copying": "making"}
        return Snapshot(
            id=told["DBClusterSnapshotIdentifier"],
            database=self._target.id,
            release=release,
            number=number,
            state=cast(Any, made.get(status, "partial")),
            taken=taken.timestamp() if isinstance(taken, datetime) else 0.0,
            size=int(told.get("AllocatedStorage") or 0) * _GIB,
            percent=int(told.get("PercentProgress") or 0),
            because="" if status in made else f"RDS says that it is {status}",
            parts={self._cluster: str(told.get("DBClusterSnapshotArn") or "")},
        )

    def _copy(self, name: str, cluster: Mapping[str, Any] | None, doing: str) -> Copy:
        settings = {"host": str(cluster["Endpoint"]), "port": str(cluster["Port"])} if cluster else {}
        return Copy(
            database=self._target.id,
            name=name,
            state="available" if cluster else "making",
            place=f"cluster {self._beside(name)}",
            settings=settings,
            doing="" if cluster else doing,
        )

    def _beside(self, name: str) -> str:
        """Return the name of the cluster of a copy, and of its instance: "seedbed-shop-prod-user-r12"."""
        full = f"{snapshot_id(*self._names, 0).removesuffix('-r0')}-{name}".lower()
        if len(full) <= LONGEST:
            return full
        end = f"-{sha256(full.encode()).hexdigest()[:8]}-{name}"
        return full[: LONGEST - len(end)].rstrip("-") + end
