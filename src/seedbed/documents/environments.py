"""What there is: environments, and how applications connect to the databases of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, ClassVar

from msgspec import Struct

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.documents.inventory import ThereEntry
from seedbed.errors import SeedbedError
from seedbed.model.environment import SANDBOX, ConnectionSettings, EnvironmentPattern


class EnvironmentEntry(Part, frozen=True):
    """One environment as it is declared, or the sandbox."""

    pattern: Annotated[str, says("A name, or a family of names such as `dev-*`.")]
    ephemeral: Annotated[bool, says("All data there may be deleted.")]
    protected: Annotated[bool, says("What changes it has to be reviewed.")]
    account: Annotated[str, says("The AWS account; empty where none is declared.")]
    region: Annotated[str, says("The AWS region; empty where none is declared.")]
    runs: Annotated[tuple[str, ...], says("The sandbox's databases whose servers run between commands.")]

    @classmethod
    def of(cls, declared: EnvironmentPattern, runs: Sequence[str] = ()) -> EnvironmentEntry:
        return cls(
            declared.pattern,
            declared.ephemeral,
            declared.protected,
            declared.account,
            declared.region,
            tuple(runs),
        )


class PlaceEntry(Part, frozen=True):
    """One account and region."""

    account: Annotated[str, says("The AWS account.")]
    region: Annotated[str, says("The AWS region.")]
    done: Annotated[bool, says("What is there is known; else one of `errors` says why not.")]


class Look(Struct, frozen=True):
    """What a look into one account and region found: what is there, or why that is not known."""

    account: str
    region: str
    there: Sequence[ThereEntry] = ()
    error: SeedbedError | None = None


class EnvironmentsDocument(Document, frozen=True, kw_only=True, tag="seedbed/environments/1"):
    """The environments that there are."""

    commands: ClassVar = ("env list",)

    environments: Annotated[tuple[EnvironmentEntry, ...], says("The sandbox, then those that are declared.")]
    there: Annotated[
        tuple[ThereEntry, ...],
        says("Those that have stacks, or of which something is left, in the accounts that were looked at."),
    ]
    errors: Annotated[tuple[ErrorEntry, ...], says("Why an account could not be looked at.")]
    looked: Annotated[
        tuple[PlaceEntry, ...],
        says(
            "Where was looked: each account and region that is declared for ephemeral environments and bases."
        ),
    ]

    @classmethod
    def of(
        cls,
        kept: Sequence[str],
        declared: Iterable[EnvironmentPattern],
        command: str,
        looks: Sequence[Look] = (),
    ) -> EnvironmentsDocument:
        """Return what there is: the sandbox, of which the databases `kept` run, what is `declared`, what was found."""
        sandbox = EnvironmentEntry.of(EnvironmentPattern(SANDBOX, ephemeral=True), kept)
        return cls(
            seedbed=VERSION,
            command=command,
            environments=(sandbox, *map(EnvironmentEntry.of, declared)),
            there=tuple(one for each in looks for one in each.there),
            errors=tuple(ErrorEntry.of(each.error) for each in looks if each.error is not None),
            looked=tuple(PlaceEntry(each.account, each.region, each.error is None) for each in looks),
        )


class ConnectionEntry(Part, frozen=True):
    """How an application connects to one database."""

    database: Annotated[str, says("Its id.")]
    variables: Annotated[
        dict[str, str], says("For the application's environment, each with the service's name in front.")
    ]
    settings: Annotated[dict[str, str], says("What no variable carries.")]

    @classmethod
    def of(cls, database: str, settings: ConnectionSettings) -> ConnectionEntry:
        return cls(database, dict(settings.variables), dict(settings.settings))


class ConnectionsDocument(Document, frozen=True, kw_only=True, tag="seedbed/connections/1"):
    """How applications connect. The sandbox accepts any value for a secret."""

    commands: ClassVar = ("env up",)

    environment: Annotated[str, says("The environment's name.")]
    databases: Annotated[tuple[ConnectionEntry, ...], says("How to connect to each.")]

    @classmethod
    def of(
        cls, environment: str, found: Mapping[str, ConnectionSettings], command: str
    ) -> ConnectionsDocument:
        """Return how to connect to the databases of `environment`; `found` has them by their ids."""
        databases = tuple(ConnectionEntry.of(name, each) for name, each in found.items())
        return cls(seedbed=VERSION, command=command, environment=environment, databases=databases)
