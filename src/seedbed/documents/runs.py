"""Runs of commands in a task inside the network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.errors import ExitCode


class RunEntry(Part, frozen=True, kw_only=True):
    """One run."""

    id: Annotated[str, says("Its id: ids sort as their times do.")]
    called: Annotated[str, says("The command that it is of, without its arguments.")]
    arguments: Annotated[tuple[str, ...], says("The arguments; a file is its name.")]
    by: Annotated[str, says("ARN of whoever called it.")]
    at: Annotated[str, says("When, in ISO 8601.")]
    state: Annotated[
        Literal["asked", "claimed", "done", "lost"],
        says(
            "`asked`: no task has taken it yet; `claimed`: one is at it; `done`; `lost`: its task is gone, how far it"
            " came is unknown."
        ),
    ]
    writes: Annotated[bool, says("It may change databases: one such run at a time.")]
    seconds: Annotated[float | None, says("How long it took; null until it is over.")]
    exit_code: Annotated[ExitCode | None, says("What it left with; null until it is done.")]


class RunsDocument(Document, frozen=True, kw_only=True, tag="seedbed/runs/1"):
    """The newest runs of an environment."""

    commands: ClassVar = ("runs list",)

    environment: Annotated[str, says("The environment's name.")]
    runs: Annotated[tuple[RunEntry, ...], says("The newest first.")]

    @classmethod
    def of(cls, environment: str, runs: Iterable[RunEntry], command: str) -> RunsDocument:
        return cls(seedbed=VERSION, command=command, environment=environment, runs=tuple(runs))
