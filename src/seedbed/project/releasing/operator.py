"""Who takes the steps of a release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from seedbed.execution.stopping import Stop
from seedbed.model.release import Identity
from seedbed.project.releasing.claim import BEAT
from seedbed.releases.store import ReleaseStore


class Operator(Struct, frozen=True):
    """Who takes steps, where they are written down, and whom lines about them are told to. `beat`: seconds.

    `files`: where snapshots lie that are files: not with the bundle, which goes when the step ends.
    """

    store: ReleaseStore
    who: Identity
    stop: Stop
    tell: Callable[[str], None]
    beat: float = BEAT
    files: Path | None = None
