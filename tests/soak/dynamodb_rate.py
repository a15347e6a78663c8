"""A transformation within its budget of write capacity: as fast as it may be, and no second above it.

``SOAK_DYNAMODB_UNITS=150 SOAK_DYNAMODB_SECONDS=60 python -m tests.soak.dynamodb_rate``

A table with two indexes, whose entries change with every item. A proxy in front of DynamoDB Local adds up what the
server says each write consumed (ReturnConsumedCapacity=INDEXES; of pages, which are transactions together with the
history, what their items are known to cost), by the moment of its answer: over the whole run it has to be 0.9 to 1.0
of the budget, and in no second, wherever it begins, more than 1.2 of it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.local import dynamodb_local
from seedbed.engines.dynamodb.sandbox.world import World
from tests.soak.common import Tally, amount, say
from tests.support.aws_proxy import Call, proxy
from tests.support.dynamodb.tables import COURSES, Stage, indexed, stage

LEAST, MOST, PEAK = 0.9, 1.0, 1.2
TABLE = indexed(COURSES, "teacher", "subject")
UNITS_OF_AN_ITEM = 3  # the table's and both indexes'
VERSIONED = """# seedbed: phase=migrate table=courses from=1 to=2
def up(item):
    item["count"] += 1
    return item
"""
REPEATABLE = """# seedbed: phase=migrate table=courses repeatable because "it looks first"
def up(item):
    item["done"] = True
    return item
"""
PAGED = """# seedbed: phase=migrate table=courses
def up(item):
    item["count"] += 1
    return item
"""
GROWING = """# seedbed: phase=migrate table=courses from=1 to=2
def up(item):
    item["text"] = "x" * (item["count"] % 3000)
    return item
"""


@dataclass(frozen=True, slots=True)
class Flow:
    """What the proxy saw of the writes to a table: (moment, units), in the order of their answers."""

    writes: Sequence[tuple[float, float]]

    @property
    def units(self) -> float:
        return sum(units for _, units in self.writes)

    @property
    def seconds(self) -> float:
        return self.writes[-1][0] - self.writes[0][0]

    @property
    def mean(self) -> float:
        return self.units / self.seconds

    @property
    def peak(self) -> float:
        """The most units of any second, wherever it begins."""
        window: deque[tuple[float, float]] = deque()
        total = peak = 0.0
        for at, units in self.writes:
            window.append((at, units))
            total += units
            while window[0][0] <= at - 1.0:
                total -= window.popleft()[1]
            peak = max(peak, total)
        return peak


def measured(world: World, text: str, budget: float, seconds: float) -> tuple[Flow, int]:
    """Transform as many items as take `seconds` within `budget`; return the flow, and how many items are done."""
    with (
        proxy(world.endpoint) as aws,
        stage(replace(world, endpoint=aws.endpoint), TABLE, write_units=budget) as there,
    ):
        items = _fill(there, round(budget * seconds / UNITS_OF_AN_ITEM))
        before = len(aws.calls)
        there.apply(text)
        assert len(there.items("courses")) == items
        table = there.database.physical("courses")
        moments = sorted((each.at + each.seconds, _units(each, table)) for each in aws.calls[before:])
        return Flow([each for each in moments if each[1]]), items


def _units(call: Call, table: str) -> float:
    """Return what a write to `table` consumed: as the server told, or by what is known of our items."""
    if not call.mutates or table not in call.tables or call.status != 200:
        return 0.0
    if "TransactItems" not in call.asked:
        return call.units
    actions = [part for each in call.asked["TransactItems"] for part in each.values()]
    return float(2 * UNITS_OF_AN_ITEM * sum(each["TableName"] == table for each in actions))


def _fill(there: Stage, items: int) -> int:
    there.fill(
        "courses",
        [
            {"id": f"c-{number}", "count": number, "teacher": f"t{number % 7}", "subject": f"s{number % 5}"}
            for number in range(items)
        ],
    )
    return items


def problems(found: Flow, budget: float) -> list[str]:
    """Return where a flow leaves its bounds."""
    told = []
    if not LEAST * budget <= found.mean <= MOST * budget:
        told.append(f"{found.mean:.1f} units a second over the run, {found.mean / budget:.3f} of the budget")
    if found.peak > PEAK * budget:
        told.append(f"{found.peak:.0f} units in one second, {found.peak / budget:.2f} of the budget")
    return told


def main() -> int:
    budget, seconds = float(amount("SOAK_DYNAMODB_UNITS", 150)), float(amount("SOAK_DYNAMODB_SECONDS", 60))
    tally = Tally("runs")
    say(f"budget {budget:g} write units a second, two indexes")
    with tempfile.TemporaryDirectory(prefix="seedbed-soak-") as home, dynamodb_local(Path(home)) as world:
        for name, text in (
            ("versioned", VERSIONED),
            ("repeatable", REPEATABLE),
            ("paged", PAGED),
            ("growing", GROWING),
        ):
            began = time.monotonic()
            found, items = measured(world, text, budget, seconds)
            detail = (
                f"{items} items, {found.units:.0f} units in {found.seconds:.1f} s: {found.mean:.1f} a second "
                f"({found.mean / budget:.3f} of the budget), busiest second {found.peak:.0f} ({found.peak / budget:.2f})"
            )
            tally.add(name, time.monotonic() - began, problems(found, budget), detail)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
