"""What is installed from a wheel: an environment that has seedbed from it, what its extras need, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import bare

ROOT = Path(__file__).parents[2]


def build(to: Path, *, source: Path = ROOT, kinds: Sequence[str] = ("sdist", "wheel")) -> dict[str, Path]:
    """Build the distributions of the sources in `source`, and return them by their kinds."""
    wanted = [part for each in kinds for part in ("-t", each)]
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(to), *wanted]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    suffixes = {"sdist": "*.tar.gz", "wheel": "*.whl"}
    return {each: next(to.glob(suffixes[each])) for each in kinds}


class Installed:
    """A virtual environment with the wheel in it, and commands that are typed there."""

    def __init__(self, home: Path, wheel: Path, extras: Sequence[str]) -> None:
        self.home = home
        self.wheel = wheel
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
        python = str(home / "venv" / "bin" / "python")
        pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--no-deps", "--no-index", "--no-compile", str(wheel)], check=True)
        needed = bare.environment(home / "needed", extras)
        for each in needed.glob("seedbed*"):  # the wheel's is the one that is meant
            each.unlink()
        packages = next((home / "venv" / "lib").glob("python*")) / "site-packages"
        (packages / "needed.pth").write_text(f"{needed}\n", encoding="utf-8")

    def type(
        self, command: str, cwd: Path, *, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Type a line into a shell in `cwd`, whose PATH has nothing but this environment and the system's own."""
        kept = ("HOME", "LANG", "LC_ALL", "CI", "SEEDBED_CACHE", "XDG_CACHE_HOME", "SEEDBED_SANDBOX_ROOT")
        variables = {name: os.environ[name] for name in kept if name in os.environ}
        path = f"{self.home / 'venv' / 'bin'}:/usr/bin:/bin"
        return subprocess.run(
            ["sh", "-ec", command],
            cwd=cwd,
            env={
                **variables,
                "PATH": path,
                "NO_COLOR": "1",
                "AWS_EC2_METADATA_DISABLED": "true",
                **(env or {}),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def seedbed(self, arguments: str, cwd: Path, **options: float) -> str:
        """Return what a command that succeeds writes to standard output."""
        done = self.type(f"seedbed {arguments}", cwd, **options)  # type: ignore[arg-type]  # only a timeout is given
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
