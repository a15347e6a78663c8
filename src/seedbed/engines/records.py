"""What an engine may be able to do besides: keep records in a table of its own, which belong to no service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct


class Record(Struct, frozen=True):
    """A record as it is now. `writer`: the token of the write that left it so."""

    revision: int
    writer: str
    data: bytes


class Left(Struct, frozen=True):
    """What a login left for others to read: `user` and `at` are the server's word for who and when."""

    step: str
    user: str
    at: float
    data: bytes


class Records(Protocol):
    """Records of one environment, in a database. Thread-safe. All raise Unreachable, Refused.

    A write whose answer is lost raises Unreachable and may have been made.
    """

    def now(self) -> float:
        """Return the time in seconds, by the server's clock."""
        ...

    def user(self) -> str:
        """Return the login that we have, as the server says."""
        ...

    def numbers(self) -> Sequence[int]:
        """Return the numbers of all records, ascending."""
        ...

    def load(self, number: int) -> Record | None:
        """Return a record as it is now."""
        ...

    def write(self, number: int, record: Record) -> bool:
        """Write a record of revision 0 where there is none, any other over the revision before it; False if not so."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Keep some bytes under a name, in the place of what is there."""
        ...

    def get(self, name: str) -> bytes | None:
        """Return what was kept under a name."""
        ...

    def leave(self, number: int, step: str, data: bytes) -> None:
        """Leave something about a step of a record, in the name of our login; the last that it left counts."""
        ...

    def left(self, number: int) -> Sequence[Left]:
        """Return what each login left last about each step of a record."""
        ...


@runtime_checkable
class SupportsRecords(Protocol):
    """An engine whose databases can keep records of an environment beside what services have there."""

    def records(self, address: Any, environment: str) -> Records:
        """Return the records of `environment` in the database at `address`; their table is made by the first write."""
        ...
