"""Estimates: what a transformation will take, tried in memory on a sample of the real items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.running import prices
from seedbed.engines.dynamodb.running.estimate import estimate
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.model.deployment import Estimate
from tests.support.aws_proxy import mutating, proxy
from tests.support.dynamodb.tables import COURSES, Stage, indexed, migration, spied, stage

SHAPE = indexed(COURSES, "teacher", "subject")
TEACHER = 'def up(item):\n    item["teacher"] = item["teacher"].lower()\n    return item\n'


@pytest.fixture
def there(world: World) -> Iterator[Stage]:
    with stage(world, SHAPE, write_units=100.0) as made:
        yield made


def fill(there: Stage, count: int, **more: Any) -> None:
    there.fill(
        "courses", [{"id": f"c-{n}", "teacher": f"T{n}", "subject": "s", **more} for n in range(count)]
    )


def told(there: Stage, directives: str, code: str = TEACHER, sample: int = 100) -> Estimate:
    (found,) = estimate(
        there.database, [migration(f"# seedbed: table=courses {directives}\n{code}")], sample=sample
    )
    return found


def test_a_sample_says_what_becomes_of_items_and_which_indexes_are_touched(there: Stage) -> None:
    fill(there, 40)
    found = told(there, "from=1 to=2")
    assert {
        key: found.quantities[key] for key in ("sampled", "changed", "unchanged", "deleted", "new", "failing")
    } == {
        "sampled": 40,
        "changed": 40,
        "unchanged": 0,
        "deleted": 0,
        "new": 0,
        "failing": 0,
    }
    lines = "\n".join(found.lines)
    # The entry of by_teacher moves (2), that of by_subject, which holds everything, changes (1), and the item (1).
    assert found.quantities["write_units"] == 4 * found.quantities["items"]
    assert "touches by_teacher, by_subject" in lines
    assert "six hours" in lines


def test_nothing_is_written(there: Stage) -> None:
    fill(there, 5)
    before = there.items("courses")
    operations: list[str] = []
    spied(there.client, lambda operation, body: operations.append(operation))
    told(there, "from=1 to=2")
    assert set(operations) <= {"DescribeTable", "DescribeTimeToLive", "Scan"}
    assert there.items("courses") == before


def test_a_proxy_sees_no_mutating_call(dynamodb_local_account: World) -> None:
    world = dynamodb_local_account
    with proxy(world.endpoint) as aws, stage(replace(world, endpoint=aws.endpoint), SHAPE) as there:
        fill(there, 5)
        before = len(aws.calls)
        told(there, "")
        assert not [each.operation for each in aws.calls[before:] if mutating(each)]


def test_pages_are_transactions_and_count_double_in_one_pass(there: Stage) -> None:
    fill(there, 10)
    once, twice = told(there, "from=1 to=2"), told(there, "")
    items = once.quantities["items"]
    assert (once.quantities["write_units"], twice.quantities["write_units"]) == (4 * items, 8 * items)
    assert once.quantities["read_units"] == 2 * twice.quantities["read_units"]
    assert any("count double" in line for line in twice.lines)


def test_time_is_what_the_smaller_budget_allows(there: Stage) -> None:
    fill(there, 10)
    assert told(there, "from=1 to=2").quantities["seconds"] == pytest.approx(0.4)
    assert told(there, "from=1 to=2 write_units=10").quantities["seconds"] == pytest.approx(4.0)
    assert told(there, "from=1 to=2 write_units=1000").quantities["seconds"] == pytest.approx(0.4)


def test_an_item_that_fails_is_named_with_its_error_before_anything_starts(there: Stage) -> None:
    fill(there, 5)
    there.put("courses", {"id": "odd", "subject": "s"})
    found = told(there, "from=1 to=2")
    assert found.quantities["failing"] == 1
    assert any(
        "id=odd" in line and "KeyError: 'teacher'" in line and "1_m.py:3" in line for line in found.lines
    )


def test_deletions_and_new_items_are_counted(there: Stage) -> None:
    fill(there, 4)
    code = (
        "def up(item):\n"
        "    if item['id'] == 'c-0':\n        return None\n"
        "    return [item, {'id': item['id'] + '/x'}]\n"
    )
    found = told(there, "from=1 to=2", code)
    assert [found.quantities[key] for key in ("changed", "deleted", "new")] == [3, 1, 3]


def test_items_of_another_version_count_as_done(there: Stage) -> None:
    fill(there, 4, v=2)
    found = told(there, "from=1 to=2")
    assert found.quantities["write_units"] == 0
    assert any("4 have another version" in line for line in found.lines)


def test_without_a_sample_the_most_that_it_can_be_is_told(there: Stage) -> None:
    fill(there, 10)
    found = told(there, "from=1 to=2", sample=0)
    assert "sampled" not in found.quantities
    assert found.quantities["write_units"] == 3 * found.quantities["items"]
    assert any("at most" in line for line in found.lines)


def test_a_sample_smaller_than_the_table_comes_from_all_over_it(there: Stage) -> None:
    fill(there, 200)
    segments: set[int] = set()

    def spy(operation: str, body: Mapping[str, Any]) -> None:
        if operation == "Scan":
            segments.add(body["Segment"])

    spied(there.client, spy)
    found = told(there, "from=1 to=2", sample=40)
    assert 0 < found.quantities["sampled"] <= 40
    assert len(segments) > 1


def test_a_free_form_has_no_estimate(there: Stage) -> None:
    assert (
        list(
            estimate(there.database, [migration("# seedbed: table=courses\ndef up(table): ...\n")], sample=5)
        )
        == []
    )


def test_a_table_that_is_not_there_yet_is_said_to_be(there: Stage) -> None:
    text = "# seedbed: table=lessons\ndef up(item): return item\n"
    (found,) = estimate(there.database, [migration(text)], sample=5)
    assert found.quantities == {}
    assert "not deployed yet" in found.lines[0]


def test_money_is_told_with_its_source_and_its_date(there: Stage) -> None:
    fill(there, 10)
    found = told(there, "from=1 to=2")
    known = prices.price(there.database.cloud.region)
    assert known is not None
    reads, writes = found.quantities["read_units"], found.quantities["write_units"]
    assert found.quantities["dollars"] == known.dollars(reads, writes)
    assert any(prices.DATE in line for line in found.lines)


def test_a_million_writes_cost_what_the_list_says_and_unknown_regions_cost_nothing_that_we_know() -> None:
    known = prices.price("us-east-1")
    assert known is not None
    assert known.dollars(reads=1e6, writes=2e6) == pytest.approx(0.125 + 1.25)
    assert prices.price("mars-north-1") is None
