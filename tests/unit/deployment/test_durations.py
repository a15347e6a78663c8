"""The order in which stacks are begun: none before what it needs, and what takes longest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seedbed.deployment.assembly import Stack
from seedbed.deployment.durations import longest_first, minutes


def stack(name: str, *depends: str) -> Stack:
    return Stack(name, name, "", depends=depends)


def test_what_keeps_the_end_away_for_longest_is_begun_first() -> None:
    stacks = [
        stack("tables"),
        stack("network"),
        stack("cluster", "network"),
        stack("domain", "network"),
        stack("task", "cluster", "domain", "control"),
        stack("control"),
    ]
    takes = {"domain": 20.0, "cluster": 10.0}
    stacks = sorted(stacks, key=lambda each: each.id == "task")  # an assembly has each after what it needs
    found = [each.id for each in longest_first(stacks, lambda each: takes.get(each.id, 1.0))]
    assert found == ["network", "domain", "cluster", "control", "tables", "task"]


def test_a_stack_takes_as_long_as_the_slowest_of_its_resources() -> None:
    domain = {"Type": "AWS::OpenSearchService::Domain"}
    assert minutes({"Resources": {"A": {"Type": "AWS::SSM::Parameter"}, "B": domain}}) == 20.0
    assert minutes({"Resources": {"A": {"Type": "AWS::DynamoDB::Table"}}}) == minutes({}) == 1.0


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 7)), st.sampled_from([1.0, 3.0, 10.0, 20.0])), max_size=8),
)
def test_each_stack_is_begun_after_all_that_it_needs(drawn: list[tuple[set[int], float]]) -> None:
    names = [str(number) for number in range(len(drawn))]
    stacks = [
        stack(name, *(str(each) for each in needs if each < number))
        for number, (name, (needs, _)) in enumerate(zip(names, drawn, strict=True))
    ]
    found = longest_first(stacks, lambda each: drawn[int(each.id)][1])
    order = [each.id for each in found]
    assert sorted(order) == names
    for each in found:
        assert all(order.index(other) < order.index(each.id) for other in each.depends)
