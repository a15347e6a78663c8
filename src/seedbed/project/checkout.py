"""Which commit of which branch a platform is, where git is there and says so."""

from __future__ import annotations

import subprocess
from pathlib import PurePath

_PATIENCE = 2.0  # seconds: what it says is worth no more


def checkout(root: PurePath) -> tuple[str, str]:
    """Return commit and branch of the directory `root`, both "" where nothing tells them."""
    words = ["git", "-C", str(root), "rev-parse", "HEAD", "--abbrev-ref", "HEAD"]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return "", ""
    lines = ran.stdout.split()
    if ran.returncode or len(lines) != 2:
        return "", ""
    return lines[0], "" if lines[1] == "HEAD" else lines[1]
