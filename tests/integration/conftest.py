"""What tests of several files deploy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.deployment.releases import synthesise


@pytest.fixture(scope="session")
def assemblies(shared_path: Path) -> Path:
    """All releases, synthesised for the environments that tests deploy to, once for all workers."""
    made = shared_path / "releases"
    synthesise(
        [
            *(("one", each) for each in ("dev-ana", "staging", "prod")),
            *(("two", each) for each in ("dev-ana", "staging")),
            ("other_key", "dev-ana"),
        ],
        made,
    )
    return made
