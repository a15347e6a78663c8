"""How an environment came up: its stacks, its databases, and which services are ready."""

from __future__ import annotations

from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry, entries
from seedbed.documents.outcome import TargetEntry
from seedbed.errors import ExitCode
from seedbed.model.coming_up import Arrival, Readiness, ServiceOutcome


class ServiceEntry(Part, frozen=True):
    """How it ended for one service."""

    service: Annotated[str, says("Its name.")]
    readiness: Annotated[
        Readiness,
        says(
            "`ready`: its stacks are deployed, its databases migrated and seeded; `failed`; `skipped` because of a "
            "stack or of another service: nothing was done on its databases."
        ),
    ]
    databases: Annotated[tuple[str, ...], says("The ids of its databases, as far as they were selected.")]
    because: Annotated[str, says("Why it is not ready; empty where it is.")]
    seconds: Annotated[
        float, says("From the beginning until it was ready, or failed; 0 where it was skipped.")
    ]

    @classmethod
    def of(cls, service: ServiceOutcome) -> ServiceEntry:
        return cls(
            service.service,
            service.readiness,
            service.databases,
            service.because,
            round(service.seconds, 1),
        )


class UpDocument(Document, frozen=True, kw_only=True, tag="seedbed/up/1"):
    """How an environment came up."""

    commands: ClassVar = ("env up",)

    environment: Annotated[str, says("The environment's name.")]
    exit_code: Annotated[ExitCode, says("The exit code of the process.")]
    changed: Annotated[bool, says("Something of this run stayed, in any stack or database.")]
    seconds: Annotated[float, says("How long it took.")]
    services: Annotated[tuple[ServiceEntry, ...], says("How it ended for each service.")]
    stacks: Annotated[
        tuple[TargetEntry, ...], says("What the deployment did, as in an `outcome`; empty without a CDK app.")
    ]
    databases: Annotated[
        tuple[TargetEntry, ...],
        says("What applying and seeding did, as in an `outcome`; without those skipped."),
    ]
    errors: Annotated[tuple[ErrorEntry, ...], says("What went wrong besides, about no single one of them.")]

    @classmethod
    def of(cls, arrival: Arrival, command: str) -> UpDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=arrival.environment,
            exit_code=arrival.exit_code,
            changed=arrival.changed,
            seconds=round(arrival.seconds, 1),
            services=tuple(map(ServiceEntry.of, arrival.services)),
            stacks=tuple(map(TargetEntry.of, arrival.stacks.targets)),
            databases=tuple(map(TargetEntry.of, arrival.databases.targets)),
            errors=tuple(one for each in arrival.errors for one in entries(each, arrival.environment)),
        )
