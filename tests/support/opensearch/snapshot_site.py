"""`ai/opensearch` in staging on a cluster with a repository, with twenty notes; a migration that removes their index."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.opensearch.address import address
from seedbed.engines.opensearch.options import Options
from seedbed.engines.opensearch.wire.client import Client
from seedbed.execution.stopping import Stop
from seedbed.project import snapshots
from tests.support.servers import Settings
from tests.support.snapshot_site import SnapshotSite

RUNBOOK = Path(__file__).parents[3] / "docs" / "how-to" / "restore-a-snapshot.md"
NOTES = """
# migrate:up
PUT /notes-1

{"aliases": {"notes": {}}, "mappings": {"properties": {"text": {"type": "text"}, "by": {"type": "keyword"}}}}

###
PUT /lessons

{"mappings": {"properties": {"title": {"type": "text"}}}}

# migrate:down
DELETE /notes-1

###
DELETE /lessons
"""
DROP = """
# seedbed: phase=contract
# seedbed: irreversible because "notes are gone"

# migrate:up
DELETE /notes-1
"""
EXPECTED = """
[[expectations]]
name = "every note has a text"
database = "ai/opensearch"
query = "POST /notes/_search\\n\\n{\\"query\\": {\\"bool\\": {\\"must_not\\": {\\"exists\\": {\\"field\\": \\"text\\"}}}}}"
"""
DOCUMENTS = {f"n{number}": {"text": f"note {number}", "by": "ana"} for number in range(20)}


class Site(SnapshotSite):
    """`ai/opensearch` in staging on a cluster of its own, with a repository and twenty notes."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root, self.stop = root, Stop()
        self.client = Client(address(settings, Options()))
        self.migrations = root / "services" / "ai" / "opensearch" / "migrations"
        self.migrations.mkdir(parents=True)
        self.platform = (
            f"shop{uuid.uuid4().hex[:8]}"  # a server that was lent before has snapshots of other tests
        )
        (root / "seedbed.toml").write_text(
            f'[platform]\nname = "{self.platform}"\n[services.ai.opensearch]\n[environments.staging]\n{EXPECTED}'
        )
        self.environ = {"OPENSEARCH_ENDPOINT": settings["endpoint"], "OPENSEARCH_AUTH": "none"}
        self.migration("20260101000001_notes", NOTES)
        self.apply()
        for id_, document in DOCUMENTS.items():
            self.client.call("PUT", f"/notes-1/_doc/{id_}", document, params={"refresh": True})

    def register(self) -> None:
        """Tell the cluster where snapshots go, as its operator does once."""
        body = {"type": "fs", "settings": {"location": "seedbed"}}
        self.client.call("PUT", "/_snapshot/seedbed", body)

    def forget(self) -> None:
        self.client.ask("DELETE", "/_snapshot/seedbed")

    def migration(self, name: str, text: str) -> None:
        (self.migrations / f"{name}.http").write_text(text)

    def documents(self, index: str) -> dict[str, Any]:
        self.client.call("POST", f"/{index}/_refresh")
        found = self.client.call("POST", f"/{index}/_search", {"size": 1000})
        return {each["_id"]: each["_source"] for each in found["hits"]["hits"]}

    def names(self) -> list[str]:
        found = self.client.call("GET", "/_all", params={"expand_wildcards": "all"})
        return sorted(each for each in found if not each.startswith("."))


@contextmanager
def opened(root: Path, settings: Settings, patch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield a site with a repository, whose snapshots are asked for without long pauses; what it leaves is deleted."""
    if settings.get("prefix"):
        pytest.skip("a part of a domain that others share has no snapshots of its own")
    patch.setattr(snapshots, "LONGEST_PAUSE", 0.2)
    made = Site(root, settings)
    made.register()
    with closing(made.client):
        try:
            yield made
        finally:
            made.client.ask("DELETE", f"/_snapshot/seedbed/seedbed-{made.platform}-staging-ai-r12")
            made.forget()
