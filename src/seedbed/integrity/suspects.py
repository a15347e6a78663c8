"""Ids that nothing is found for at first sight."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nsmallest

from msgspec import Struct, field

from seedbed.integrity.children import Children
from seedbed.integrity.digests import read
from seedbed.integrity.parents import Parents, Part
from seedbed.model.platform import Reference
from seedbed.model.verification import Suspect

MOST = 100_000  # ids; with more, a reference is broken altogether, and nothing is gained by looking at each again
SAMPLES = 20  # of them that are shown
_ROWS = 20  # keys of rows that are kept for an id


class Suspects(Struct):
    """The suspects of one reference: ids, each with the keys of rows that hold it, and how many rows more do.

    `spelled`: the texts that rows have for an id where it is not its own, each once. Once `is_systemic`, `rows` has
    the first ids alone, and `count` says how many there were.
    """

    rows: dict[str, list[str]] = field(default_factory=dict)
    more: dict[str, int] = field(default_factory=dict)
    spelled: dict[str, dict[str, None]] = field(default_factory=dict)
    count: int = 0
    is_systemic: bool = False

    def add(self, id_: str, row: str, spelled: str = "") -> bool:
        """Add an id that was not found, the row that holds it, if that is known, and how it is spelled there.

        Returns whether there are too many now.
        """
        rows = self.rows.setdefault(id_, [])
        if row and len(rows) < _ROWS:
            rows.append(row)
        elif row:
            self.more[id_] = self.more.get(id_, 0) + 1
        if spelled:
            self.spelled.setdefault(id_, {})[spelled] = None
        self.count = len(self.rows)
        self.is_systemic = self.count > MOST
        return self.is_systemic

    def keep_samples(self) -> None:
        """Forget all of them but those that are shown: one reference of many must not take the memory of a hundred."""
        self.rows = {id_: self.rows[id_] for id_ in nsmallest(SAMPLES, self.rows)}
        self.more = {id_: more for id_, more in self.more.items() if id_ in self.rows}
        self.spelled = {}

    def all(self) -> list[Suspect]:
        """Return all of them."""
        return [
            Suspect(id_, tuple(rows), self.more.get(id_, 0), tuple(self.spelled.get(id_, ())))
            for id_, rows in self.rows.items()
        ]


def suspects(children: Mapping[Reference, Children], parents: Parents) -> Mapping[Reference, Suspects]:
    """Return the ids of each reference that `parents` has not; all of them refer to the same field."""
    found = {reference: Suspects() for reference in children}
    for part in parents.parts():
        for reference, kept in children.items():
            _look_up(kept, part, found[reference])
    return found


def _look_up(children: Children, part: Part, found: Suspects) -> None:
    for ids, digests in children.blocks():
        if found.is_systemic:
            return
        for position in part.missing(digests).nonzero()[0].tolist():
            if found.add(*read(ids, position)):
                found.keep_samples()
                return
