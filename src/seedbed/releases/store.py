"""What keeps the releases of one environment; every backend has this, and a contract test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from seedbed.model.release import Approval, Identity, Opening, Release


class ReleaseStore(Protocol):
    """Records, plans and bundles of the releases of one environment. Thread-safe; every change is one condition.

    All raise Unavailable where the store does not answer, Refused where it does not allow something.
    """

    def now(self) -> float:
        """Return the time in seconds, by a clock that all callers have in common."""
        ...

    def caller(self, note: str = "") -> Identity:
        """Return who we are, as the store's authority says."""
        ...

    def numbers(self) -> Sequence[int]:
        """Return the numbers of all releases, ascending."""
        ...

    def load(self, number: int) -> Release | None:
        """Return a release as it is now. Raises Refused for a record that cannot be read."""
        ...

    def create(self, release: Release) -> bool:
        """Write that the caller opens a release, then its record; False where its number is taken.

        A second try of a lost answer is True. Raises Refused where the caller may not.
        """
        ...

    def replace(self, release: Release) -> bool:
        """Write `release` over the revision before its own; False where somebody else wrote meanwhile.

        `release.revision` is one more than that of what was read. A second try of a lost answer is True.
        """
        ...

    def put(self, data: bytes) -> str:
        """Keep some bytes, and return their SHA-256, by which `get` finds them."""
        ...

    def get(self, sha256: str) -> bytes:
        """Return what was kept. Raises Refused where it is gone, or is not what it was."""
        ...

    def openings(self, number: int) -> Sequence[Opening]:
        """Return who opened a release of that number: `by` and `at` as the store's authority says.

        Whoever was too late with another release is among them: `digest` says which one it was.
        """
        ...

    def approve(self, approval: Approval) -> None:
        """Keep the caller's approval of a step, over an earlier one of his. Raises Refused where he may not."""
        ...

    def approvals(self, number: int) -> Sequence[Approval]:
        """Return the approvals of a release: `by` and `at` as the store's authority says."""
        ...
