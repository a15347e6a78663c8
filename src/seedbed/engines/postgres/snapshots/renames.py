"""A cluster and its copy exchange their names: the endpoint follows the name, and so do all who know it.

Nothing is written down: which of the two is the copy, its tag says, and how far it is, the names say. The database's
cluster waits as `NAME-before-r12`, its instances likewise. A cluster that is renamed is in neither place for minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.snapshots import door
from seedbed.engines.postgres.snapshots.rds import COPY, Rds, as_tags, tags_of
from seedbed.engines.snapshots import SwapState
from seedbed.errors import Busy, Refused, Unreachable
from seedbed.model.history import Owner

LONGEST = 63  # characters of the name of a cluster or an instance
_MOST_MISSES = 120  # looks at two names, neither of which is there
# What the copy takes over from the cluster whose place it has, beside its name
_TAKEN_OVER = (
    *("DeletionProtection", "BackupRetentionPeriod", "CopyTagsToSnapshot"),
    *("PreferredBackupWindow", "PreferredMaintenanceWindow"),
)

Told = Mapping[str, Any]


class ClusterSwap:
    """The cluster `cluster`, and the copy `name` of it, which is called `beside` while it is beside."""

    def __init__(self, rds: Rds, address: Address, cluster: str, beside: str, name: str) -> None:
        self._rds, self._address = rds, address
        self._cluster, self._beside, self._name = cluster, beside, name
        self._end = f"-before-{name}"
        self._marks = (name, f"{name}-back")  # of the database, and of the copy, while nobody writes to it
        self._misses = 0
        self._way = 0  # how far it was: what is to lose the place has it, nothing has, what is to have it has
        self._has_begun = False  # a rename of a cluster

    @property
    def lost(self) -> Sequence[str]:
        self._require_room()
        found = [
            f"the database {each} lies in the same cluster, and becomes what it was then, too"
            for each in door.others(self._address)
        ]
        return [
            *found,
            "numbers of sequences: ids that were given out since are given out again",
            "automated backups: those of what has the place begin anew, those of the former cluster stay with that",
        ]

    @property
    def kept(self) -> str:
        return f"cluster {self._cluster}{self._end}"

    def state(self) -> SwapState:
        here, aside = self._described(self._cluster), self._described(self._cluster + self._end)
        if here is None:
            return "between"
        if self._is_copy(here):
            return "swapped" if aside is None or not self._left_to_swap(here, aside) else "between"
        beside = self._described(self._beside)
        moves = [each for each in (here, beside) if each is not None and each["Status"] == "renaming"]
        if moves or aside is not None or any(each.endswith(self._end) for each in _members(here)):
            return "between"
        return "between" if beside and {*_members(beside)} - {self._beside} else "beside"

    def connected(self) -> Sequence[str]:
        return door.connected(self._address)

    def close(self, *, back: bool, disconnect: bool) -> bool:
        here = self._described(self._cluster)
        if here is None or here["Status"] == "renaming" or self._is_copy(here) is not back:
            return False
        return door.close(self._address, self._marks[back], disconnect=disconnect)

    def open(self) -> None:
        if (here := self._described(self._cluster)) is not None and here["Status"] == "available":
            door.open_again(self._address)
        beside = self._described(self._beside)
        if beside is not None and self._is_copy(beside) and self._settling([self._beside]) == "":
            door.open_again(replace(self._address, host=str(beside["Endpoint"]), port=int(beside["Port"])))

    # Forward

    def swap(self, owner: Owner) -> str:
        del owner  # nobody writes any more
        here, aside = self._described(self._cluster), self._described(self._cluster + self._end)
        self._look_on(here, back=False)
        if here is not None and not self._is_copy(here):
            return self._rename(here, self._cluster + self._end)
        if aside is None:
            return self._missing(here)
        if here is None:
            beside = self._described(self._beside)
            if beside is None:
                return self._missing(beside)
            self._rds.require_ours(beside, self._beside, copy=self._name)
            if aside["Status"] != "available":
                return _waits(aside)
            over = {each: aside[each] for each in _TAKEN_OVER if aside.get(each) is not None}
            return self._rename(beside, self._cluster, **over)
        return self._left_to_swap(here, aside, ask=True)

    def _left_to_swap(self, here: Told, aside: Told, *, ask: bool = False) -> str:
        """Return what instances are waited for until the copy has those of the cluster, by the same names."""
        for cluster in (here, aside):
            if cluster["Status"] != "available":
                return _waits(cluster)
        for each in _members(aside):
            if not each.endswith(self._end):
                return self._renamed(each, each + self._end, ask=ask)
        if waits := self._settling(_members(aside)):  # one on its way back to its name has that name soon
            return waits
        wanted = {each.removesuffix(self._end): each for each in _members(aside)}
        writer = _writer(aside).removesuffix(self._end)
        there = set(_members(here))
        if writer not in there:
            return self._renamed(self._beside, writer, ask=ask)
        for name, model in wanted.items():
            if name not in there:
                return self._made(name, model, ask=ask)
        return self._settling([*wanted.values(), *wanted]) or self._leading_to(self._marks[0])

    # Back

    def back(self, owner: Owner) -> str:
        del owner
        here, aside = self._described(self._cluster), self._described(self._cluster + self._end)
        self._look_on(here, back=True)
        if here is not None and self._is_copy(here):
            if aside is None:
                raise Refused(
                    f"{self._cluster} has no cluster to go back to",
                    because=f"{self._cluster}{self._end} is not there any more",
                    try_="restore another snapshot",
                )
            return self._rename(here, self._beside, DeletionProtection=False)
        if here is None:
            if aside is None:
                return self._missing(aside)
            beside = self._described(self._beside)
            if beside is not None and beside["Status"] != "available":
                return _waits(beside)
            return self._rename(aside, self._cluster)
        return self._left_to_go_back(here)

    def _left_to_go_back(self, here: Told) -> str:
        beside = self._described(self._beside)
        for cluster in filter(None, (here, beside)):
            if cluster["Status"] != "available":
                return _waits(cluster)
        if beside is not None:
            for each in _members(beside):
                if each != self._beside and each != _writer(beside):
                    return self._gone(each)
            if _members(beside) and _writer(beside) != self._beside:
                return self._renamed(_writer(beside), self._beside, ask=True)
            if waits := self._settling(
                _members(beside)
            ):  # one on its way to a name of the cluster's has it soon
                return waits
        for each in _members(here):
            if each.endswith(self._end):
                return self._renamed(each, each.removesuffix(self._end), ask=True)
        members = [*_members(here), *(_members(beside) if beside else ())]
        return self._settling(members) or self._leading_to(self._marks[1])

    def _look_on(self, here: Told | None, *, back: bool) -> None:
        """Close what is to lose the place, and was let in again. Raises Busy where it has the place after we moved on.

        Then somebody else leads the other way, and goes on. Before this one has begun a rename, what a killed one
        asked for may still come about.
        """
        way = 1 if here is None else 0 if self._is_copy(here) is back else 2
        if self._has_begun and way < self._way:
            raise Busy(
                f"another command gives the place of {self._cluster} to the other of the two",
                because=f"{'the copy' if back else 'the database'} has it, or is about to",
                try_="wait until that is over; then look at it again, with --dry-run",
            )
        self._way = way
        if (
            here is not None
            and way == 0
            and here["Status"] == "available"
            and not door.closed_by(self._address)
        ):
            door.close(self._address, self._marks[back], disconnect=False)

    def _leading_to(self, mark: str) -> str:
        """Return that the endpoint does not lead yet to what has its name now, but to what has `mark`, or nowhere."""
        try:
            leads = door.closed_by(self._address) != mark
        except Unreachable:
            return f"the name of {self._cluster} leads nowhere yet"
        return "" if leads else f"the name of {self._cluster} still leads to what had it before"

    # Instances

    def _settling(self, names: Sequence[str]) -> str:
        for each in names:
            found = self._instance(each)
            if found is None or found["DBInstanceStatus"] != "available":
                return f"the instance {each} is {found['DBInstanceStatus'] if found else 'not there yet'}"
        return ""

    def _renamed(self, name: str, new: str, *, ask: bool) -> str:
        found = self._instance(name)
        if found is None:
            return self._missing(found)
        status = found["DBInstanceStatus"]
        if status == "available" and ask:
            self._rds.asked_again(
                "ModifyDBInstance",
                DBInstanceIdentifier=name,
                NewDBInstanceIdentifier=new,
                ApplyImmediately=True,
            )
        return f"the instance {name} becomes {new}" if status in {"available", "renaming"} else _busy(found)

    def _made(self, name: str, model: str, *, ask: bool) -> str:
        """Ask for an instance of the copy that is like `model`, an instance of the former cluster."""
        like = self._instance(model)
        if like is None:
            return self._missing(like)
        if ask:
            more = {each: like[each] for each in ("AutoMinorVersionUpgrade", "PromotionTier") if each in like}
            if groups := like.get("DBParameterGroups"):
                more["DBParameterGroupName"] = groups[0]["DBParameterGroupName"]
            self._rds.asked_again(
                "CreateDBInstance",
                DBInstanceIdentifier=name,
                DBClusterIdentifier=self._cluster,
                DBInstanceClass=like["DBInstanceClass"],
                Engine=like["Engine"],
                PubliclyAccessible=False,
                Tags=as_tags({**self._rds.tags, COPY: self._name}),
                **more,
            )
        return f"the instance {name} is created"

    def _gone(self, name: str) -> str:
        found = self._instance(name)
        if found is not None and found["DBInstanceStatus"] != "deleting":
            self._rds.require_ours(found, name, copy=self._name)
            self._rds.asked_again("DeleteDBInstance", DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        return f"the instance {name} of the copy goes"

    # Clusters

    def _rename(self, cluster: Told, new: str, **more: Any) -> str:
        name = cluster["DBClusterIdentifier"]
        if cluster["Status"] not in {"available", "renaming"}:
            return _waits(cluster)
        if cluster["Status"] == "available":
            self._has_begun |= self._rds.asked_again(
                "ModifyDBCluster",
                DBClusterIdentifier=name,
                NewDBClusterIdentifier=new,
                ApplyImmediately=True,
                **more,
            )
        return f"the cluster {name} becomes {new}"

    def _described(self, name: str) -> Told | None:
        return self._rds.described("DescribeDBClusters", "DBClusters", DBClusterIdentifier=name)

    def _instance(self, name: str) -> Told | None:
        return self._rds.described("DescribeDBInstances", "DBInstances", DBInstanceIdentifier=name)

    def _is_copy(self, told: Told) -> bool:
        return tags_of(told).get(COPY) == self._name and self._rds.is_ours(told)

    def _missing(self, found: object) -> str:
        """Wait for what is between two names. Raises Refused for what is in neither place for long."""
        del found
        self._misses += 1
        if self._misses > _MOST_MISSES:
            names = f"{self._cluster}, {self._cluster}{self._end} and {self._beside}"
            raise Refused(
                f"clusters of {self._cluster} are not where they should be",
                because=f"one of {names}, or an instance of theirs, is not found",
                try_="look at them in the console of RDS, and rename by hand what is not in its place",
            )
        return f"a cluster is between two names, of {self._cluster} and {self._beside}"

    def _require_room(self) -> None:
        found = self._described(self._cluster)
        for each in self._long(found) if found else ():
            raise Refused(
                f"{each} cannot be kept beside its copy",
                because=f"{each}{self._end} has more than {LONGEST} characters",
                try_="copy back what is missing, or rename it by hand",
            )

    def _long(self, found: Told) -> Iterator[str]:
        for each in (self._cluster, *_members(found)):
            if len(each + self._end) > LONGEST:
                yield each


def _members(cluster: Told) -> list[str]:
    return [each["DBInstanceIdentifier"] for each in cluster["DBClusterMembers"]]


def _writer(cluster: Told) -> str:
    members = cluster["DBClusterMembers"]
    first = next((each for each in members if each["IsClusterWriter"]), members[0])
    return str(first["DBInstanceIdentifier"])


def _waits(cluster: Told) -> str:
    return f"the cluster {cluster['DBClusterIdentifier']} is {cluster['Status']}"


def _busy(instance: Told) -> str:
    return f"the instance {instance['DBInstanceIdentifier']} is {instance['DBInstanceStatus']}"
