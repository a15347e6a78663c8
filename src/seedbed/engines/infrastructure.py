"""What CloudFormation needs of an engine whose schema is infrastructure. Optional, like `capabilities`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from seedbed.aws.cloud import Cloud
from seedbed.engines.base import Progress
from seedbed.model.deployment import Change, StackUpdate, Template
from seedbed.model.migration import Migration, Phase
from seedbed.model.target import Target


@runtime_checkable
class SupportsDeployment(Protocol):
    """An engine whose schema is infrastructure: changed by updates of a stack, never by a migration."""

    def stack_updates(
        self, deployed: Template | None, wanted: Template, *, gate: Phase
    ) -> Sequence[StackUpdate]:
        """Return the updates that lead from the `deployed` template (None: no stack yet) to the `wanted` one; pure.

        Additions go through at `expand`, removals only at `contract`: at a lower gate what would be removed stays
        in every template. No update asks for more than one update of a stack may do. Raises Refused for what no
        update can ever do, naming all of it and the way round.
        """
        ...

    def cloud(self, address: Any) -> Cloud:
        """Return the account, region and credentials that an address of this engine lies in."""
        ...


@runtime_checkable
class SupportsDeployedState(Protocol):
    """A session on a database whose schema is infrastructure."""

    def is_deployed(self) -> bool:
        """Return whether what keeps the history is live."""
        ...

    def changes(self, gate: Phase) -> Sequence[Change]:
        """Return how what is declared differs from what is live, as a deployment through `gate` would change it."""
        ...

    def unmet(self, migrations: Sequence[Migration]) -> Mapping[str, str]:
        """Return, by version, what a migration needs and is not live: "index courses.by_teacher is being built".

        Raises MigrationFileError for what is neither live nor declared, so that no deployment brings it.
        """
        ...

    def settle(self, things: Sequence[str], *, timeout: float) -> Iterator[Progress]:
        """Wait until `things` (an update's `waits_for`) are ready, telling how far they are. Raises Unavailable."""
        ...


@runtime_checkable
class SupportsMemory(Protocol):
    """A session with `SupportsDeployedState`, of an engine with `SupportsRecall`: every such session has both."""

    def memory(self) -> Mapping[str, Any]:
        """Return what the answers of `SupportsDeployedState` rest on, as plain data without a secret."""
        ...


@runtime_checkable
class SupportsRecall(Protocol):
    """An engine that answers for a database whose schema is infrastructure without asking it."""

    def recalled(self, target: Target, memory: Mapping[str, Any]) -> SupportsDeployedState:
        """Return what answers as a session on `target` would, had it found what `memory` says; connects to nothing.

        What is declared is read anew. `settle` never ends well there. Raises Refused for a memory that is none.
        """
        ...


@runtime_checkable
class SupportsImport(Protocol):
    """A session that can tell which resources of a template live already, whoever made them."""

    def existing(self, template: Template) -> Mapping[str, Mapping[str, Any]]:
        """Return, by logical id, each resource of `template` that lives, as it is: so it would be imported."""
        ...


@runtime_checkable
class SupportsDirectSession(Protocol):
    """A session that can do without a stack: the core asks for it in the sandbox alone."""

    def create_history(self) -> None:
        """Create what keeps the history, unless it is there: a lease is kept there too, and comes after it."""
        ...


@runtime_checkable
class SupportsDirectDeployment(Protocol):
    """A lease of such a session."""

    def deploy_directly(self, gate: Phase) -> Iterator[Progress]:
        """Make every change that the session's `changes` names, through `gate`, and wait until each is ready.

        Nothing is told where there is none. Raises Refused for a change that cannot be made, before any is.
        """
        ...
