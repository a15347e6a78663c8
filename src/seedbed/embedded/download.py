"""Fetch one file from Maven Central, or a mirror of it, and see that it is the one that was meant."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from msgspec import Struct

from seedbed.errors import SandboxError

REPOSITORY = "SEEDBED_MAVEN"  # of those who may not reach Maven Central
MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
TIMEOUT_SECONDS = 60


class Artifact(Struct, frozen=True):
    """A file of Maven Central: its coordinates, its size in bytes and its SHA-256 (hexadecimal)."""

    group: str
    name: str
    kind: str
    version: str
    size: int
    sha256: str
    classifier: str = ""

    @property
    def filename(self) -> str:
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.kind}"

    def __str__(self) -> str:
        return ":".join(filter(None, (self.group, self.name, self.kind, self.classifier, self.version)))


def repository() -> str:
    """Return the URL that files are fetched from: SEEDBED_MAVEN's, else Maven Central's."""
    return os.environ.get(REPOSITORY, "").rstrip("/") or MAVEN_CENTRAL


def fetch(artifact: Artifact, folder: Path) -> Path:
    """Put `artifact` into `folder` and return its path; it is there whole or not at all. Raises SandboxError."""
    path = folder / artifact.filename
    scratch = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder))
    try:
        found = _downloaded(artifact, scratch)
        if (digest := sha256(found)) != artifact.sha256:
            raise SandboxError(
                f"{artifact} is not what it should be",
                because=f"its SHA-256 is {digest}, {artifact.sha256} is expected",
                try_="again; if that does not help, something on the way changes downloads",
            )
        os.replace(found, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return path


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _downloaded(artifact: Artifact, scratch: Path) -> Path:
    """Return the path of `artifact`, downloaded into the empty directory `scratch`.

    jgo writes where the file will be, so one that is interrupted looks whole to the next: hence a directory for
    each attempt.
    """
    try:
        import requests
        from jgo.maven import MavenContext
    except ImportError as error:
        raise SandboxError(
            f"{artifact} cannot be fetched", because=str(error), try_='pip install "seedbed[sandbox]"'
        ) from error
    source = repository()
    maven = MavenContext(
        repo_cache=scratch, local_repos=[], remote_repos={"seedbed": source}, timeout=TIMEOUT_SECONDS
    )
    component = maven.project(artifact.group, artifact.name).at_version(artifact.version)
    try:
        return Path(component.artifact(artifact.classifier, artifact.kind).resolve())
    except requests.RequestException as error:
        raise SandboxError(
            f"{artifact} cannot be fetched from {source}",
            because=str(error),
            try_=f"again with a network, or {REPOSITORY}=URL of a mirror; what is there already is kept",
        ) from error
    except (RuntimeError, OSError) as error:  # not found, a wrong checksum; a full disk
        raise SandboxError(f"{artifact} cannot be fetched from {source}", because=str(error)) from error
