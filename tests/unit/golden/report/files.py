"""Golden files: what a report looks like, kept beside the tests. UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent
UPDATE = os.environ.get("UPDATE_GOLDEN", "") not in {"", "0"}


def same_as(name: str, text: str) -> bool:
    """Return whether `text` is what the golden file `name` holds; where asked to, make it so."""
    path = HERE / name
    if UPDATE:
        path.write_bytes(text.encode())
    assert path.exists(), f"there is no {path}; UPDATE_GOLDEN=1 writes it"
    assert text == path.read_bytes().decode()
    return True
