"""The courses service on DynamoDB tables that hold the seeds again before each test."""

import pytest

from apps.courses import Catalogue


@pytest.fixture
def catalogue(seedbed_environ) -> Catalogue:
    """The catalogue as the seeds have it."""
    seedbed_environ("courses/dynamodb")
    return Catalogue("sandbox")


def test_a_course_is_found_by_its_slug(catalogue: Catalogue) -> None:
    course = catalogue.by_slug("algebra")
    assert course is not None
    assert course["title"] == {"M": {"en": {"S": "Algebra"}}}


@pytest.mark.parametrize("language", ["de", "fr"])
def test_a_course_gets_a_title_in_another_language(catalogue: Catalogue, language: str) -> None:
    course = catalogue.by_slug("algebra")
    assert course is not None
    assert set(course["title"]["M"]) == {"en"}  # what the test before this one did is gone
    catalogue.rename(course["course_id"]["S"], language, "Algèbre")
    renamed = catalogue.by_slug("algebra")
    assert renamed is not None
    assert set(renamed["title"]["M"]) == {"en", language}


def test_a_course_that_was_removed_is_not_found(catalogue: Catalogue) -> None:
    course = catalogue.by_slug("storytelling")
    assert course is not None
    catalogue.remove(course["course_id"]["S"])
    assert catalogue.by_slug("storytelling") is None
