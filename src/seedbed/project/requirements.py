"""What an image installs, with the hash of each file: asked of pip, which asks the package index."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seedbed import __version__
from seedbed.errors import Unavailable, UsageError
from seedbed.files.scratch import scratch
from seedbed.project.image import ImageRequest, checksum

EXTRAS = "all"
_GLIBC = (
    17,
    24,
    27,
    28,
    31,
    34,
    35,
    36,
)  # minor versions that wheels for Linux are named by, as far as Debian 12 has


def requirements(request: ImageRequest, root: Path) -> str:
    """Return the requirements of the image for `request`: one file for each package, with its hash.

    Raises UsageError where there is no such wheel or no pip here, Unavailable where pip finds no answer.
    """
    if request.wheel and not (root / request.wheel).is_file():
        raise UsageError(
            f"there is no {request.wheel} in {root}",
            because="seedbed is installed from it",
            try_="pip wheel --no-deps -w wheels CHECKOUT, or leave --wheel out where an index has seedbed",
        )
    with scratch("seedbed.requirements-") as nowhere:
        report = _report(request, root, str(nowhere.directory))
    lines = sorted(_lines(report, request, root))
    return "\n".join(("# Installed into the image, each file by its hash.", *lines, ""))


def _lines(report: Mapping[str, Any], request: ImageRequest, root: Path) -> Iterator[str]:
    for each in report["install"]:
        name, version = each["metadata"]["name"], each["metadata"]["version"]
        if request.wheel and each.get("is_direct"):
            yield f"./{request.wheel}[{EXTRAS}] --hash={checksum(root / request.wheel)}"
        else:
            sha256 = each["download_info"]["archive_info"]["hashes"]["sha256"]
            yield f"{name}=={version} --hash=sha256:{sha256}"


def _report(request: ImageRequest, root: Path, nowhere: str) -> Mapping[str, Any]:
    what = f"./{request.wheel}[{EXTRAS}]" if request.wheel else f"seedbed[{EXTRAS}]=={__version__}"
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[request.architecture]
    platforms = [f"manylinux_2_{each}_{machine}" for each in _GLIBC] + [f"manylinux2014_{machine}"]
    command = [
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--ignore-installed",
            "--quiet",
            "--report",
            "-",
        ),
        *("--disable-pip-version-check", "--no-input", "--only-binary", ":all:"),
        *(
            "--target",
            nowhere,
        ),  # nothing is put there; an old pip looks at another platform for no other place
        *("--implementation", "cp", "--python-version", request.python),
        *(part for each in platforms for part in ("--platform", each)),
        what,
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if "No module named pip" in done.stderr:
        raise UsageError(
            "there is no pip here to find out what is installed",
            because=f"{sys.executable} is an environment without it",
            try_="--requirements FILE, which uv pip compile --generate-hashes writes",
        )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            done.stderr.strip()
        ]
        raise Unavailable(
            f"pip finds nothing to install for {what}",
            because="; ".join(said)[-500:],
            try_="--requirements FILE, where the index is not reached from here",
        )
    report: Mapping[str, Any] = json.loads(done.stdout)
    return report
