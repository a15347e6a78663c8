"""The plugin that deals a run's tests out: what each worker begins with."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.plugins.order import arranged


class Item(NamedTuple):
    """As much of a test as its place depends on."""

    name: str
    mark: pytest.Mark | None = None
    fixturenames: tuple[str, ...] = ()

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        assert name == "slow"
        return self.mark


SLOW, SLOWEST = pytest.mark.slow.mark, pytest.mark.slow(40).mark
GRAPH, SEARCH, NODE = ("neo4j_servers",), ("tmp_path", "opensearch_servers"), ("with_node",)
BOTH = (*GRAPH, *SEARCH)
BOTH_LAST = "both 1, both 2"
TREES = ("trees",)
ITEMS: list[Any] = [
    Item("a"),
    Item("graph 1", None, GRAPH),
    Item("slow", SLOW, GRAPH),
    Item("b"),
    Item("search", None, SEARCH),
    Item("both 1", SLOWEST, BOTH),
    Item("both 2", SLOW, BOTH),
    Item("slowest", SLOWEST),
    Item("graph 2", None, GRAPH),
    Item("c"),
    Item("cdk 1", None, NODE),
    Item("d"),
    Item("tree", None, TREES),
]


@pytest.mark.parametrize(
    ("workers", "shares"),
    [
        (4, ["slowest, a, b", f"slow, graph 1, graph 2, {BOTH_LAST}", "search, cdk 1, tree", "c, d"]),
        (3, ["slowest, a, b, c", f"slow, graph 1, graph 2, {BOTH_LAST}", "search, cdk 1, tree, d"]),
        (2, ["slowest, a, b, search, c, d", f"slow, graph 1, graph 2, cdk 1, tree, {BOTH_LAST}"]),
        (1, [f"slowest, slow, {BOTH_LAST}, a, graph 1, b, search, graph 2, c, cdk 1, d, tree"]),
    ],
)
def test_each_worker_begins_with_something_else_and_the_rest_keeps_its_order(
    workers: int, shares: list[str]
) -> None:
    assert ", ".join(each.name for each in arranged(ITEMS, workers)) == ", ".join(shares)


def test_of_more_that_is_slow_than_a_share_nothing_is_lost() -> None:
    items: list[Any] = [Item("a"), Item("b", SLOW), Item("c", SLOW), Item("d", SLOWEST)]
    assert [each.name for each in arranged(items, 3)] == ["d", "b", "c", "a"]
