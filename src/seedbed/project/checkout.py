"""Which commit of which branch a platform is, where git is there and says so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import PurePath

from seedbed.files.platform import COMPILED, IGNORED

_PATIENCE = 2.0  # seconds: what it says is worth no more
_LOOK = 60.0  # seconds: it reads all files


def checkout(root: PurePath) -> tuple[str, str]:
    """Return commit and branch of the directory `root`, both "" where nothing tells them."""
    said = _asked(root, ["rev-parse", "HEAD", "--abbrev-ref", "HEAD"])
    lines = said.split() if said else []
    if len(lines) != 2:
        return "", ""
    return lines[0], "" if lines[1] == "HEAD" else lines[1]


def default_branch(root: PurePath) -> str:
    """Return the branch that others are merged into: the remote's, the only one there is, or the usual one."""
    said = _asked(root, ["symbolic-ref", "--short", "refs/remotes/origin/HEAD"])
    if said:
        return said.strip().removeprefix("origin/")
    branches = (_asked(root, ["branch", "--format=%(refname:short)"]) or "").split()
    if not branches:  # nothing was committed yet
        branches = (_asked(root, ["symbolic-ref", "--short", "HEAD"]) or "").split()
    usual = [each for each in ("main", "master") if each in branches]
    return (usual or (branches if len(branches) == 1 else ["main"]))[0]


def different(root: PurePath, paths: Iterable[str], *, ignored: bool) -> list[str] | None:
    """Return the files below `paths`, of the directory `root`, that are not what its commit has; None: nothing tells.

    `ignored`: what git is told to ignore counts, too; what programs make anew never does.
    """
    made = [f":(exclude,glob)**/{each}{rest}" for each in sorted(IGNORED) for rest in ("", "/**")]
    where = ["--", *paths, *made, f":(exclude,glob)**/*{COMPILED}"]
    # What was changed and what was added: a migration that was never committed is in no commit. Not one call of
    # `status --ignored`: with paths to leave out, it tells of ignored directories that are below none of `paths`.
    changed = _asked(
        root, ["diff", "--name-only", "--no-ext-diff", "--relative", "-z", "HEAD", *where], _LOOK
    )
    added = _asked(
        root, ["ls-files", "--others", "-z", *([] if ignored else ["--exclude-standard"]), *where], _LOOK
    )
    if changed is None or added is None:
        return None
    return sorted({each for each in (changed + added).split("\0") if each})


def _asked(root: PurePath, words: Iterable[str], patience: float = _PATIENCE) -> str | None:
    """Return what git says, None where it says nothing."""
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # a look takes no lock from whoever works there
    try:
        ran = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
            env=environ,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return None if ran.returncode else ran.stdout
