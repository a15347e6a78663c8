"""PartiQL of expectations: the table's name in this environment, and nothing but a SELECT."""

from __future__ import annotations

import pytest

from seedbed.engines.dynamodb.files.partiql import select
from seedbed.errors import StepFailed, UsageError


@pytest.mark.parametrize(
    ("query", "sent", "reads_index"),
    [
        ("SELECT id FROM courses", 'SELECT id FROM "shop-courses-dev"', False),
        ('select * from "courses" where a = 1;', 'select * from "shop-courses-dev" where a = 1', False),
        ("SELECT id FROM courses.by_slug", 'SELECT id FROM "shop-courses-dev"."by_slug"', True),
        ('SELECT id FROM "courses"."by_slug"', 'SELECT id FROM "shop-courses-dev"."by_slug"', True),
        (
            """SELECT id FROM courses WHERE said = 'it''s FROM here' AND "from" = 1""",
            """SELECT id FROM "shop-courses-dev" WHERE said = 'it''s FROM here' AND "from" = 1""",
            False,
        ),
        ("\n  SELECT id\n  FROM courses\n", 'SELECT id\n  FROM "shop-courses-dev"', False),
    ],
)
def test_a_table_has_its_name_of_this_environment(query: str, sent: str, reads_index: bool) -> None:
    found = select(query, lambda table: f"shop-{table}-dev")
    assert (found.text, found.table, found.reads_index) == (sent, "courses", reads_index)


@pytest.mark.parametrize("query", ["INSERT INTO a VALUE {'id': 1}", "update a set b = 1", " DELETE FROM a"])
def test_what_writes_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match="would write"):
        select(query, str)


@pytest.mark.parametrize(
    "query", ["SELECT count(*) FROM courses", "SELECT Sum (price) FROM courses WHERE id = 'a'"]
)
def test_an_aggregate_is_refused(query: str) -> None:
    with pytest.raises(StepFailed, match=r"the query calls (COUNT|SUM)") as caught:
        select(query, str)
    assert "are counted" in caught.value.try_


def test_a_word_that_is_no_call_is_no_aggregate() -> None:
    assert select("SELECT count, max FROM courses WHERE size(title) > 3", str).table == "courses"


@pytest.mark.parametrize(
    "query", ["", "EXISTS(SELECT 1)", "SELECT 1", "SELECT * FROM", "SELECT * FROM a, (SELECT * FROM b)"]
)
def test_what_is_no_select_from_one_table_is_refused(query: str) -> None:
    with pytest.raises(StepFailed, match="is not a SELECT from one table"):
        select(query, str)
