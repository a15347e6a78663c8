"""The pages about migrations of items: their examples are migrations, and do what the pages say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.files.directives import DIRECTIVES
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import Key
from seedbed.model.headers import COMMON
from seedbed.model.migration import Direction
from tests.support.dynamodb.tables import COURSES, LESSONS, Stage, migration, stage

DOCS = Path(__file__).parents[3] / "docs"
HOW_TO = (DOCS / "how-to" / "migrate-dynamodb-items.md").read_text(encoding="utf-8")
REFERENCE = (DOCS / "reference" / "dynamodb-migrations.md").read_text(encoding="utf-8")
EXAMPLES = dict(
    re.findall(r'^```python title=".*?/\d+_(\w+)\.py"\n(.*?)^```', HOW_TO, re.MULTILINE | re.DOTALL)
)
SHAPE = replace(
    COURSES, key=Key(("course_id",)), key_types={"course_id": "S"}, version_attribute="schema_version"
)


@pytest.fixture
def there(dynamodb_local_account: World) -> Iterator[Stage]:
    with stage(dynamodb_local_account, SHAPE, LESSONS) as made:
        yield made


def test_titles_become_maps_and_texts_again(there: Stage) -> None:
    there.put(
        "courses",
        {"course_id": "a", "title": "Algebra"},
        {"course_id": "b", "title": "Brot", "language": "de"},
        {"course_id": "c", "title": {"en": "Chess"}, "schema_version": 2},
    )
    there.apply(EXAMPLES["localise_titles"])
    assert [each["title"] for each in there.items("courses")] == [
        {"en": "Algebra"},
        {"de": "Brot"},
        {"en": "Chess"},
    ]
    there.apply(EXAMPLES["localise_titles"], Direction.DOWN)
    assert [each["title"] for each in there.items("courses")] == ["Algebra", "Brot", "Chess"]


def test_slugs_are_filled_where_there_are_none(there: Stage) -> None:
    there.put("courses", {"course_id": "A"}, {"course_id": "B", "slug": "mine"})
    there.apply(EXAMPLES["fill_slugs"])
    assert [each["slug"] for each in there.items("courses")] == ["a", "mine"]


def test_positions_count_from_one(there: Stage) -> None:
    there.put("lessons", *({"course": "a", "number": number, "position": number} for number in range(5)))
    there.apply(EXAMPLES["count_from_one"])
    assert [each["position"] for each in there.items("lessons")] == [1, 2, 3, 4, 5]


def test_reviews_become_items_and_drafts_go(there: Stage) -> None:
    there.put(
        "courses",
        {"course_id": "a", "reviews": [{"stars": 5}, {"stars": 4}], "schema_version": 2},
        {"course_id": "b", "draft_of": "a", "schema_version": 2},
    )
    there.apply(EXAMPLES["split_reviews"])
    assert there.items("courses") == [
        {"course_id": "a", "schema_version": 3},
        {"course_id": "a/review/0", "stars": 5, "schema_version": 3},
        {"course_id": "a/review/1", "stars": 4, "schema_version": 3},
    ]


def test_a_default_course_comes_and_goes(there: Stage) -> None:
    there.apply(EXAMPLES["add_default"])
    assert [each["course_id"] for each in there.items("courses")] == ["welcome"]
    there.apply(EXAMPLES["add_default"], Direction.DOWN)
    assert there.items("courses") == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_migration(name: str) -> None:
    migration(EXAMPLES[name])


def test_the_reference_names_every_setting_and_no_other() -> None:
    table = REFERENCE.partition("## Directives")[2].partition("## Transformations")[0]
    named = {
        key
        for row in re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
        for key in re.findall(r"[`\s](\w+)=|`(\w+) because", row)
    }
    assert {one or other for one, other in named} == DIRECTIVES | COMMON
