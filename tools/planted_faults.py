"""Plants faults in copies of src and runs the tests that have to catch them: `python -m tools.planted_faults`.

Each fault in `tools/planted/*.toml` is what a careful engineer could break while moving code: a text of one file,
what stands there instead, and the tests that fail then. A fault counts as caught if one of its tests fails with an
assertion or an error of seedbed; one that fails because a name is gone proves nothing. All tests have to pass
without any fault first.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "planted"
CONTRACTS = Path("src/seedbed/testing")  # the tests that an engine's test classes inherit
SECONDS = 180.0  # that one run of tests may take

# How the message of a failure begins that says something about behaviour: an assertion, a missing exception, an
# error of seedbed's own, a child process that did not end in time.
_TELLING = (
    "assert ",
    "AssertionError",
    "Failed: ",
    "seedbed.",
    "subprocess.TimeoutExpired",
    "ExceptionGroup",
)


class Fault(NamedTuple):
    """One planted fault: in `file`, `find` (which stands there exactly once) becomes `replace`."""

    name: str
    room: str
    breaks: str  # for whoever uses seedbed
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]


class Case(NamedTuple):
    """How one test ended: "passed", "skipped", or "failed" or "broken" with the first line of the message."""

    test: str
    ended: str
    message: str = ""


class Verdict(NamedTuple):
    """What became of a fault: "caught", "missed", "hung" or "broken"; `words` say by what, or why."""

    fault: Fault
    ended: str
    words: str
    seconds: float


def load(folder: Path = FOLDER) -> list[Fault]:
    """Return all planted faults, by room."""
    faults = []
    for path in sorted(folder.glob("*.toml")):
        for table in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]:
            tests = tuple(table.pop("tests"))
            faults.append(Fault(**table, tests=tests))
    return faults


# Whether the list still fits the code


def problems(fault: Fault, root: Path = ROOT) -> Iterator[str]:
    """Yield what of `fault` no longer fits the code below `root`."""
    path = root / fault.file
    count = path.read_text(encoding="utf-8").count(fault.find) if path.is_file() else 0
    if count != 1:
        yield f"its text stands {count} times in {fault.file}{_elsewhere(fault, root)}"
    elif path.suffix == ".py" and (wrong := _unreadable(_with(fault, path))):
        yield f"with it, {fault.file} is not valid Python: {wrong}"
    for test in fault.tests:
        if wrong := _missing(test, root):
            yield f"{test}: {wrong}"


def _with(fault: Fault, path: Path) -> str:
    return path.read_text(encoding="utf-8").replace(fault.find, fault.replace)


def _unreadable(text: str) -> str:
    """Return why `text` cannot be compiled, "" if it can: a file that cannot be imported fails every test."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        return str(error)
    return ""


def _elsewhere(fault: Fault, root: Path) -> str:
    found = [
        path.relative_to(root).as_posix()
        for path in sorted((root / "src").rglob("*.py"))
        if fault.find in path.read_text(encoding="utf-8")
    ]
    return f"; it stands in {', '.join(found)}" if found else "; nor anywhere else in src"


def _missing(test: str, root: Path) -> str:
    """Return why `test` cannot be run, "" if it can."""
    file, *names = test.split("[", maxsplit=1)[0].split("::")
    if not (root / file).is_file():
        return "there is no such file"
    tree = ast.parse((root / file).read_text(encoding="utf-8"))
    known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if names[0] not in known:
        return f"there is no {names[0]} in it"
    if names[-1] not in known and not any(
        f"def {names[-1]}(" in path.read_text(encoding="utf-8") for path in (root / CONTRACTS).rglob("*.py")
    ):
        return f"there is no {names[-1]} in it, nor in {CONTRACTS}"
    return ""


# Running


def run(tests: Sequence[str], root: Path, sources: Path, *, processes: int = 0) -> list[Case]:
    """Return how each of `tests` of the checkout `root` ended with seedbed from `sources`; nothing where they hung."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(sources), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory(prefix="seedbed-planted-") as room:
        report = Path(room) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command += ["-n", str(processes), "--dist", "worksteal"] if processes else []
        with subprocess.Popen(
            [*command, *tests],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as child:
            try:
                out, _ = child.communicate(timeout=SECONDS * (1 + bool(processes)))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                return []
        if child.returncode not in {0, 1}:
            raise SystemExit(f"pytest ended with {child.returncode} on {' '.join(tests)}:\n{out[-3000:]}")
        return list(cases_of(report))


def cases_of(report: Path) -> Iterator[Case]:
    for case in ElementTree.parse(report).iter("testcase"):
        test = f"{case.get('classname')}.{case.get('name')}"
        failure, error = case.find("failure"), case.find("error")
        if failure is not None:
            message = (failure.get("message") or "").strip().split("\n")[0]
            yield Case(test, "failed" if message.startswith(_TELLING) else "broken", message)
        elif error is not None:
            yield Case(test, "broken", (error.get("message") or "").strip().split("\n")[0])
        else:
            yield Case(test, "passed" if case.find("skipped") is None else "skipped")


def _of(test: str, cases: Iterable[Case]) -> list[Case]:
    """Return the cases of `test`, all of its parameters."""
    name = test.replace("/", ".").replace(".py::", ".").replace("::", ".")
    return [each for each in cases if each.test == name or each.test.startswith(f"{name}[")]


def unfit(tests: Sequence[str], root: Path, processes: int) -> list[str]:
    """Return the tests that do not pass without a fault, in words; one that fails is run alone once more."""
    cases = run(tests, root, root / "src", processes=processes)
    failed = [each for each in tests if not _pass(_of(each, cases))]
    if not failed:
        return []
    again = run(failed, root, root / "src")
    return [
        f"{each}: {'; '.join(f'{case.ended} {case.message}' for case in _of(each, again)) or 'did not run'}"
        for each in failed
        if not _pass(_of(each, again))
    ]


def _pass(cases: Sequence[Case]) -> bool:
    return bool(cases) and all(each.ended == "passed" for each in cases)


def planted(fault: Fault, root: Path, room: Path) -> Path:
    """Return a copy of the sources of `root` in `room`, with `fault` in it."""
    sources = room / "src"
    shutil.copytree(root / "src", sources)  # with times, so that what Python has compiled is used again
    path = room / fault.file
    path.write_text(_with(fault, path), encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
    return sources


def judge(fault: Fault, root: Path) -> Verdict:
    """Run the tests of `fault` with it in place, and return what became of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seedbed-planted-") as room:
        cases = run(fault.tests, root, planted(fault, root, Path(room)))
    seconds = time.monotonic() - began
    for test in fault.tests:
        for case in _of(test, cases):
            if case.ended == "failed":
                return Verdict(fault, "caught", f"{test}: {case.message}", seconds)
    if not cases:
        return Verdict(fault, "hung", f"no end within {SECONDS:.0f} s", seconds)
    broken = [f"{each.test}: {each.message}" for each in cases if each.ended == "broken"]
    if broken:
        return Verdict(fault, "broken", broken[0], seconds)
    return Verdict(fault, "missed", f"{len(cases)} tests passed", seconds)


def _require_copy(root: Path) -> None:
    """End the program unless a copy of the sources goes before an installed seedbed."""
    with tempfile.TemporaryDirectory(prefix="seedbed-planted-") as room:
        shutil.copytree(root / "src", Path(room) / "src")
        found = subprocess.run(
            [sys.executable, "-c", "import seedbed; print(seedbed.__file__)"],
            env={**os.environ, "PYTHONPATH": str(Path(room) / "src")},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if not found.startswith(room):
            raise SystemExit(f"python imports seedbed from {found.strip()} and not from a copy of src")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="faults or rooms whose name holds this"
    )
    parser.add_argument("--jobs", type=int, default=2, help="how many runs of tests go side by side (2)")
    parser.add_argument(
        "--tree", type=Path, default=ROOT, help="the checkout whose sources and tests are used (this one)"
    )
    given = parser.parse_args()
    root = given.tree.absolute()
    faults = [
        each
        for each in load()
        if not given.only or any(one in f"{each.room} {each.name}" for one in given.only)
    ]
    if stale := [f"{each.room}: {each.name}: {wrong}" for each in faults for wrong in problems(each, root)]:
        raise SystemExit(
            "these no longer fit the code; let tools/planted follow it:\n  " + "\n  ".join(stale)
        )
    _require_copy(root)
    tests = list(dict.fromkeys(test for each in faults for test in each.tests))
    if wrong := unfit(tests, root, given.jobs):
        raise SystemExit("without any fault, these do not pass:\n  " + "\n  ".join(wrong))
    print(f"{len(tests)} tests pass without a fault", flush=True)
    caught = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for verdict in pool.map(lambda each: judge(each, root), faults):
            caught += verdict.ended == "caught"
            print(f"{verdict.ended:7s} {verdict.fault.room}: {verdict.fault.name} ({verdict.seconds:.0f} s)")
            print(f"        {verdict.words[:300]}", flush=True)
    print(f"{caught} of {len(faults)} planted faults are caught")
    sys.exit(caught != len(faults))


if __name__ == "__main__":
    main()
