"""Read units that a run takes, of engines that charge them, and the limit that it has for them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from seedbed.engines.verification import SupportsUnits
from seedbed.errors import Refused
from seedbed.execution.connecting import ConnectedTarget
from seedbed.model.verification import Reading
from seedbed.support.phrases import number, units_words


class UnitBudget:
    """Counts the units that `connected` take; at most `most` of them, 0 for no limit. Thread-safe."""

    def __init__(self, most: float, connected: Sequence[ConnectedTarget] = ()) -> None:
        self.spent = 0.0
        self._most = most
        self._lock = threading.Lock()
        for each in connected:
            if isinstance(each.session, SupportsUnits):
                each.session.on_units(self.spend)

    def spend(self, units: float) -> None:
        """Count what an answer took. Raises Refused where that is more than there was left."""
        with self._lock:
            self.spent += units
        self.require_left()

    def require_left(self, more: float = 0.0) -> None:
        """Raise Refused where more is spent than may be, or would be by reading what takes `more`."""
        if self._most and more and self.spent + more > self._most:
            raise Refused(
                f"the rest takes about {number(round(more))} read units, more than there are left",
                because=f"{number(round(self.spent))} of the {number(round(self._most))} that it may take are spent",
                try_="a larger --max-units, or fewer references at a time: --only",
            )
        if self._most and self.spent > self._most:
            raise Refused(
                "reading ended, its read units are spent",
                because=f"it took {units_words(self.spent)}, and may take {number(round(self._most))}",
                try_="a larger --max-units, or fewer references at a time: --only",
            )

    def require_enough(self, reading: Reading) -> None:
        """Raise Refused where `reading` is expected to take more than there is."""
        if self._most and reading.units > self._most:
            most = max(reading.fields, key=lambda each: each.extent.units)
            raise Refused(
                f"verify takes about {units_words(reading.units)}, more than {number(round(self._most))}",
                because=f"{most.field} alone takes {units_words(most.extent.units)}; nothing was read",
                try_="a larger --max-units, or fewer references at a time, --only; --dry-run shows what each takes",
            )
