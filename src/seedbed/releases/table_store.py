"""Releases in the table and the bucket in which an environment's records are.

A record is the item `release#ENVIRONMENT`, part `0012`. What is large, and what is never changed, is an object that has
its SHA-256 as its name. An approval is an object, too: its key ends with the id of whoever wrote it, and policies let
nobody write under another one's. So is what the opener left, with the digest before his id: of two bundles that one
user opens at once, neither is taken for the other.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from seedbed.aws import identity
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.aws.rights import APPROVALS, OPENINGS, RELEASES, release_item
from seedbed.errors import Refused
from seedbed.model.release import Approval, Identity, Opening, Release
from seedbed.releases.records import (
    LARGEST_APPROVAL,
    approval_of,
    digest_of,
    encoded,
    is_step,
    opening,
    opening_of,
    release_of,
    require_same,
)

_LARGEST = 380_000  # bytes of a record; an item has 400 KB at most
_BINARY, _JSON = "application/octet-stream", "application/json"


class TableStore:
    """The releases of `environment`. Others may lie beside them: each key begins with a kind and the name."""

    def __init__(self, table: Table, bucket: Bucket, environment: str) -> None:
        self.table = table
        self.bucket = bucket
        self.environment = environment
        self._has_asked = False

    def now(self) -> float:
        if not self._has_asked:  # before an answer, the clock is that of this machine
            self.table.get(self._id, "time")
            self._has_asked = True
        return self.table.now()

    def caller(self, note: str = "") -> Identity:
        who = identity.caller(self.table.cloud)
        return Identity(who.user_id, who.arn, note)

    def numbers(self) -> Sequence[int]:
        parts = [str(each["part"]) for each in self.table.between(self._id, "0", "9~", only="part")]
        return sorted(int(each) for each in parts if each.isdecimal())

    def load(self, number: int) -> Release | None:
        found = self.table.get(self._id, _part(number))
        if found is None:
            return None
        where = f"{self.table.name}, {self._id}, {_part(number)}"
        return release_of(str(found.get("record", "")).encode(), self.environment, number, where)

    def create(self, release: Release) -> bool:
        if self.load(release.number) is not None:
            return False  # what its opener left, who may be the same user, stays
        who = self.caller(release.opened_by.note)
        key = f"{self._openings(release.number)}{release.digest}/{who.user_id}"
        self.bucket.put(key, encoded(opening(release, who)), content_type=_JSON)
        return self._write(release, "attribute_not_exists(#id)")

    def replace(self, release: Release) -> bool:
        return self._write(release, "#revision = :before", before=release.revision - 1)

    def put(self, data: bytes) -> str:
        sha256 = digest_of(data)
        key = self._blob(sha256)
        is_new = self.bucket.replace(key, data, "", content_type=_BINARY)
        # By an earlier try, for another release; or somebody wrote something else there.
        if not is_new and self.bucket.get(key) != data:
            self.bucket.put(key, data, content_type=_BINARY)
        return sha256

    def get(self, sha256: str) -> bytes:
        key = self._blob(sha256)
        return require_same(self.bucket.get(key), sha256, f"s3://{self.bucket.name}/{key}")

    def approve(self, approval: Approval) -> None:
        who = self.caller(approval.by.note)
        key = f"{self._approvals(approval.number)}{approval.step}/{who.user_id}"
        self.bucket.put(key, encoded(replace(approval, by=who)), content_type=_JSON)

    def approvals(self, number: int) -> Sequence[Approval]:
        prefix = self._approvals(number)
        found = []
        for each in self.bucket.below(prefix):
            step, _, user_id = each.key.removeprefix(prefix).partition("/")
            # A policy says how a key ends: whoever puts a path before his id is not somebody else by that.
            if not is_step(step) or not user_id or "/" in user_id or each.size > LARGEST_APPROVAL:
                continue
            if (read := self.bucket.read(each.key)) is None:
                continue
            if made := approval_of(read.data, number, step, user_id, read.written):
                found.append(made)
        return found

    def openings(self, number: int) -> Sequence[Opening]:
        prefix = self._openings(number)
        found = []
        for each in self.bucket.below(prefix):
            digest, _, user_id = each.key.removeprefix(prefix).partition("/")
            if not user_id or "/" in user_id or each.size > LARGEST_APPROVAL:
                continue
            if (read := self.bucket.read(each.key)) is None:
                continue
            if made := opening_of(read.data, number, digest, user_id, read.written):
                found.append(made)
        return found

    def _write(self, release: Release, when: str, **values: Any) -> bool:
        record = encoded(release)
        if len(record) > _LARGEST:
            raise Refused(
                f"the record of release {release.number} of {self.environment} would be too large",
                because=f"it has {len(record)} bytes, and an item takes {_LARGEST}",
                try_="open a new release",
            )
        writer = os.urandom(16).hex()
        item = {"id": self._id, "part": _part(release.number), "revision": release.revision}
        item |= {"record": record.decode(), "state": release.state, "writer": writer}
        if self.table.put(item, when=when, **values):
            return True
        # The second try of a write whose answer was lost is refused by what the first one wrote.
        there = self.table.get(self._id, _part(release.number))
        return there is not None and there.get("writer") == writer

    @property
    def _id(self) -> str:
        return release_item(self.environment)

    def _blob(self, sha256: str) -> str:
        return f"{RELEASES}/{self.environment}/{sha256}"

    def _openings(self, number: int) -> str:
        return f"{OPENINGS}/{self.environment}/{_part(number)}/"

    def _approvals(self, number: int) -> str:
        return f"{APPROVALS}/{self.environment}/{_part(number)}/"


def _part(number: int) -> str:
    return f"{number:04d}"
