"""Which stacks of an app a deployment is about: the environment's, and nothing else that the app makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from seedbed.deployment.assembly import Assembly, Stack
from seedbed.deployment.managed import unmanaged_stack
from seedbed.deployment.prepare import chosen_stacks
from seedbed.errors import UsageError
from seedbed.model.migration import Phase
from seedbed.model.names import stack_tags

TAGS = stack_tags("shop", "prod")
NETWORK = Stack("net", "shop-prod-network", "", tags=TAGS)
DATABASE = Stack("db", "shop-prod-user-postgres", "", depends=("net", "vpc"), tags=TAGS)
# What the app makes besides: a network that ours lie in, and a service that ours are for.
VPC = Stack("vpc", "company-network", "", tags={"platform": "shop", "environment": "prod"})
SERVICE = Stack("web", "user-service", "", depends=("db",))


def _app(*stacks: Stack, stages: tuple[str, ...] = ()) -> Assembly:
    return Assembly(Path(), stacks, stages)


@pytest.mark.parametrize("everything", [True, False])
def test_what_an_app_makes_besides_is_left_alone_whoever_depends_on_it(everything: bool) -> None:
    app = _app(VPC, NETWORK, DATABASE, SERVICE)
    found = chosen_stacks(app, [], [DATABASE.name], TAGS, everything=everything)
    assert found == [NETWORK, DATABASE]


@pytest.mark.parametrize(
    ("tags", "names", "expected"),
    [
        ({}, [DATABASE.name], ["shop-prod-user-postgres"]),  # the name of a database's stack is enough
        ({"platform": "shop", "environment": "prod"}, [], []),
        ({**TAGS, "environment": "staging"}, [], []),
    ],
)
def test_a_stack_is_ours_by_all_of_its_tags_or_by_the_name_of_a_database_s_stack(
    tags: Mapping[str, str], names: list[str], expected: list[str]
) -> None:
    mine = Stack("db", DATABASE.name, "", tags=tags)
    found = chosen_stacks(_app(NETWORK, mine), [], names, TAGS, everything=True)
    assert [each.name for each in found] == [NETWORK.name, *expected]


def test_an_app_without_any_stack_of_ours_says_what_it_has_and_what_would_be_ours() -> None:
    with pytest.raises(UsageError, match="has no stack of shop in prod") as caught:
        chosen_stacks(_app(SERVICE), [], [], TAGS, everything=True)
    assert caught.value.because == "it has user-service"
    assert "platform=shop, environment=prod, managed-by=seedbed" in str(caught.value.try_)
    assert chosen_stacks(_app(), [], [], TAGS, everything=True) == []


def test_stacks_in_a_stage_are_not_looked_at_and_that_is_said() -> None:
    app = _app(stages=("assembly-Prod",))
    managed = unmanaged_stack("shop-prod-courses-dynamodb", Phase.CONTRACT)
    for stacks in ([managed], []):
        with pytest.raises(UsageError) as caught:
            chosen_stacks(app, stacks, [], TAGS, everything=True)
        assert "what is in a stage (assembly-Prod) is not looked at" in str(caught.value.because)
