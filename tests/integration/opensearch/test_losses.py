"""What a revert says that it removes, whichever request removes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from seedbed.model.migration import Direction, Work
from tests.support.opensearch.stage import Stage, stage
from tests.support.opensearch.works import migration

DELETES = '{"script": {"source": "ctx.op = \\"delete\\""}}'


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        yield made


@pytest.mark.parametrize(
    ("down", "says"),
    [
        ("DELETE /some-1", ["index some-1: 2 documents"]),
        (
            'POST /_aliases\n\n{"actions": [{"remove_index": {"indices": ["some-1", "none-1"]}}]}',
            ["index some-1: 2 documents"],
        ),
        ("POST /some-1/_delete_by_query?conflicts=proceed\n\n{}", ["index some-1: 2 documents"]),
        (
            f"POST /some-1/_update_by_query?conflicts=proceed\n\n{DELETES}",
            ["index some-1: at most 2 documents"],
        ),
        ("POST /some-1/_refresh", []),
    ],
)
def test_a_revert_says_how_many_documents_it_removes(here: Stage, down: str, says: list[str]) -> None:
    here.index("some-1", a="keyword")
    for id_ in ("x", "y"):
        here.put("some-1", id_, {"a": id_})
    text = migration(f"# migrate:up\nPUT /other-1\n# migrate:down\n{down}\n")
    assert [str(each) for each in here.session.losses([Work(text, Direction.DOWN)])] == says
