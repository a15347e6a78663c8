"""The reference engine: tables in the memory of a server process of their own. Importing this starts nothing.

It exists to test seedbed and to show what an engine is: it keeps every promise of `engines.base` in a few hundred
lines, over a server that outlives its clients, so that a client can be killed anywhere. Nothing installs it: a
manifest that declares `memory` is refused, but within `installed()`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedbed.engines import registry
from seedbed.testing.reference.engine import MemoryEngine

engine = MemoryEngine()

__all__ = ["MemoryEngine", "engine", "installed"]

_ENTRY_POINTS = f"[{registry.GROUP}]\nmemory = {__name__}:engine\n"


@contextmanager
def installed() -> Iterator[None]:
    """Let manifests declare the engine `memory`, as if a package brought it: here and in children."""
    with tempfile.TemporaryDirectory(prefix="seedbed-reference-") as folder:
        metadata = Path(folder) / "seedbed_reference-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: seedbed-reference\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
        before = os.environ.get("PYTHONPATH")
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, before)))
        registry.forget()
        try:
            yield
        finally:
            sys.path.remove(folder)
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
            registry.forget()
