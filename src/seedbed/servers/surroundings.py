"""What processes of the sandbox are given of our environment: they outlive us, and have no use for our credentials."""

from __future__ import annotations

import os

_NAMES = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONDONTWRITEBYTECODE",
)
_MEASURING = "COVERAGE_"  # of whoever measures what runs


def surroundings(*more: str) -> dict[str, str]:
    """Return the variables of ours that say where programs, libraries and directories are, and those named `more`."""
    kept = {
        name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(_MEASURING)
    }
    kept |= {name: os.environ[name] for name in more if name in os.environ}
    return {"PATH": os.defpath, **kept}
