"""Prints how much of each room of src the tests cover: `python -m tools.coverage_by_room [--check] [TEST ...]`.

Runs the tests (all of them, if none are named) under coverage, child processes included, and prints two numbers for
each room: how many of its statements and branches were run, and how many of its branches. They stand beside those of
`tools/coverage_baseline.toml`; `--check` fails where a room has lost more than a point.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
BASELINE = Path(__file__).parent / "coverage_baseline.toml"
SPLIT = "engines"  # the room whose packages count one by one
TOLERATED = 1.0  # percentage points: which line of a retry or a kill is reached differs from run to run

# Starting coverage imports what these tests say that nothing imports.
_LEFT_OUT = tuple(
    f"tests/unit/test_imports.py::{each}"
    for each in (
        "test_help_imports_nothing_heavy",
        "test_an_apply_without_work_imports_no_terminal_no_grammar_and_no_models",
        "test_a_status_of_what_is_reached_from_here_imports_nothing_that_travels",
    )
)

# `patch`: child processes are followed, also those that end by os._exit or become another program. Those that Python
# starts without its site (the sandbox's supervisor) are not.
_SETTINGS = """\
[run]
branch = true
parallel = true
source_pkgs = seedbed
data_file = {data}
patch = subprocess, _exit, execv
concurrency = thread, multiprocessing
disable_warnings = no-data-collected, module-not-imported, module-not-measured

[paths]
seedbed =
    {sources}
    */src/seedbed
"""


class Room(NamedTuple):
    """What of a room was run: counts of statements and branches, and how many of them were covered."""

    statements: int
    branches: int
    covered_statements: int
    covered_branches: int

    @property
    def percent(self) -> float:
        """Of statements and branches together."""
        return _percent(self.covered_statements + self.covered_branches, self.statements + self.branches)

    @property
    def branch_percent(self) -> float:
        return _percent(self.covered_branches, self.branches)


class Before(NamedTuple):
    """What the baseline says of a room, or of several whose code went into one: percentages."""

    percent: float
    branch_percent: float


class Baseline(NamedTuple):
    """The rooms of an earlier commit, and from which of them today's rooms got their code, where it moved."""

    commit: str
    rooms: Mapping[str, Before]
    moved: Mapping[str, Sequence[str]]

    def of(self, room: str) -> Before | None:
        """Return what `room` is measured by: of several origins the lowest; None for a room that is new."""
        origins = [self.rooms[each] for each in self.moved.get(room, [room]) if each in self.rooms]
        if not origins:
            return None
        return Before(min(each.percent for each in origins), min(each.branch_percent for each in origins))


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100.0


def room_of(path: str) -> str:
    """Return the room of a file of src/seedbed, `path` being below that: the first part, of engines the first two."""
    parts = PurePosixPath(path).parts
    if len(parts) == 1:
        name = PurePosixPath(path).stem
        return "seedbed" if name.startswith("__") else name
    return "/".join(parts[:2]) if parts[0] == SPLIT and len(parts) > 2 else parts[0]


def rooms(report: Mapping[str, Any]) -> dict[str, Room]:
    """Return what was run of each room, from coverage's report in JSON."""
    counts: dict[str, Counter[str]] = {}
    for path, each in report["files"].items():
        below = Path(path).as_posix().rpartition("src/seedbed/")[2]
        counts.setdefault(room_of(below), Counter()).update(
            {key: value for key, value in each["summary"].items() if isinstance(value, int)}
        )
    return {
        name: Room(
            each["num_statements"], each["num_branches"], each["covered_lines"], each["covered_branches"]
        )
        for name, each in sorted(counts.items())
    }


def baseline(path: Path = BASELINE) -> Baseline:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {name: Before(each["percent"], each["branches"]) for name, each in document["rooms"].items()}
    return Baseline(document["commit"], known, document.get("moved", {}))


def baseline_text(commit: str, found: Mapping[str, Room], moved: Mapping[str, Sequence[str]]) -> str:
    """Return a baseline file that says what was `found` on `commit`."""
    lines = [f'commit = "{commit}"', "", "[rooms]   # percentages: of statements and branches, of branches"]
    lines += [
        f'"{name}" = {{ percent = {each.percent:.1f}, branches = {each.branch_percent:.1f} }}'
        for name, each in found.items()
    ]
    lines += ["", "[moved]   # a room of today = the rooms above that its code came from"]
    lines += [f'"{name}" = {json.dumps(list(origins))}' for name, origins in moved.items()]
    return "\n".join([*lines, ""])


def losses(found: Mapping[str, Room], before: Baseline) -> Iterator[str]:
    """Yield in words which rooms of `before` have lost coverage, or are gone without a word where to."""
    if not before.rooms:
        yield f"{BASELINE.name} has no rooms yet: --tree CHECKOUT --baseline COMMIT writes them"
    for name, room in found.items():
        if was := before.of(name):
            for what, now, then in (
                ("statements and branches", room.percent, was.percent),
                ("branches", room.branch_percent, was.branch_percent),
            ):
                if now < then - TOLERATED:
                    yield f"{name}: {now:.1f} % of {what}, {then:.1f} % on {before.commit}"
    origins = {each for several in before.moved.values() for each in several}
    for name in before.rooms:
        if name not in found and name not in origins:
            yield f"{name} is gone, and [moved] in {BASELINE.name} does not say where its code went"


def table(found: Mapping[str, Room], before: Baseline) -> Iterator[str]:
    """Yield lines: each room with its size, its two percentages, and how they differ from `before`."""
    total = Room(*map(sum, zip(*found.values(), strict=True))) if found else Room(0, 0, 0, 0)
    yield f"{'room':22s} {'statements':>10s} {'branches':>8s}  {'covered':>7s} {'':6s}  {'branches':>8s}"
    for name, room in [*found.items(), ("all", total)]:
        was = before.of(name)
        yield (
            f"{name:22s} {room.statements:10d} {room.branches:8d}"
            f"  {room.percent:5.1f} % {_difference(room.percent, was and was.percent)}"
            f"  {room.branch_percent:6.1f} % {_difference(room.branch_percent, was and was.branch_percent)}"
        ).rstrip()


def _difference(now: float, then: float | None) -> str:
    return f"{now - then:+6.1f}" if then is not None else " " * 6


# Running


def measure(tests: Sequence[str], processes: int, tree: Path, settings: Path) -> int:
    """Run `tests` of the checkout `tree` under coverage; return pytest's exit code."""
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", "-m", "pytest", "-q"]
    command += [f"--deselect={each}" for each in _LEFT_OUT]
    command += ["-n", str(processes), "--dist", "worksteal", *tests]
    path = os.pathsep.join(filter(None, [str(tree / "src"), os.environ.get("PYTHONPATH")]))
    return subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


def collected(folder: Path, settings: Path) -> dict[str, Room]:
    """Return what all files of coverage's in `folder` add up to; they stay where they are."""
    report = settings.with_name("report.json")
    for action in (["combine", "--keep", str(folder)], ["json", "-o", str(report)]):
        command = [sys.executable, "-m", "coverage", action[0], f"--rcfile={settings}", "-q", *action[1:]]
        subprocess.run(command, cwd=ROOT, check=True)
    return rooms(json.loads(report.read_text(encoding="utf-8")))


def main() -> None:
    given = _arguments()
    tree, code = given.tree.absolute(), 0
    with tempfile.TemporaryDirectory(prefix="seedbed-coverage-") as temporary:
        folder = (given.only_from or given.keep or Path(temporary) / "data").absolute()
        folder.mkdir(parents=True, exist_ok=True)
        settings, sources = Path(temporary) / "settings", tree / "src" / "seedbed"
        if given.only_from is None:
            settings.write_text(
                _SETTINGS.format(data=folder / ".coverage", sources=sources), encoding="utf-8"
            )
            code = measure(given.tests, given.processes, tree, settings)
        settings.write_text(
            _SETTINGS.format(data=Path(temporary) / ".coverage", sources=sources), encoding="utf-8"
        )
        found = collected(folder, settings)
    before = baseline()
    if given.baseline:
        BASELINE.write_text(baseline_text(given.baseline, found, before.moved), encoding="utf-8")
        before = baseline()
    print("\n".join(table(found, before)))
    wrong = list(losses(found, before)) if given.check else []
    if code:
        wrong.append(f"pytest ended with {code}: a test that fails covers less than it could")
    sys.exit("\n".join(wrong) or 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tests", nargs="*", help="files, folders or tests, as pytest takes them (all)")
    parser.add_argument("--processes", type=int, default=2, help="how many run tests side by side (2)")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout that is measured (this one)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where coverage's files stay")
    parser.add_argument("--only-from", type=Path, metavar="FOLDER", help="run nothing: add up what is there")
    parser.add_argument("--check", action="store_true", help="fail where a room lost more than a point")
    parser.add_argument("--baseline", metavar="COMMIT", help="write the baseline, as that of COMMIT")
    return parser.parse_args()


if __name__ == "__main__":
    main()
