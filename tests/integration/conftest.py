"""What tests of several files deploy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.deployment.application import STACK
from tests.support.deployment.in_base import BASE, write_in_base
from tests.support.deployment.releases import Synthesis, release, synthesise
from tests.support.deployment.sandbox_shop import write_sandbox_shop
from tests.support.deployment.stage import BY_TASK, one_database

WITH_IMAGES = {
    "image": f"444444444444.dkr.ecr.eu-central-1.amazonaws.com/seedbed@sha256:{'1' * 64}",
    "graph-image": f"444444444444.dkr.ecr.eu-central-1.amazonaws.com/neo4j@sha256:{'2' * 64}",
}
EDTECH = Path(__file__).parents[2] / "edtech"


@pytest.fixture(scope="session")
def assemblies(shared_path: Path) -> Path:
    """All that tests deploy without running an app: synthesised once for all workers, in directories by name."""
    made = shared_path / "assemblies"
    flags = json.loads((EDTECH / "cdk" / "cdk.json").read_text())["context"]
    synthesise(
        [
            *(release("one", each) for each in ("dev-ana", "staging", "prod")),
            *(release(name, each) for name in ("half", "two") for each in ("dev-ana", "staging")),
            release("other_key", "dev-ana"),
            Synthesis("sandbox-shop", "sandbox", write_sandbox_shop),
            Synthesis("edtech-dev-ana", "dev-ana", root=EDTECH, context=flags),
            Synthesis("whole-dev-ana", "dev-ana", root=EDTECH, context={**flags, **WITH_IMAGES}),
            Synthesis(
                "whole-prod",
                "prod",
                root=EDTECH,
                context={**flags, **WITH_IMAGES, "graph-on-nfs": "accepted"},
            ),
            Synthesis("by_task-dev-ana", "dev-ana", one_database("postgres", more=BY_TASK), more=STACK),
            Synthesis("search_by_task-dev-ana", "dev-ana", one_database("opensearch", more=BY_TASK)),
            *(
                Synthesis(f"base-{each}", each, write_in_base, context=flags)
                for each in (BASE, "dev-ana", "dev-ben")
            ),
            *(
                Synthesis(f"{each}-dev-ana", "dev-ana", one_database(each))
                for each in ("postgres", "opensearch")
            ),
        ],
        made,
    )
    return made
