"""Migrations: versioned files, the steps inside them, and the directives they declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import sha256

from msgspec import Struct, field

from seedbed.errors import MigrationFileError
from seedbed.model.hazard import Allowance, Hazard
from seedbed.support.phrases import flat
from seedbed.support.texts import text_of


class Phase(StrEnum):
    """Where a migration stands in a production release; ordered."""

    EXPAND = "expand"
    MIGRATE = "migrate"
    CONTRACT = "contract"

    @property
    def rank(self) -> int:
        return _PHASES.index(self)


_PHASES = list(Phase)


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


class Source(Struct, frozen=True, gc=False):  # texts only: no cycle to look for, in ten thousands of them
    """A file as it lies on disk: path (as shown to people), suffix with its dot, bytes."""

    path: str
    suffix: str
    data: bytes


class MigrationFile(Struct, frozen=True, gc=False):
    """What a migration's name and bytes say, before anyone parses them.

    `checksum` is the SHA-256, in hex, of the bytes with CRLF and CR read as LF and without a byte order
    mark: an editor's habits are not an edit.
    """

    version: str
    name: str
    source: Source
    checksum: str

    @property
    def path(self) -> str:
        return self.source.path

    def text(self) -> str:
        """Return the text that it holds, line ends as its checksum has them. Raises MigrationFileError."""
        return text_of(self.source.data, self.path, MigrationFileError)


def checksum(data: bytes) -> str:
    """Return the hex SHA-256 of `data`, line ends normalised to LF, byte order mark dropped."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return sha256(data).hexdigest()


class MigrationRef(Struct, frozen=True, order=True, gc=False):
    """A migration of some database: what `after=` names, `courses/dynamodb:20261122094500`."""

    database: str
    version: str

    def __str__(self) -> str:
        return f"{self.database}:{self.version}"


class Backfill(Struct, frozen=True):
    """How a step walks a table: keyset batches of about `batch` rows along `key`, each with its checkpoint."""

    table: str
    key: str
    batch: int


class Step(Struct, frozen=True):
    """What commits or fails alone; `body` is text in the engine's own language.

    `atomic`: commits together with its history record. `repeatable`: may be run again when it is unknown
    whether it took effect. `line`: of the body's first character in the file. `summary`: one line for people.
    `keeps_session`: cannot leave session settings behind. `lines`: of a body that is put together, (offset in
    characters, line of the file) where each of its pieces begins.
    """

    index: int
    body: str
    line: int
    atomic: bool = True
    repeatable: bool = False
    summary: str = ""
    backfill: Backfill | None = None
    keeps_session: bool = False
    lines: tuple[tuple[int, int], ...] = ()


def digests(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return for 0 to all of `steps` a digest of what the first of them do: "" for none, else 32 hex digits."""
    bodies, found = sha256(), [""]
    for step in steps:
        body = step.body.encode()
        bodies.update(b"%d:" % len(body) + body)
        found.append(bodies.copy().hexdigest()[:32])
    return tuple(found)


class StepText(Struct, frozen=True):
    """What a step sends: `text` whole, as it is written; `statements` each on one line, without its comments.

    `comment`: what begins one in `text`.
    """

    text: str
    statements: tuple[str, ...]
    comment: str = "#"


def text_by_line(step: Step) -> StepText:
    """Return the text of a step whose engine says no more of it: each line with something on it is a statement."""
    return StepText(step.body, tuple(flat(each) for each in step.body.splitlines() if each.strip()))


class Irreversibility(Struct, frozen=True):
    """Why a migration is irreversible, as its author wrote it."""

    because: str


class Postcondition(Struct, frozen=True):
    """A query, in the engine's own language, that has no rows once the migration is done; `because` says what that is.

    `line`: of the file, where it is declared.
    """

    query: str
    because: str = ""
    line: int = 0


class Migration(Struct, frozen=True):
    """A parsed migration. `down` is empty where it cannot be reverted; then `irreversible` may say why.

    `down_line`: of the down section that its file has although nothing is in it; 0 otherwise.
    `settings` are engine directives that hold while its steps run (`lock_timeout`, …), as written. `hazards` are those
    that the file alone shows; `allows` are those, of whatever source, that its author takes.
    `postconditions`: of a data migration, checked before it is recorded as applied.
    """

    version: str
    name: str
    path: str
    checksum: str
    phase: Phase
    up: tuple[Step, ...]
    down: tuple[Step, ...] = ()
    irreversible: Irreversibility | None = None
    after: tuple[MigrationRef, ...] = ()
    overtakes: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    hazards: tuple[Hazard, ...] = ()
    allows: tuple[Allowance, ...] = ()
    down_line: int = 0
    postconditions: tuple[Postcondition, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.version}_{self.name}"

    def steps(self, direction: Direction) -> tuple[Step, ...]:
        return self.up if direction is Direction.UP else self.down


class Work(Struct, frozen=True):
    """A migration to be carried out in one direction."""

    migration: Migration
    direction: Direction = Direction.UP
