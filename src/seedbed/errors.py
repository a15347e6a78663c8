"""Every error that seedbed raises on purpose, and the exit code that each one means.

::

    SeedbedError                      1  a bug, unless a child says otherwise
    ├── UsageError                    2  the call, the manifest or a file is wrong; nothing was touched
    │   ├── ManifestError             2  seedbed.toml
    │   ├── MigrationFileError        2  a migration's file
    │   └── SeedFileError             2  a seed's file
    ├── Refused                       3  policy says no; nothing was touched
    │   ├── HistoryConflict           3  files and history contradict each other
    │   ├── GateRefused               3  an `after=` lies beyond the gate
    │   ├── Irreversible              3  `revert` meets an irreversible migration
    │   ├── ForeignTarget             3  the target is bound to another one, or not at all
    │   ├── StalePlan                 3  a plan file no longer fits what it was made from, or was changed
    │   ├── AccessRefused             3  the server refuses the login, or has no such database
    │   └── LeaseNotExclusive         3  something between us and the server fakes the lease
    ├── Unavailable                   4  nothing was touched, trying again may help
    │   ├── Unreachable               4  no connection
    │   ├── Busy                      4  another run holds the lease
    │   ├── SandboxError              4  an embedded server could not be started
    │   └── OutputLost                4  the result could not be written to standard output
    ├── OutcomeUnknown                5  a person has to look before the run goes on
    ├── LeaseLost                     5  the lease went away under the run
    ├── ViolationsFound               6  pending work, drift or broken references, where that was the question
    ├── GateClosed                    6  a step of a release still waits for something; nothing was touched
    ├── StepFailed                    7  the engine refused a step, nothing of it stayed
    ├── Interrupted             130/143  Ctrl-C or SIGTERM; the current step was rolled back or finished
    └── SeveralErrors               2-4  more than one of these, before anything was touched; the gravest one's code

Whatever is about several databases ends with one code: `exit_code`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from functools import partial
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")

_UNSAFE = re.compile(r"[^\w@%+=:,./-]", re.ASCII)  # what a shell would not take as it is


class ExitCode(IntEnum):
    """What a process says to its caller; the numbers are part of the public interface."""

    DONE = 0
    BUG = 1
    USAGE = 2
    REFUSED = 3
    UNAVAILABLE = 4
    PARTIAL = 5
    FOUND = 6
    FAILED = 7
    INTERRUPTED = 130
    TERMINATED = 143


class Location(Struct, frozen=True):
    """A place in a file that a person wrote; `line` and `column` count from 1, 0 means unknown.

    `text`: what stands there, with a caret on the line below it; empty where it is not shown.
    """

    path: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        if not self.line:
            return self.path
        return f"{self.path}:{self.line}:{self.column}" if self.column else f"{self.path}:{self.line}"


_LONGEST = 4000  # characters of what happened, and of why: a server may quote a whole statement, or a row


def limited(text: str) -> str:
    """Return `text`, of a very long one the beginning and how long it is."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


# What a command takes besides its own arguments; `tests/unit/test_hints.py` asks the command line.
_OF_RELEASES = frozenset(
    f"release {each}"
    for each in ("abandon", "approve", "back", "check", "close", "drill", "list", "next", "open", "show")
)
_OF_RUNS = frozenset(f"runs {each}" for each in ("attach", "list", "stop"))
_OF_SNAPSHOTS = frozenset(
    f"snapshot {each}" for each in ("delete", "drop", "list", "restore", "swap", "take")
)
_OTHERS = "apply deploy destroy doctor dump plan repair reset restore revert seed status verify"
_TAKES_ENVIRONMENT = _OF_RELEASES | _OF_RUNS | _OF_SNAPSHOTS | set(_OTHERS.split())
_TAKES_SERVICES = frozenset({"deploy", "destroy", "verify"})  # and no engine: what they change are stacks
_TAKES_NOTHING_ELSE = _OF_RELEASES | _OF_RUNS
_TAKES_SELECTION = _TAKES_ENVIRONMENT - _TAKES_SERVICES - _TAKES_NOTHING_ELSE | {"new"}


class Command(Struct, frozen=True):
    """A command of seedbed's that a person may type next: its name and its own arguments.

    Where it is shown it is completed by what is known there: the directory that `-C` named, the environment unless it
    names another (`environment`), and the database that it is about (`about`, or that of the error), unless it is about
    all of them.
    """

    name: str
    arguments: tuple[str, ...] = ()
    about: str = ""
    about_all: bool = False
    environment: str = ""

    def words(self, environment: str, target: str) -> list[str]:
        """Return the words to type. Without an `environment`, it says ENV."""
        service, slash, engine = (self.about or target).partition("/")
        words = ["seedbed", *_before_the_name, *self.name.split()]
        if self.name in _TAKES_ENVIRONMENT:
            words += ["-e", self.environment or environment or "ENV"]
        is_narrowed = bool(slash) and not self.about_all
        if is_narrowed and self.name in _TAKES_SELECTION:
            words += ["-s", service, "--engine", engine]
        if is_narrowed and self.name in _TAKES_SERVICES:
            words += ["-s", service]
        return [*words, *self.arguments]


def call(
    name: str, *arguments: str, about: str = "", about_all: bool = False, environment: str = ""
) -> Command:
    """Return a command for a hint; `name` and options are literals, so that a test finds and parses them."""
    return Command(name, arguments, about, about_all, environment)


_before_the_name: tuple[
    str, ...
] = ()  # how this process was called, a fact of it as its working directory is


@contextmanager
def called_with(directory: str) -> Iterator[None]:
    """Have hints name `directory` as the command line did, with -C: they are typed where that was."""
    global _before_the_name  # noqa: PLW0603  one process is called once
    before, _before_the_name = _before_the_name, ("-C", directory) if directory else ()
    try:
        yield
    finally:
        _before_the_name = before


class Hint(str):
    """What to try, with commands in it. As a text it is complete but for what is known only where it is shown."""

    __slots__ = ("parts",)

    parts: tuple[str | Command, ...]

    def __new__(cls, *parts: str | Command) -> Hint:
        each = tuple(one for part in parts for one in (part.parts if isinstance(part, Hint) else (part,)))
        hint = super().__new__(cls, _written(each, "", ""))
        hint.parts = each
        return hint


def hint_text(said: str, environment: str, target: str) -> str:
    """Return what to try, its commands completed."""
    return _written(said.parts, environment, target) if isinstance(said, Hint) else said


def _written(parts: Iterable[str | Command], environment: str, target: str) -> str:
    return "".join(
        part if isinstance(part, str) else " ".join(map(_quoted, part.words(environment, target)))
        for part in parts
    )


def _quoted(word: str) -> str:
    return word if word and not _UNSAFE.search(word) else "'" + word.replace("'", "'\"'\"'") + "'"


class SeedbedError(Exception):
    """What happened, because of what, and what to try; optionally where in which file.

    `target`: id of the database that it is about, where that is known and the message alone may not say it.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, what: str, *, because: str = "", try_: str = "", at: Location | None = None) -> None:
        super().__init__(limited(what))
        self.what = limited(what)
        self.because = limited(because)
        self.try_ = try_
        self.at = at
        self.target = ""

    @property
    def errors(self) -> tuple[SeedbedError, ...]:
        """This error, or those that it stands for."""
        return (self,)

    def __str__(self) -> str:
        return message(self.what, self.because, self.try_, self.at)


def message(what: str, because: str, try_: str, at: Location | None) -> str:
    """Return an error as text: where and what, because of what, what to try."""
    lines = [f"{at}: {what}" if at else what]
    lines += (f"    {each}" for each in (at.text if at else "").splitlines())
    if because:
        lines.append(f"  because: {because}")
    if try_:
        lines.append(f"  try:     {try_}")
    return "\n".join(lines)


class UsageError(SeedbedError):
    """The call is wrong; nothing was touched."""

    exit_code = ExitCode.USAGE


class ManifestError(UsageError):
    """seedbed.toml says something that seedbed does not understand."""


class MigrationFileError(UsageError):
    """A migration's file cannot be what it says it is."""


class SeedFileError(UsageError):
    """A seed's file cannot be read as rows or statements."""


class Refused(SeedbedError):
    """Refused by policy; nothing was changed."""

    exit_code = ExitCode.REFUSED


class HistoryConflict(Refused):
    """Files and history contradict each other: late, edited, missing or duplicate versions."""


class GateRefused(Refused):
    """A migration may go, but what it declares itself `after=` lies beyond the gate."""


class Irreversible(Refused):
    """A revert meets a migration that is irreversible."""


class ForeignTarget(Refused):
    """The target is bound to another platform, database or environment, or not bound at all."""


class StalePlan(Refused):
    """A plan file no longer fits the files, the history or the policy that it was made from, or was changed."""


class AccessRefused(Refused):
    """The server answers and will not have us: a wrong password, no such database, a certificate. So it stays."""


class LeaseNotExclusive(Refused):
    """Something between us and the server hands one server session to several clients."""


class Unavailable(SeedbedError):
    """Nothing was touched, and trying again may help."""

    exit_code = ExitCode.UNAVAILABLE


class Unreachable(Unavailable):
    """There is no connection to the target."""


class Busy(Unavailable):
    """Another run holds the lease, and did so for longer than we were told to wait."""


class SandboxError(Unavailable):
    """An embedded server could not be started or reached."""


class OutputLost(Unavailable):
    """The result could not be written to standard output; where something was changed, the exit code is 5."""


class OutcomeUnknown(SeedbedError):
    """A step was started, never finished, and the engine cannot tell whether it took effect."""

    exit_code = ExitCode.PARTIAL


class LeaseLost(SeedbedError):
    """The lease went away while work was under way; nothing was recorded after that."""

    exit_code = ExitCode.PARTIAL


class ViolationsFound(SeedbedError):
    """The question was whether something is pending or broken, and it is."""

    exit_code = ExitCode.FOUND


class GateClosed(SeedbedError):
    """A step of a release still waits for something; nothing was touched."""

    exit_code = ExitCode.FOUND


class StepFailed(SeedbedError):
    """The engine refused a step; nothing of that step stayed."""

    exit_code = ExitCode.FAILED


class Interrupted(SeedbedError):
    """Ctrl-C or SIGTERM stopped the run between two steps, or rolled back the one in hand."""

    exit_code = ExitCode.INTERRUPTED


class SeveralErrors(SeedbedError):
    """More than one thing is wrong, and nothing was touched; `errors` has each of them."""

    def __init__(self, errors: Sequence[SeedbedError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self._errors = tuple(errors)
        self.exit_code = exit_code(self._errors)

    @property
    def errors(self) -> tuple[SeedbedError, ...]:
        return self._errors

    def __str__(self) -> str:
        return "\n".join(map(str, self._errors))


def raise_errors(errors: Iterable[SeedbedError]) -> None:
    """Raise what `errors` has: the only one as it is, several as SeveralErrors."""
    known = tuple(errors)
    if len(known) > 1:
        raise SeveralErrors(known)
    for error in known:
        raise error


def collected(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Return what each call returns. Once all were made, raises the errors of those that failed."""
    values: list[T] = []
    errors: list[SeedbedError] = []
    for call in calls:
        try:
            values.append(call())
        except SeedbedError as error:
            errors += error.errors
    raise_errors(errors)
    return values


def try_each(calls: Iterable[tuple[str, Callable[[], T]]]) -> list[T]:
    """Return what `collected` returns for the calls of targets; an error knows the target that it is about."""
    return collected(partial(_on_target, target, call) for target, call in calls)


def _on_target(target: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except SeedbedError as error:
        of_target(target, error)
        raise


def of_target(target: str, error: SeedbedError) -> tuple[SeedbedError, ...]:
    """Return `error`, or those that it stands for, which now know that they are about `target`."""
    for each in error.errors:
        each.target = each.target or target
    return error.errors


def as_one(error: SeedbedError) -> SeedbedError:
    """Return `error`; of several the first one, with the others in its cause: what ends the work on a target is one."""
    first, *others = error.errors
    if not others:
        return first
    also = [
        "; ".join(
            filter(None, (f"also {each.at}: {each.what}" if each.at else f"also {each.what}", each.because))
        )
        for each in others
    ]
    one = type(first)(
        first.what, because="\n".join(filter(None, (first.because, *also))), try_=first.try_, at=first.at
    )
    one.target, one.exit_code = first.target, error.exit_code
    return one


_GRAVEST_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.PARTIAL,
    ExitCode.BUG,
    ExitCode.FAILED,
    ExitCode.REFUSED,
    ExitCode.USAGE,
    ExitCode.UNAVAILABLE,
    ExitCode.FOUND,
    ExitCode.DONE,
)


def exit_code(errors: Iterable[SeedbedError | ExitCode], *, changed: bool = False) -> ExitCode:
    """Return the one exit code of a process that had `errors`, and that `changed` something or did not.

    Interrupted: 130 or 143. An outcome unknown, or something changed beside an error: 5. Otherwise nothing was
    changed, and the gravest error decides: a bug, then a failed step, a refusal, a wrong call, an unreachable target.
    """
    codes = [each.exit_code if isinstance(each, SeedbedError) else each for each in errors]
    code = min(codes, key=_GRAVEST_FIRST.index, default=ExitCode.DONE)
    if not changed or code is ExitCode.DONE:
        return code
    return min(code, ExitCode.PARTIAL, key=_GRAVEST_FIRST.index)
