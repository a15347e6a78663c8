"""What an engine can do whose servers are shared: by environments that lie in a base. Optional, like `capabilities`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from seedbed.model.hazard import Hazard
from seedbed.model.migration import Migration
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share


class SharedServer(Protocol):
    """The server of a base, reached as its administrator: each environment has a part of its own there.

    The names of a part are those of the engine's `shared_settings`, and nobody else has them. What is made halfway is
    found by `listed`, finished by `make` and taken away by `drop`.
    """

    def listed(self) -> Sequence[Share]:
        """Return what is there, sorted, also of environments that are gone, and what is only half made or half gone."""
        ...

    def make(self, share: Share, logins: Mapping[str, Secret], *, template: str = "") -> str:
        """Make what `share` lacks, and return what that was, as text; "" where nothing was lacking.

        `logins`: by the settings that name them, their passwords: {"user": …, "app_user": …}; what is there gets these.
        `template`: what is made begins as a copy of it, with its history bound to `share`; where there is no such
        template any more it begins empty. Raises StepFailed, Unreachable.
        """
        ...

    def drop(self, share: Share) -> str:
        """Take away all of `share` and nothing else, and return what that was, as text; "" where nothing was there.

        Whoever is connected is cut off. Raises StepFailed, Unreachable.
        """
        ...

    def keep(self, share: Share, template: str) -> bool:
        """Keep what `share` holds now as `template`, and return whether it is kept; it may be already.

        False where it cannot be, because of what it holds, or because somebody is connected to it. The number of
        templates is bounded: those that were used longest ago go. Raises StepFailed, Unreachable.
        """
        ...

    def templates(self) -> Sequence[str]:
        """Return the names that were given to `keep`, each once, sorted."""
        ...

    def drop_template(self, name: str) -> None:
        """Take away what was kept under `name`, if anything was. Raises StepFailed, Unreachable."""
        ...


@runtime_checkable
class SupportsSharing(Protocol):
    """An engine of which several environments can have their databases on one server."""

    def shared_settings(self, environment: str, service: str) -> Mapping[str, str]:
        """Return the settings that name what `service` has in `environment` on a shared server; pure.

        No two pairs have a name in common. What is secret is not among them, and neither is where the server is.
        """
        ...

    def shared_server(self, settings: Mapping[str, str | Secret]) -> AbstractContextManager[SharedServer]:
        """Reach the server that `settings` describe, with its administrator's login. Raises UsageError, Unreachable."""
        ...

    def sharing_hazards(self, migration: Migration, options: Any) -> Sequence[Hazard]:
        """Return what of `migration` reaches beyond its own database, in the order of lines; pure.

        On a shared server that is not done: it would be others' as well. `options`: of its database.
        """
        ...
