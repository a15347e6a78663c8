"""Which servers of PostgreSQL can be shared."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.sharing.catalog import require_version
from seedbed.errors import Refused


def test_before_version_15_only_a_superuser_can_share_a_server() -> None:
    require_version(150000, is_superuser=False)
    require_version(140023, is_superuser=True)
    with pytest.raises(Refused, match="PostgreSQL 14 cannot be shared"):
        require_version(140023, is_superuser=False)
