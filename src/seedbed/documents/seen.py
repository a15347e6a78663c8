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

    run: Annotated[str, says("The run that looked.")]
    at: Annotated[Annotated[datetime, _MOMENT], says("When it looked, by its clock.")]
    age_seconds: Annotated[float, says("How long before this document that was.")]

    @classmethod
    def of(cls, seen: Seen | None) -> SeenEntry | None:
        return cls(seen.run, seen.at, round(seen.age, 1)) if seen else None
