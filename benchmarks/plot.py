"""A plot of what `benchmarks.verify` measured: seconds over rows, both logarithmic, so that what is linear is straight.

``python -m benchmarks.plot`` writes `results/verify.svg` from `results/verify.json`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.lines import RESULTS

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 420, 60, 20, 20, 50
COLOURS = ("#1b6ac9", "#8a8a8a")
Point = tuple[float, float]  # rows, seconds
Points = Sequence[Point]


def points(results: Sequence[Mapping[str, object]]) -> dict[str, Points]:
    """Return what each program took, from the results of the benchmark."""
    walls = [each for each in results if each["unit"] == "s"]
    rows = [float(str(each["name"]).partition(" ")[0].replace(",", "")) for each in walls]
    return {
        name: sorted(zip(rows, (float(str(each[key])) for each in walls), strict=True))
        for name, key in (("seedbed verify", "ours"), ("psql", "peer"))
    }


class Paper:
    """Decades of rows and seconds, and where a point lies on them."""

    def __init__(self, every: Points) -> None:
        logs = [[math.log10(value) for value in axis] for axis in zip(*every, strict=True)]
        self.decades = [range(math.floor(min(axis)), math.ceil(max(axis)) + 1) for axis in logs]

    def at(self, point: Point) -> Point:
        x, y = (
            (math.log10(value) - axis[0]) / (axis[-1] - axis[0])
            for value, axis in zip(point, self.decades, strict=True)
        )
        return LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)

    def line(self, through: Points, style: str) -> str:
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, through))
        return f'<polyline points="{places}" fill="none" {style}/>'

    def grid(self) -> Iterator[str]:
        rows, seconds = ([10.0**power for power in axis] for axis in self.decades)
        for value in rows:
            x, y = self.at((value, seconds[0]))
            yield self.line([(value, seconds[0]), (value, seconds[-1])], 'stroke="#ddd"')
            yield f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{value:,.0f}</text>'
        for value in seconds:
            x, y = self.at((rows[0], value))
            yield self.line([(rows[0], value), (rows[-1], value)], 'stroke="#ddd"')
            yield f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        yield f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">ids in each column; seconds</text>'

    def measured(self, through: Points, colour: str) -> Iterator[str]:
        """Yield the line of what was measured, and dashed what is linear from its last point down."""
        (least, _), (most, seconds) = through[0], through[-1]
        linear = [(least, seconds * least / most), (most, seconds)]
        yield self.line(linear, f'stroke="{colour}" stroke-dasharray="3 4"')
        yield self.line(through, f'stroke="{colour}" stroke-width="2"')
        for x, y in map(self.at, through):
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def svg(series: Mapping[str, Points]) -> str:
    """Return the plot of what each program took."""
    paper = Paper([point for each in series.values() for point in each])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"']
    parts += ['font-family="sans-serif" font-size="12">', *paper.grid()]
    for number, (colour, (name, through)) in enumerate(zip(COLOURS, series.items(), strict=True)):
        parts += paper.measured(through, colour)
        parts.append(f'<text x="{LEFT + 12}" y="{TOP + 16 + 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    results = json.loads((RESULTS / "verify.json").read_text(encoding="utf-8"))["results"]
    (RESULTS / "verify.svg").write_text(svg(points(results)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
