"""What OpenSearch consists of, and what of it a server of the sandbox needs."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from seedbed.servers import archives, jars

NAME = "opensearch-2"  # the number: of the recipe below, so that another one makes another directory
LOCK = Path(__file__).with_name("opensearch.lock")
AGENT = "agent/opensearch-agent-bootstrap-"  # the only one of the agent's jars that its classes need
UNWANTED_JARS = ("lib/tools/", "lib/bc")  # the administrator's programs, and the cryptography of FIPS
UNWANTED_MODULES = (
    "cache-common",
    "ingest-geoip",
    "ingest-user-agent",
    "opensearch-dashboards",
    "rule-framework",
    "search-pipeline-common",
    "store-subdirectory",
)


@cache
def lock() -> jars.Lockfile:
    """Return what OpenSearch consists of."""
    return jars.read(LOCK.read_text(encoding="utf-8"))


def folder() -> Path:
    """Return the directory that OpenSearch is or will be unpacked into."""
    return archives.folder(lock(), jars.cache(), NAME)


def installed() -> Path:
    """Return the directory with OpenSearch in it, fetched and unpacked if need be. Raises SandboxError."""
    return archives.install(lock(), jars.cache(), NAME, _fill)


def _fill(artifacts: Path, to: Path) -> None:
    for artifact in lock().artifacts:
        found = artifacts / artifact.filename
        if artifact.name == "opensearch":
            archives.extract(found, to, _of_server)
        elif artifact.kind == "zip":
            # mypy has no type for a default that a lambda is given against late binding.
            archives.extract(found, to, lambda name, plugin=artifact.name: f"plugins/{plugin}/{name}")  # type: ignore[misc]  # see above
        else:
            (to / "icu").mkdir(exist_ok=True)
            shutil.copyfile(found, to / "icu" / artifact.filename)


def _of_server(name: str) -> str:
    """Return where a file of the server's archive belongs; "" for what a server of the sandbox never loads."""
    _, _, path = name.partition("/")
    if path.startswith(AGENT):
        return "lib/" + path.rpartition("/")[2]
    room, _, rest = path.partition("/")
    if room == "lib":
        return "" if path.startswith(UNWANTED_JARS) else path
    if room == "modules":
        return "" if rest.partition("/")[0] in UNWANTED_MODULES else path
    return ""
