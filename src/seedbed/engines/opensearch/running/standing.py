"""How far a migration is that is at work or was left, as text for people."""

from __future__ import annotations

import json

from seedbed.engines.opensearch.running.reindex.checkpoint import from_text


def checkpoint_text(checkpoint: str) -> str:
    """Return what `checkpoint`, of a reindex or of a request, says."""
    if reindex := from_text(checkpoint):
        return str(reindex)
    found = json.loads(checkpoint)
    if "failed" in found:
        return f"a request failed in part: {found['failed']}"
    if task := found.get("task"):
        return f"task {task} is on the server"
    return "a request was sent, and no answer to it is recorded"
