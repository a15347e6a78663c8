"""Errors, wherever a document has them, and the document of a command that ended before it had a result."""

from __future__ import annotations

from typing import Annotated

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.errors import ExitCode, Location, SeedbedError, hint_text, message
from seedbed.model.event import TargetFailed


class ErrorEntry(Part, frozen=True):
    """What happened, because of what, and what to try."""

    kind: Annotated[str, says("The name of the exception, a class of `seedbed.errors`.")]
    error: Annotated[str, says("What happened.")]
    because: Annotated[str, says("Why, as far as it is known.")]
    try_: Annotated[str, says("What to do about it.")]
    at: Annotated[
        Location | None, says("The place in a file that a person wrote; null where it is about none.")
    ]
    exit_code: Annotated[ExitCode, says("The exit code that it has by itself.")]
    target: Annotated[
        str, says("The database that it is about; empty where it is about none, or not only one.")
    ]
    version: Annotated[str, says("The migration that was under way; empty where none was.")]

    @classmethod
    def of(cls, error: SeedbedError, environment: str = "") -> ErrorEntry:
        """Return `error` as it is shown; of several errors, use each. `environment`: what its hints are about."""
        return cls(
            type(error).__name__,
            error.what,
            error.because,
            hint_text(error.try_, environment, error.target),
            error.at,
            error.exit_code,
            error.target,
            "",
        )

    def __str__(self) -> str:
        return message(self.error, self.because, self.try_, self.at)

    @classmethod
    def of_event(cls, event: TargetFailed) -> ErrorEntry:
        """Return what ended the work on a target."""
        return cls(
            event.error_kind,
            event.error,
            event.because,
            event.try_,
            event.at,
            ExitCode(event.exit_code),
            event.target,
            event.version,
        )


def entries(error: SeedbedError, environment: str = "") -> tuple[ErrorEntry, ...]:
    """Return `error`, or all errors that it stands for."""
    return tuple(ErrorEntry.of(each, environment) for each in error.errors)


class ErrorDocument(Document, frozen=True, kw_only=True, tag="seedbed/error/1"):
    """What ended a command before it had a result: written instead of the command's own document."""

    exit_code: Annotated[ExitCode, says("The exit code of the process.")]
    errors: Annotated[
        tuple[ErrorEntry, ...], says("What went wrong, one entry for each database that failed.")
    ]

    @classmethod
    def of(cls, error: SeedbedError, command: str, environment: str = "") -> ErrorDocument:
        return cls(
            seedbed=VERSION, command=command, exit_code=error.exit_code, errors=entries(error, environment)
        )
