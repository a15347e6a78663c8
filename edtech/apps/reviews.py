"""The reviews service: reviews of a course, and the stars that add up from them."""

import os
from decimal import Decimal
from uuid import UUID

import psycopg


def connect() -> psycopg.Connection:
    """Connect to the database that the service's variables name."""
    return psycopg.connect(
        host=os.environ["DB_HOST"],
        port=os.environ["DB_PORT"],
        user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
        dbname=os.environ["DB_NAME"],
        options="-c search_path=public",
    )


def rating(connection: psycopg.Connection, course: UUID) -> Decimal | None:
    """Return the average of the published reviews of a course; None while it has none."""
    row = connection.execute("SELECT average FROM rating_totals WHERE course_id = %s", [course]).fetchone()
    return row[0] if row else None


def publish(connection: psycopg.Connection, course: UUID, author: UUID, stars: int, title: str) -> None:
    """Publish a review. Raises UniqueViolation for a second one by the same author."""
    connection.execute(
        "INSERT INTO reviews (course_id, author_id, rating, title, language) VALUES (%s, %s, %s, %s, 'en')",
        [course, author, stars, title],
    )


def best_course(connection: psycopg.Connection) -> UUID:
    """Return the course with the best average."""
    row = connection.execute(
        "SELECT course_id FROM rating_totals ORDER BY average DESC NULLS LAST"
    ).fetchone()
    if row is None:
        raise LookupError("no course has a review")
    return row[0]
