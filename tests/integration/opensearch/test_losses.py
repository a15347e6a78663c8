"""What a revert says that it removes, whichever request removes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from seedbed.engines.opensearch.files.parse import parse
from seedbed.model.migration import Direction, Work
from tests.support.opensearch.searches import migration_file
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


FIELDS = """
    word   = {type = "keyword"}
    text   = {type = "text", norms = false}
    vector = {type = "knn_vector", dimension = 2, method = {name = "hnsw", engine = "lucene"}}
    place  = {type = "geo_point"}
    thing  = {properties = {name = {type = "keyword"}}}
    parts  = {type = "nested", properties = {n = {type = "keyword"}}}
    stored = {type = "keyword", index = false, doc_values = false}
    flat   = {type = "flat_object"}
    raw    = {type = "object", enabled = false}
    unused = {type = "keyword"}
"""
INDEXES = f"""
[[indexes.some.versions]]
number = 1
settings = {{knn = true}}
mappings = {{dynamic = "DYNAMIC", properties = {{a = {{type = "keyword"}}}}}}

[[indexes.some.versions]]
number = 2
settings = {{knn = true}}
[indexes.some.versions.mappings]
dynamic = "strict"
[indexes.some.versions.mappings.properties]
    a = {{type = "keyword"}}{FIELDS}"""
WHOLE = {
    "word": "w",
    "text": "some words",
    "vector": [1.0, 2.0],
    "place": {"lat": 1, "lon": 2},
    "thing": {"name": "n"},
    "parts": [{"n": "1"}],
    "stored": "s",
    "flat": {"k": "v"},
    "raw": {"k": "v"},
}


def test_a_revert_says_of_how_many_documents_it_takes_a_field(here: Stage, tmp_path: Path) -> None:
    here.session.cluster.directory = tmp_path
    (tmp_path / "indexes.toml").write_text(INDEXES.replace("DYNAMIC", "strict"))
    make, grow = (
        parse(migration_file(f"# seedbed: index=some version={each}\n", str(each))) for each in (1, 2)
    )
    with here.lease() as lease:
        list(lease.apply([Work(make), Work(grow)]))
    here.put("some", "x", {"a": "x"})
    here.put("some", "y", {"a": "y", **WHOLE})
    down = [Work(grow, Direction.DOWN)]
    said = [str(each) for each in here.session.losses(down)]
    at_most = {"parts", "stored", "raw"}  # no query finds these
    assert said == [
        f"field {name} of index some: {'at most 2 documents' if name in at_most else '1 document'}"
        for name in WHOLE
    ]
    assert [str(each) for each in here.session.losses([*down, Work(make, Direction.DOWN)])] == [
        *said,
        "index some: 2 documents",
    ]
    (tmp_path / "indexes.toml").write_text(INDEXES.replace("DYNAMIC", "false"))  # then values stay
    here.session.cluster._declared = None
    assert here.session.losses(down) == []
