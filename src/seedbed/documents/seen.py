"""How old what is told of a database is, where it was not asked now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from seedbed.documents.document import Part, says
from seedbed.model.remembered import Seen

_MOMENT = Meta(tz=True)


class SeenEntry(Part, frozen=True):
    """When a database was last looked at, where it was not asked now."""

    run: Annotated[str, says("The run that looked; empty where a deployment did.")]
    at: Annotated[Annotated[datetime, _MOMENT], says("When it looked, by its clock.")]
    age_seconds: Annotated[float, says("How long before this document that was.")]
    changed_at: Annotated[
        Annotated[datetime, _MOMENT] | None,
        says("When a deployment began to change its stack since then; null where none has."),
    ] = None

    @property
    def changed_seconds(self) -> float:
        """How long before this document a deployment began to change the stack."""
        since = (self.changed_at - self.at).total_seconds() if self.changed_at else 0.0
        return max(self.age_seconds - since, 0.0)

    @classmethod
    def of(cls, seen: Seen | None) -> SeenEntry | None:
        return cls(seen.run, seen.at, round(seen.age, 1), seen.changed) if seen else None
