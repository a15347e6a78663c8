"""How an environment went: the sandbox's servers, or stacks and what lay on the servers of a base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, says
from seedbed.documents.errors import ErrorEntry, entries
from seedbed.documents.outcome import TargetEntry
from seedbed.documents.sharing import ShareEntry
from seedbed.errors import ExitCode, SeedbedError
from seedbed.model.outcome import Outcome


class DownDocument(Document, frozen=True, kw_only=True, tag="seedbed/down/1"):
    """How an environment was stopped."""

    commands: ClassVar = ("env down",)

    environment: Annotated[str, says("The environment's name.")]
    exit_code: Annotated[ExitCode, says("The exit code of the process.")]
    stopped: Annotated[
        tuple[str, ...], says("The sandbox's databases whose servers were stopped; their data is kept.")
    ]
    busy: Annotated[tuple[str, ...], says("The sandbox's databases that another command still uses.")]
    stacks: Annotated[
        tuple[TargetEntry, ...], says("What the deletion did to its stacks, as in an `outcome`.")
    ]
    stays: Annotated[str, says("The stack with the policies of its callers; empty where there is none.")]
    shares: Annotated[tuple[ShareEntry, ...], says("What it had on the servers of its base.")]
    errors: Annotated[tuple[ErrorEntry, ...], says("What went wrong with the latter.")]

    @classmethod
    def of_sandbox(
        cls, environment: str, stopped: Sequence[str], busy: Sequence[str], command: str
    ) -> DownDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            exit_code=ExitCode.DONE,
            stopped=tuple(stopped),
            busy=tuple(busy),
            stacks=(),
            stays="",
            shares=(),
            errors=(),
        )

    @classmethod
    def of(
        cls,
        environment: str,
        code: ExitCode,
        outcome: Outcome,
        stays: str,
        shares: Sequence[ShareEntry],
        errors: Sequence[SeedbedError],
        command: str,
    ) -> DownDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            exit_code=code,
            stopped=(),
            busy=(),
            stacks=tuple(map(TargetEntry.of, outcome.targets)),
            stays=stays,
            shares=tuple(shares),
            errors=tuple(one for each in errors for one in entries(each, environment)),
        )
