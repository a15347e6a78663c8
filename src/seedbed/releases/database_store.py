"""Releases in a database of the environment, in tables of their own.

Who a caller is, the server says: approvals are written with the rights of the login that approves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec.structs import replace

from seedbed.engines.records import Record, Records
from seedbed.errors import Unreachable
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

_OPENING = "opening/"  # in the place of a step, before the digest of the release that whoever left it opened
_TRIES = 3  # of a write whose answer is lost


class DatabaseStore:
    """The releases of `environment` in `records`. `place`: of what, for messages."""

    def __init__(self, records: Records, environment: str, place: str) -> None:
        self.environment = environment
        self._records = records
        self._place = place

    def now(self) -> float:
        return self._records.now()

    def caller(self, note: str = "") -> Identity:
        user = self._records.user()
        return Identity(user, user, note)

    def numbers(self) -> Sequence[int]:
        return self._records.numbers()

    def load(self, number: int) -> Release | None:
        found = self._records.load(number)
        if found is None:
            return None
        return release_of(found.data, self.environment, number, f"{self._place}, release {number}")

    def create(self, release: Release) -> bool:
        if self.load(release.number) is not None:
            return False  # what its opener left, who may be the same user, stays
        who = self.caller(release.opened_by.note)
        self._records.leave(release.number, f"{_OPENING}{release.digest}", encoded(opening(release, who)))
        return self._write(release)

    def replace(self, release: Release) -> bool:
        return self._write(release)

    def put(self, data: bytes) -> str:
        sha256 = digest_of(data)
        if self._records.get(sha256) != data:
            self._records.put(sha256, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        return require_same(self._records.get(sha256), sha256, f"{self._place}, {sha256}")

    def approve(self, approval: Approval) -> None:
        who = self.caller(approval.by.note)
        self._records.leave(approval.number, approval.step, encoded(replace(approval, by=who)))

    def approvals(self, number: int) -> Sequence[Approval]:
        found = [
            approval_of(each.data, number, each.step, each.user, each.at)
            for each in self._records.left(number)
            if is_step(each.step) and len(each.data) <= LARGEST_APPROVAL
        ]
        return [replace(each, by=replace(each.by, arn=each.by.user_id)) for each in found if each]

    def openings(self, number: int) -> Sequence[Opening]:
        found = [
            opening_of(each.data, number, each.step.removeprefix(_OPENING), each.user, each.at)
            for each in self._records.left(number)
            if each.step.startswith(_OPENING) and len(each.data) <= LARGEST_APPROVAL
        ]
        return [each for each in found if each]

    def _write(self, release: Release) -> bool:
        """Write a record; a write whose answer was lost is tried again, and refused by what the first one wrote."""
        record = Record(release.revision, os.urandom(16).hex(), encoded(release))
        for left in reversed(range(_TRIES)):
            try:
                if self._records.write(release.number, record):
                    return True
                break
            except Unreachable:
                if not left:
                    raise
        there = self._records.load(release.number)
        return there is not None and there.writer == record.writer
