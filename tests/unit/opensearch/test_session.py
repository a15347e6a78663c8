"""What answers at the endpoint of a cluster, and is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.engines.opensearch.address import Address, address
from seedbed.engines.opensearch.options import Options
from seedbed.engines.opensearch.session import connect
from seedbed.errors import Refused, Unreachable
from seedbed.model.environment import Environment
from seedbed.model.platform import Database
from seedbed.model.target import Target
from tests.support.wire.server import always, answer, serving


@pytest.mark.parametrize(
    "said",
    [
        b"<html>please log in</html>",
        b"",
        b"[]",
        b'{"version": 3}',
        b'{"version": {"number": "\xff"}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_opensearch_is_said_before_anything_is_asked_of_it(said: bytes) -> None:
    with serving(always(answer(said))) as server:
        place = Database("lessons", "opensearch", Path())
        environment = Environment("dev-ana", ephemeral=True)
        target = Target(place, environment, "sample", Address(endpoint=server.url(), auth="none"))
        with pytest.raises(Unreachable, match="is not OpenSearch"), connect(target):
            pass


@pytest.mark.parametrize("prefix", ["", "dev-ben.ai.", "dev-ana.search."])
def test_an_environment_in_a_base_is_refused_without_its_own_prefix(prefix: str) -> None:
    where = address({"endpoint": "http://127.0.0.1:9", "prefix": prefix}, Options())
    environment = Environment("dev-ana", ephemeral=True, base="shared-dev")
    target = Target(Database("ai", "opensearch", Path()), environment, "edtech", where)
    with pytest.raises(Refused, match="lies on the domain of shared-dev"), connect(target):
        pass


def test_a_domain_of_its_own_needs_no_prefix() -> None:
    where = address({"endpoint": "http://127.0.0.1:9"}, Options())
    environment = Environment("dev-ana", ephemeral=True, base="shared-dev", own=("opensearch",))
    target = Target(Database("ai", "opensearch", Path()), environment, "edtech", where)
    with pytest.raises(Unreachable), connect(target):
        pass
