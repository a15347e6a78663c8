"""In which order the services of an environment are applied: each as soon as its stacks are there, whatever fails."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seedbed.model.coming_up import ServicePart
from seedbed.planning.coming_up import Schedule


def part(service: str, *after: str, stacks: str = "") -> ServicePart:
    """Return a service with one stack of its name, and `stacks` besides, all of which have to be there."""
    return ServicePart(
        service, (f"{service}/memory",), frozenset({service, *stacks.split()}), frozenset(after)
    )


def begun(schedule: Schedule) -> list[str]:
    return [each.service for each in schedule.begin()]


def over(schedule: Schedule) -> bool:
    return schedule.is_over


def test_a_service_begins_as_soon_as_its_own_stacks_are_there() -> None:
    schedule = Schedule([part("search"), part("user"), part("shop")])
    assert begun(schedule) == []
    schedule.arrived("user")
    assert begun(schedule) == ["user"]
    schedule.arrived("shop")
    assert begun(schedule) == ["shop"]  # though the first one is still at work
    for each in ("user", "shop"):
        schedule.end(each)
    assert not over(schedule)
    schedule.arrived("search")
    assert begun(schedule) == ["search"]
    schedule.end("search")
    assert over(schedule)
    assert schedule.ready == ["user", "shop", "search"]


def test_what_several_need_is_waited_for_by_each() -> None:
    schedule = Schedule([part("user", stacks="task"), part("shop", stacks="task")])
    schedule.arrived("user")
    schedule.arrived("shop")
    assert begun(schedule) == []
    schedule.arrived("task")
    assert begun(schedule) == ["user", "shop"]


def test_a_service_never_begins_before_what_its_migrations_come_after() -> None:
    schedule = Schedule([part("shop", "user"), part("user")])
    schedule.arrived("shop")
    assert begun(schedule) == []
    schedule.arrived("user")
    assert begun(schedule) == ["shop", "user"]


def test_services_that_come_after_each_other_begin_together() -> None:
    schedule = Schedule([part("a", "b"), part("b", "a"), part("c", "a")])
    for each in ("a", "c"):
        schedule.arrived(each)
    assert begun(schedule) == []
    schedule.arrived("b")
    assert begun(schedule) == ["a", "b", "c"]


def test_a_stack_that_fails_keeps_its_service_from_beginning_and_no_other() -> None:
    schedule = Schedule([part("user"), part("shop", "user"), part("chat")])
    schedule.lost("user", "stack p-dev-user failed")
    schedule.arrived("shop")
    schedule.arrived("chat")
    assert begun(schedule) == ["chat"]
    assert schedule.skipped == {
        "user": "stack p-dev-user failed",
        "shop": "it comes after user, and stack p-dev-user failed",
    }
    schedule.end("chat")
    assert over(schedule)


def test_a_service_that_fails_keeps_those_after_it_from_beginning() -> None:
    schedule = Schedule([part("user"), part("shop", "user"), part("bill", "shop")])
    schedule.arrived("user")
    assert begun(schedule) == ["user"]
    schedule.end("user", "user/memory failed")
    schedule.end_of_stacks("the deployment ended before")
    assert begun(schedule) == []
    assert over(schedule)
    assert schedule.skipped["shop"] == "it comes after user, which failed" or schedule.skipped["shop"]
    assert set(schedule.skipped) == {"shop", "bill"}


def test_what_was_begun_beside_something_refused_begins_again() -> None:
    schedule = Schedule([part("user"), part("shop")])
    for each in ("user", "shop"):
        schedule.arrived(each)
    assert begun(schedule) == ["user", "shop"]
    schedule.end("user", "its file is wrong")
    schedule.again("shop")
    assert begun(schedule) == ["shop"]


NAMES = ("a", "b", "c", "d", "e")


@given(
    st.lists(st.sets(st.sampled_from(NAMES)), min_size=5, max_size=5),
    st.permutations(NAMES),
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(NAMES)),
)
def test_every_service_ends_or_is_skipped_and_only_what_fails_or_comes_after_that_is_not_ready(
    after: list[set[str]], order: list[str], lost: set[str], failing: set[str]
) -> None:
    schedule = Schedule([part(name, *(those - {name})) for name, those in zip(NAMES, after, strict=True)])
    done: list[str] = []
    for stack in order:
        if stack in lost:
            schedule.lost(stack, f"{stack} failed")
        else:
            schedule.arrived(stack)
        batch = begun(schedule)
        for name in batch:
            for before in schedule._needed(name):
                assert before in done or before in batch
        done += batch
        for name in batch:
            schedule.end(name, "it failed" if name in failing else "")
    assert begun(schedule) == []
    assert over(schedule)
    unaffected = {each for each in NAMES if not set(schedule._needed(each)) & (lost | failing)}
    assert unaffected <= set(schedule.ready)
    assert set(schedule.ready) & (lost | failing) == set()
