"""The order of a run, so that no worker is the only one that still has something to do.

pytest-xdist (worksteal) deals the tests out in even shares, one after the other, and lets whoever is through with his
own take the last half of what another one still has. So each worker begins with something else: the second with the
tests that share the one Neo4j, where two workers would wait for each other; the third with those of the one OpenSearch;
the first with what else is `slow(seconds)`. Each has the longest first. But what needs both servers comes behind all
else that needs Neo4j: before it, the third would wait for its OpenSearch, which has fewer tests and is free by then.
The last of them also has all that synthesises in its own process: to start the CDK there costs as much as a hundred of
these tests; and all that looks at every module, to parse which takes seconds. What is quick is dealt out behind, and
taken by whoever has time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from tests.plugins.slow_marks import LIMIT

SHARED = ("neo4j_servers", "opensearch_servers")  # fixtures: one server for all workers
# Fixtures of what each worker would have for itself: a CDK that has started, the modules as trees.
OWN = ("with_node", "trees")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = arranged(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def arranged(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return `items` in shares for so many workers; what no worker begins with keeps its order."""
    heads: list[list[pytest.Item]] = [[] for _ in range(1 + len(SHARED))]
    rest: list[pytest.Item] = []
    for each in items:
        place = _place(each, workers)
        (rest if place is None else heads[place]).append(each)
    for head in heads:
        head.sort(key=lambda each: (_has_all(each), -_seconds(each)))
    dealt: list[pytest.Item] = []
    for number, head in enumerate(heads[:workers]):
        dealt += head
        quick = max((number + 1) * len(items) // workers - len(dealt), 0)
        dealt += rest[:quick]
        del rest[:quick]
    return dealt + rest


def _place(item: pytest.Item, workers: int) -> int | None:
    """Return the number of the worker that begins with a test, None for a test that anybody has."""
    used = getattr(item, "fixturenames", ())
    for number, name in enumerate(SHARED[: workers - 1], 1):
        if name in used:
            return number
    if workers > 1 and any(each in used for each in OWN):
        return min(workers - 1, len(SHARED))
    return 0 if _seconds(item) else None


def _has_all(item: pytest.Item) -> bool:
    return set(SHARED) <= set(getattr(item, "fixturenames", ()))


def _seconds(item: pytest.Item) -> float:
    """Return how long a test takes as far as its mark says so, 0 without one."""
    mark = item.get_closest_marker("slow")
    if mark is None:
        return 0.0
    return float(mark.args[0]) if mark.args else LIMIT
