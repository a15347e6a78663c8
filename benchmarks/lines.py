"""What a benchmark says: ours beside a peer's, as the ratio of neighbours in the same round."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_A_PIECE = "µs a "  # the unit of what is told as so many a second, too


@dataclass(frozen=True, slots=True)
class Line:
    """`ours` and `peer` in `unit` (medians over the rounds), the median of their ratios, and what it may be at most."""

    name: str
    unit: str
    ours: float
    peer_name: str
    peer: float
    ratio: float
    ratio_min: float
    ratio_max: float
    most: float | None

    @property
    def verdict(self) -> str:
        if self.most is None:
            return ""
        return "within" if self.ratio <= self.most else "MISSED"

    def __str__(self) -> str:
        wanted = f"<= {self.most:.3g}  {self.verdict}" if self.most is not None else ""
        beside = f"{self.ours:8.3f} {self.unit} beside {self.peer:8.3f} ({self.peer_name})"
        if self.unit.startswith(_A_PIECE):
            beside += f", {1e6 / self.ours:,.0f} a second beside {1e6 / self.peer:,.0f}"
        spread = f"{self.ratio:.3f} ({self.ratio_min:.3f} to {self.ratio_max:.3f})"
        return f"{self.name:34s} {beside:82s} ratio {spread:24s} {wanted}".rstrip()


@dataclass(frozen=True, slots=True)
class Difference:
    """`ours` and `peer` in `unit` (medians over the rounds), the median of ours less the peer's, and the most of it."""

    name: str
    unit: str
    ours: float
    peer_name: str
    peer: float
    difference: float
    difference_min: float
    difference_max: float
    most: float

    @property
    def verdict(self) -> str:
        return "within" if self.difference <= self.most else "MISSED"

    def __str__(self) -> str:
        beside = f"{self.ours:8.3f} {self.unit} beside {self.peer:8.3f} ({self.peer_name})"
        spread = f"{self.difference:.3f} ({self.difference_min:.3f} to {self.difference_max:.3f})"
        return f"{self.name:34s} {beside:82s} {spread:24s} more  <= {self.most:.3g}  {self.verdict}"


def compared(
    name: str, unit: str, ours: Sequence[float], peer_name: str, peers: Sequence[float], most: float | None
) -> Line:
    """Return ours beside the peer's: the ratios are of the same round."""
    ratios = [a / b for a, b in zip(ours, peers, strict=True)]
    median = statistics.median
    return Line(
        name, unit, median(ours), peer_name, median(peers), median(ratios), min(ratios), max(ratios), most
    )


def more_than(
    name: str, unit: str, ours: Sequence[float], peer_name: str, peers: Sequence[float], most: float
) -> Difference:
    """Return by how much ours is more than the peer's: the differences are of the same round."""
    more = [a - b for a, b in zip(ours, peers, strict=True)]
    median = statistics.median
    return Difference(
        name, unit, median(ours), peer_name, median(peers), median(more), min(more), max(more), most
    )


def machine(*packages: str, **more: Any) -> dict[str, Any]:
    """Return settings about what is measured on, and `more`; no names and no paths."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("seedbed", *packages)},
        **more,
        "load_before": os.getloadavg()[0],
    }


def keep(name: str, settings: Mapping[str, Any], lines: Sequence[Line | Difference]) -> None:
    """Write the results of the benchmark `name` beside the benchmarks."""
    RESULTS.mkdir(exist_ok=True)
    document = {**settings, "results": [{**asdict(line), "verdict": line.verdict} for line in lines]}
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
