"""What a run is made of: what was asked for, what happened line by line, how it stands."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from seedbed.errors import ExitCode
from seedbed.model.event import AnyEvent
from seedbed.support.typed import ready

State = Literal["asked", "claimed", "done", "lost"]
Stream = Literal["stdout", "stderr"]

IMAGE = "image"  # `files` of a run whose worker has the platform in its image
UPLOAD = "upload"  # what a task may be told of others
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: ids sort as their times do
ID_LENGTH = 26


class Terminal(Struct, frozen=True, kw_only=True):
    """The caller's terminal, which the worker writes for: `columns` wide, `tty` where it is one.

    `capable`: it moves its cursor. `color` as the option has it. `below`: where `cwd` is in the checkout.
    `interactive`: somebody can be asked. `directory`: what -C said, in `cwd`. `files`: as they were called, by their
    names in argv; `places`: what is where one is to be written, "new" (nothing), "there" or "nowhere" (no directory).
    """

    columns: int = 80
    lines: int = 24
    stdout_tty: bool = False
    stderr_tty: bool = False
    stdout_encoding: str = "utf-8"
    stderr_encoding: str = "utf-8"
    capable: bool = False
    color: Literal["auto", "always", "never"] = "never"
    json: bool = False
    verbose: int = 0
    quiet: int = 0
    github: bool = False
    below: str = ""
    interactive: bool = False
    directory: str = ""
    cwd: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


class Blob(Struct, frozen=True):
    """Some bytes of a run: `key` in the bucket, or "" where they are an item beside the record. `size` in bytes."""

    sha256: str
    size: int
    key: str = ""


class Ask(Struct, frozen=True, kw_only=True):
    """What is asked for. It is written once and never changed.

    `command`: its name ("apply", "env list"); `argv`: its arguments, in which files are names of `inputs` and
    of `output_names`. `by`: the caller's ARN. `at`: ISO 8601, UTC. `seedbed`: the caller's version. `files`: IMAGE,
    or the SHA-256 of the platform's files in the bucket. `output_names`: of files that the command writes. `writes`:
    whether it may change something, so that no other such run of the environment may be under way. `kept`: seconds
    that the record stays, 0: for ever.
    """

    command: str
    argv: tuple[str, ...]
    environment: str
    by: str
    at: str
    seedbed: str
    platform_digest: str
    files: str = IMAGE
    inputs: Mapping[str, Blob] = field(default_factory=dict)
    output_names: tuple[str, ...] = ()
    terminal: Terminal = Terminal()
    writes: bool = True
    kept: int = 0

    @property
    def fingerprint(self) -> str:
        """What two calls have in common that ask for the same, whoever makes them and on whatever terminal."""
        inputs = sorted((name, each.sha256) for name, each in self.inputs.items())
        parts = [self.command, self.argv, self.environment, self.platform_digest, inputs]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class Run(Struct, frozen=True, kw_only=True):
    """A run as its record has it now.

    `task`: ARN of the task that was started for it. `worker`: who claimed it, a task's ARN where it is one. `beat`:
    when its worker (before: its caller) was last heard of, in seconds of the table's clock. `stop`: 130 or 143 once a
    stop is asked for. `answers`: to the questions of the worker, in order. `because`: why it ended, where no worker
    said so.
    """

    id: str
    ask: Ask
    state: State = "asked"
    task: str = ""
    worker: str = ""
    beat: float = 0.0
    stop: int = 0
    answers: tuple[str, ...] = ()
    exit_code: int | None = None
    because: str = ""
    document: Blob | None = None
    outputs: Mapping[str, Blob] = field(default_factory=dict)
    ended: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "lost")

    @property
    def carrier(self) -> str:
        """ARN of the task that carries it out, or is to; empty where it is not known."""
        return self.worker if self.worker.startswith("arn:") else self.task


class Listed(Struct, frozen=True, kw_only=True):
    """A run as the list of its environment has it."""

    id: str
    environment: str
    command: str
    argv: tuple[str, ...]
    by: str
    at: str
    writes: bool
    state: State
    exit_code: int | None = None
    ended: str = ""


# --- lines


def _tag(name: str) -> str:
    return name.lower()


class Line(Struct, frozen=True, tag_field="line", tag=_tag):
    """One thing that a worker tells its caller."""


class Happened(Line, frozen=True, tag="event"):
    """An event of the run."""

    event: AnyEvent


class Written(Line, frozen=True):
    """Text that the command wrote to one of its streams."""

    stream: Stream
    text: str


class Displayed(Line, frozen=True):
    """A display of progress begins, with a row for each of `targets`; without any, it ends.

    `only_waking`: it says which servers are awaited, no more.
    """

    targets: tuple[str, ...]
    only_waking: bool = False


class Expected(Line, frozen=True):
    """How much is to be done in each database, for the live display."""

    totals: Mapping[str, int]


class Asked(Line, frozen=True):
    """A question to the person who called, for yes or no: answer `number` (from 0) of the record is theirs."""

    number: int
    question: str


Entry: TypeAlias = Happened | Written | Displayed | Expected | Asked


_READ: Any = Entry  # mypy takes no union for a type that is read into


def encoded(entry: Entry) -> str:
    """Return an entry as one line of JSON."""
    return msgspec.json.encode(entry).decode()


def decoded(line: str) -> Entry:
    """Return what `encoded` was given. Raises msgspec's DecodeError for a line of another version."""
    entry: Entry = msgspec.json.decode(line, type=ready(_READ))
    return entry


# --- ids


def new_id(*, now: float | None = None, noise: bytes | None = None) -> str:
    """Return an id of 26 characters: 48 bits of the time in ms, 80 of chance. Ids sort as their times do."""
    seconds = time.time() if now is None else now
    number = (round(seconds * 1000) & (1 << 48) - 1) << 80 | int.from_bytes(noise or os.urandom(10))
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(ID_LENGTH)))


def is_id(text: str) -> bool:
    """Return whether `text` may be the id of a run."""
    return len(text) == ID_LENGTH and all(each in _ALPHABET for each in text)


def blob_of(data: bytes, key: str = "") -> Blob:
    """Return the name of `data`."""
    return Blob(hashlib.sha256(data).hexdigest(), len(data), key)


def who(arn: str) -> str:
    """Return the name by which a caller is known: the session of a role, the name of a user, else the ARN."""
    return arn.rpartition("/")[2] or arn


def code_of(number: int | None) -> ExitCode:
    """Return a record's exit code as ours; PARTIAL for one that no version of ours has."""
    try:
        return ExitCode(number if number is not None else ExitCode.PARTIAL)
    except ValueError:
        return ExitCode.PARTIAL


def progress_only(entry: Entry) -> bool:
    """Return whether a later entry says all that this one does: it may be dropped where there is no room."""
    return isinstance(entry, Happened) and entry.event.kind in PASSING


PASSING = frozenset(
    {
        "work_progressed",
        "seed_progressed",
        "copy_progressed",
        "deploy_progressed",
        "ids_read",
        "ids_awaited",
        "lease_awaited",
        "target_awaited",
    }
)
