"""What is wrong with a migration's file, kept until all of it is known: one run names everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from seedbed.errors import Location, MigrationFileError, SeedbedError, raise_errors

MOST = 100  # of one file

T = TypeVar("T")


class Findings:
    """The errors of the file `path` so far. A reader notes what it finds and goes on where it can."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._found: list[SeedbedError] = []

    def error(
        self, line: int, what: str, because: str = "", try_: str = "", column: int = 0
    ) -> MigrationFileError:
        return MigrationFileError(what, because=because, try_=try_, at=Location(self.path, line, column))

    def note(self, error: SeedbedError) -> None:
        """Keep `error`. Raises all of them once there are MOST."""
        self._found += (each for each in error.errors if each not in self._found)
        if len(self._found) >= MOST:
            self.require_none()

    @property
    def count(self) -> int:
        return len(self._found)

    def forget(self, count: int) -> None:
        """Keep the first `count` only: the rest will be found again."""
        del self._found[count:]

    def require_none(self) -> None:
        """Raise what was found, by line."""
        raise_errors(sorted(self._found[:MOST], key=_place))

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; None where it raises, which is noted."""
        try:
            return read()
        except SeedbedError as error:
            self.note(error)
            return None

    def all_of(self, read: Callable[[], T]) -> T:
        """Return what `read` returns. Raises what it noted, with what it raised."""
        value = self.attempt(read)
        self.require_none()
        assert value is not None  # otherwise something was found
        return value


def _place(error: SeedbedError) -> tuple[int, int]:
    return (error.at.line, error.at.column) if error.at else (0, 0)
