"""What a role may ask of a domain that environments share, as far as the path of a request tells."""

from __future__ import annotations

from fnmatch import fnmatchcase

from seedbed.engines.opensearch.prefix.paths import common_paths, own_paths
from seedbed.engines.opensearch.prefix.routes import ROUTES, is_name

PREFIX, NEIGHBOURS = "dev-a.search.", ("dev-a-b.search.", "dev.search.", "dev-a.search-api.")
PATTERNS = [*own_paths(PREFIX), *common_paths()]


def test_a_policy_allows_all_requests_that_leave_and_none_that_names_what_is_a_neighbours() -> None:
    for route in ROUTES:
        assert is_allowed(route.path, PREFIX), route.path
        if any(is_name(each) for each in route.path):
            assert not any(is_allowed(route.path, each) for each in NEIGHBOURS), route.path


def is_allowed(parts: tuple[str, ...], prefix: str) -> bool:
    filled = [f"{prefix}x" if is_name(each) else each.strip("{*}") for each in parts]
    return any(fnmatchcase("/".join(filled), each) for each in PATTERNS)


def test_a_policy_allows_nothing_about_the_whole_domain_that_is_not_sent() -> None:
    for path in ("_all", "*", "_cluster/settings", "_cat/indices", "_snapshot/nightly", "_plugins/_security"):
        assert not any(fnmatchcase(path, each) for each in PATTERNS), path
