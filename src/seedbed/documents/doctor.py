"""What `doctor` found out about a machine and its targets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import SeedbedError


class FindingEntry(Part, frozen=True):
    """One finding."""

    what: Annotated[str, says("What was looked at; of a target, its database's id.")]
    finding: Annotated[str, says("What was found.")]


class DoctorDocument(Document, frozen=True, kw_only=True, tag="seedbed/doctor/1"):
    """What this machine has, and which targets answer."""

    commands: ClassVar = ("doctor",)

    findings: Annotated[tuple[FindingEntry, ...], says("What is there, and what answered.")]
    errors: Annotated[tuple[ErrorEntry, ...], says("Targets that did not answer.")]

    @classmethod
    def of(
        cls,
        findings: Iterable[tuple[str, str]],
        failed: Iterable[SeedbedError],
        command: str,
        environment: str = "",
    ) -> DoctorDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            findings=tuple(FindingEntry(what, finding) for what, finding in findings),
            errors=tuple(ErrorEntry.of(each, environment) for each in failed),
        )
