"""Building and pushing a container image, with whichever program there is for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from seedbed.deployment.child import ChildResult, StopSignal, run
from seedbed.errors import SeedbedError, Unavailable, UsageError

PROGRAMS = ("docker", "podman")


class Builder(Struct, frozen=True):
    """A program that builds images, at work in `directory`; `tell` is given its lines."""

    program: str
    directory: Path
    environ: Mapping[str, str]
    tell: Callable[[str], None]
    stop: StopSignal

    def build(self, dockerfile: str, name: str, platform: str) -> None:
        """Build the image `name`. Raises Unavailable where the program could not."""
        self._run("build", "--platform", platform, "--file", dockerfile, "--tag", name, ".")

    def push(self, name: str) -> str:
        """Push the image `name`, and return the reference that names it by its digest: NAME@sha256:…"""
        self._run("push", name)
        told = self._run("image", "inspect", "--format", "{{json .RepoDigests}}", name).last_lines
        repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
        try:
            found = next(each for each in json.loads(told) if each.startswith(f"{repository}@sha256:"))
        except (ValueError, TypeError, StopIteration):
            raise SeedbedError(
                f"{self.program} does not say under which digest {name} was pushed",
                because=told,
                try_=f"{self.program} image inspect {name}",
            ) from None
        return str(found)

    def _run(self, *arguments: str) -> ChildResult:
        command: Sequence[str] = (self.program, *arguments)
        result = run(command, cwd=self.directory, environ=self.environ, on_line=self.tell, stop=self.stop)
        if result.code:
            raise Unavailable(
                f"{self.program} {arguments[0]} ended with {result.code}",
                because=result.last_lines,
                try_=f"{' '.join(command)}, in {self.directory}",
            )
        return result


def program(environ: Mapping[str, str]) -> str:
    """Return the first of `PROGRAMS` that there is. Raises UsageError where there is none."""
    for each in PROGRAMS:
        if shutil.which(each, path=environ.get("PATH")):
            return each
    raise UsageError(
        "no image can be built here",
        because=f"neither {' nor '.join(PROGRAMS)} is on the PATH",
        try_="build it where there is one of them, or leave --build out",
    )
