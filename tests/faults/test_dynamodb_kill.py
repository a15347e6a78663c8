"""The kills of `tests.soak.dynamodb_kill`, one each way of the harder case; and a runner that sleeps through its lease."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.model.migration import Direction
from tests.soak.dynamodb_kill import PAGED, SECONDS, fill, judge, overslept, there_and_back
from tests.support.dynamodb.tables import COURSES, Stage, stage


@pytest.fixture
def there(ministack_account: World) -> Iterator[Stage]:
    with stage(ministack_account, COURSES, lease_seconds=SECONDS) as made:
        yield made


@pytest.mark.slow
def test_items_are_transformed_once_and_brought_back_however_often_the_run_is_killed_and_others_write(
    there: Stage,
) -> None:
    # Where nothing tells an item of the new form from one of the old, the checkpoint alone keeps count.
    for way in there_and_back(there, PAGED, items=150, kills=1, rng=Random(1), pace=40.0):
        problems = [each for each in way.problems if "was through after" not in each]
        assert problems == [], f"{way.label}: {way.detail}"


@pytest.mark.slow
def test_a_runner_that_slept_through_its_lease_changes_nothing_and_says_that_it_lost_it(there: Stage) -> None:
    assert overslept(there, 200) == []


def test_the_journal_finds_an_item_that_was_transformed_twice_or_never_or_lost_a_write(there: Stage) -> None:
    journal = fill(there, 30)
    there.apply('# seedbed: table=courses\ndef up(item):\n    item["v"] = 2\n    return item\n')
    assert len(judge(there, journal, Direction.UP)) == 10
    assert len(judge(there, journal, Direction.DOWN)) == 10
