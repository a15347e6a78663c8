"""What the bytes of a seed hash to, known once they were read for another purpose: no file is held for it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from msgspec.structs import replace

from seedbed.errors import Location, StalePlan
from seedbed.model.seed import SeedFile


class Digesting:
    """A seed's `file`, which is hashed as it is read; `sha256`, in hex, is that of its last whole reading."""

    def __init__(self, file: SeedFile) -> None:
        self._read = file.read
        self.sha256 = ""
        self.file = replace(file, read=self._digested)

    def _digested(self) -> Iterator[bytes]:
        digest = sha256()
        for piece in self._read():
            digest.update(piece)
            yield piece
        self.sha256 = digest.hexdigest()


def held_to(file: SeedFile, reviewed: str) -> SeedFile:
    """Return `file`, each whole reading of which raises StalePlan at its end unless it hashes to `reviewed`.

    What was looked at before it is loaded may be another file by then: so the bytes that are loaded are the ones that
    are hashed.
    """

    def read() -> Iterator[bytes]:
        digesting = Digesting(file)
        yield from digesting.file.read()
        if digesting.sha256 != reviewed:
            raise StalePlan(
                "the seed is another one than the plan shows",
                because="the file was changed after the plan was made",
                try_="review a new plan of it, or restore the file",
                at=Location(file.path),
            )

    return replace(file, read=read)
