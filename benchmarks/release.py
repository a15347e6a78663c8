"""What it takes to build a release of the platform in `edtech/`, and how large that is.

``python -m benchmarks.release [--rounds N]``

Beside the build are two calls of `cdk synth`, one after the other, for the two environments that the bundle has
assemblies for. All are whole processes and take turns. Where the assemblies are given, beside it is a Python that
imports what every command imports. After each round the bundle has the same bytes as in the first one.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.lines import Line, compared, keep, machine
from seedbed.deployment import cdk
from seedbed.execution.stopping import Stop
from seedbed.releases.bundle import read
from tests.support.projects import clean_environment, command

MOST = 1.0
ENVIRONMENTS = ("staging", "prod")
_EDTECH = Path(__file__).parents[1] / "edtech"


class Bench:
    """A copy of the platform, and a room for what is made of it."""

    def __init__(self, room: Path) -> None:
        self.room, self.root = room, room / "platform"
        ignored = shutil.ignore_patterns(
            ".seedbed", "apps", "tests", "__pycache__", "cdk.out", "node_modules"
        )
        shutil.copytree(_EDTECH, self.root, ignore=ignored)
        self.cli = cdk.find(self.root / "cdk", os.environ, room / "home", Stop(), print)

    def build(self, *words: str) -> float:
        """Return the seconds that `release build` took."""
        env = clean_environment({"PYTHONDONTWRITEBYTECODE": ""})
        return timed([command("release", "build", "-o", str(self.bundle), *words)], self.root, env)

    def synthesise(self) -> float:
        """Return the seconds that `cdk synth` took for all environments, and leave what it made."""
        calls = []
        for name in ENVIRONMENTS:
            into = self.assembly(name)
            shutil.rmtree(into, ignore_errors=True)
            calls.append(
                [*self.cli.argv, "synth", "--quiet", "--output", str(into), "-c", f"environment={name}"]
            )
        return timed(calls, self.root / "cdk", self.cli.base)

    @property
    def bundle(self) -> Path:
        return self.room / "release.tar"

    def assembly(self, name: str) -> Path:
        return self.room / "made" / name

    def digest(self) -> str:
        return hashlib.sha256(self.bundle.read_bytes()).hexdigest()


def timed(calls: Sequence[Sequence[str]], where: Path, env: Mapping[str, str]) -> float:
    """Return the seconds that some processes took, one after the other. Raises RuntimeError where one failed."""
    began = time.perf_counter()
    for each in calls:
        ran = subprocess.run(each, cwd=where, env=env, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(ran.stdout + ran.stderr)
    return time.perf_counter() - began


def measured(bench: Bench, rounds: int) -> tuple[list[Line], str]:
    """Let all take turns, after one each that does not count."""
    took: dict[str, list[float]] = {each: [] for each in ("build", "synth", "given", "python")}
    digests = set()
    for number in range(rounds + 1):
        seconds = {"synth": bench.synthesise(), "build": bench.build()}
        digests.add(bench.digest())
        words = [f"--assembly={name}={bench.assembly(name)}" for name in ENVIRONMENTS]
        seconds["given"] = bench.build(*words)
        digests.add(bench.digest())
        program = [sys.executable, "-c", "import click, msgspec"]
        seconds["python"] = timed([program], bench.root, dict(os.environ))
        for name, each in seconds.items():
            took[name] += [each] if number else []
    if len(digests) != 1:
        raise RuntimeError(f"the same inputs made {len(digests)} different bundles")
    lines = [
        compared("build", "s", took["build"], "cdk synth, twice", took["synth"], MOST),
        compared("build, assemblies given", "s", took["given"], "python", took["python"], None),
    ]
    return lines, digests.pop()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as room:
        settings = machine("aws-cdk-lib", rounds=asked.rounds)
        bench = Bench(Path(room))
        lines, digest = measured(bench, asked.rounds)
        for line in lines:
            print(line, flush=True)
        data = bench.bundle.read_bytes()
        size = {"bytes": len(data), "files": len(read(data, digest).index.members)}
        size["gzip_bytes"] = len(gzip.compress(data))
        print(size)
    keep("release", {**settings, **size, "load_after": os.getloadavg()[0]}, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
