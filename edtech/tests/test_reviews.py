"""The reviews service on a PostgreSQL database of each test's own."""

from collections.abc import Iterator
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from apps import reviews


@pytest.fixture
def database(seedbed_environ) -> Iterator[psycopg.Connection]:
    """A connection to a database of this test's own, migrated and seeded."""
    seedbed_environ("reviews/postgres")
    with reviews.connect() as connection:
        yield connection


def test_a_course_is_rated_by_its_reviews(database: psycopg.Connection) -> None:
    best = reviews.best_course(database)
    assert reviews.rating(database, best) == Decimal("4.67")


@pytest.mark.parametrize("stars", [1, 2])
def test_a_bad_review_lowers_the_rating(database: psycopg.Connection, stars: int) -> None:
    best = reviews.best_course(database)
    reviews.publish(database, best, uuid4(), stars, "Not for me")
    database.commit()  # it is this test's own database, and goes with it
    assert reviews.rating(database, best) == round(Decimal(14 + stars) / 4, 2)


def test_nobody_reviews_a_course_twice(database: psycopg.Connection) -> None:
    course, author = uuid4(), uuid4()
    reviews.publish(database, course, author, 5, "Once")
    with pytest.raises(psycopg.errors.UniqueViolation):
        reviews.publish(database, course, author, 4, "Twice")
