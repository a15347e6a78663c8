"""What a cluster counts of the use of indexes, aliases and fields that a contract removes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from seedbed.engines.opensearch import engine
from seedbed.model.migration import Migration, MigrationFile, Source, checksum
from seedbed.model.platform import Database
from seedbed.model.usage import Removed, Usage
from seedbed.planning.usage import Use, judged
from tests.support.opensearch.stage import Stage, stage

COMMIT = "c" * 40
OLD = "DELETE /lessons-1"
ALIAS = 'POST /_aliases\n\n{"actions": [{"remove": {"index": "lessons-2", "alias": "words"}}]}'
MOVES = (
    'POST /_aliases\n\n{"actions": [{"remove": {"index": "lessons-2", "alias": "words"}},'
    ' {"add": {"index": "lessons-1", "alias": "words"}}]}'
)
SCRIPT = "DELETE /_scripts/similar"
INDEXES = """
[indexes.lessons]
[[indexes.lessons.versions]]
number = 1
mappings = { properties = { title = { type = "text" }, mini = { type = "keyword" } } }
[[indexes.lessons.versions]]
number = 2
mappings = { properties = { title = { type = "text" } } }
"""
FIELD = "# seedbed: index=lessons version=2 phase=contract\n"


def migration(text: str) -> Migration:
    is_program = text.startswith("# seedbed")
    suffix = ".py" if is_program else ".http"
    data = (text if is_program else f"# seedbed: phase=contract\n# migrate:up\n{text}\n").encode()
    source = Source(f"migrations/1_contract{suffix}", suffix, data)
    return engine.parse(MigrationFile("1", "contract", source, checksum(data)))


class Search:
    """Two versions of an index, of which applications use the second by the alias, and one alias more."""

    def __init__(self, here: Stage, directory: Path) -> None:
        self.here = here
        self.database = Database("ai", "opensearch", directory)
        here.index("lessons-1", title="text", mini="keyword")
        here.index("lessons-2", alias="lessons", title="text", mini="keyword")
        here.client.call("PUT", "/lessons-2/_alias/words")
        here.put("lessons-2", "a", {"title": "Fractions"})

    def ask(self, method: str, path: str) -> Callable[[], object]:
        return lambda: self.here.client.call(method, path, idempotent=True)

    def look(self, text: str) -> Usage:
        return self.here.session.usage(engine.removals(migration(text), self.database))

    def judge(self, text: str, *uses: Callable[[], object]) -> Use:
        before = self.look(text)
        for each in uses:
            each()
        return judged([(before, self.look(text))], COMMIT)


@pytest.fixture
def search(opensearch_settings: Mapping[str, str], tmp_path: Path) -> Iterator[Search]:
    (tmp_path / "indexes.toml").write_text(INDEXES)
    with stage(opensearch_settings) as made:
        yield Search(made, tmp_path)


def test_what_a_migration_removes_is_read_from_its_requests(search: Search) -> None:
    def removed(text: str) -> list[str]:
        return [str(each) for each in engine.removals(migration(text), search.database)]

    assert removed(OLD) == ["index lessons-1"]
    assert removed(ALIAS) == ["alias words"]
    assert removed(MOVES) == []
    assert removed("DELETE /lessons-2/_alias/words") == ["alias words"]
    assert removed(SCRIPT) == ["script similar"]
    assert removed("DELETE /_index_template/some") == []
    assert removed('POST /_aliases\n\n{"actions": [{"remove_index": {"index": "a-1"}}]}') == ["index a-1"]
    assert removed("POST /lessons-2/_delete_by_query?conflicts=proceed\n\n{}") == ["documents lessons-2"]
    assert removed(FIELD) == ["field lessons.mini"]
    assert removed(FIELD + "def up(doc):\n    return doc\n") == [
        "what a function takes out of documents of lessons",
        "field lessons.mini",
    ]


def test_each_way_to_use_an_index_is_counted_and_looking_at_it_is_not(search: Search) -> None:
    assert search.judge(OLD, lambda: search.look(OLD)) == Use("none", "index lessons-1 was not used")
    looks = ("_mapping", "_settings", "_alias", "_stats", "_recovery")
    assert search.judge(OLD, *(search.ask("GET", f"/lessons-1/{each}") for each in looks)).verdict == "none"
    for method, path in (
        ("POST", "/lessons-1/_search"),
        ("GET", "/lessons-1/_count"),
        ("GET", "/lessons-*/_search"),
        ("POST", "/lessons-1/_refresh"),
    ):
        verdict = "none" if path.endswith("_refresh") else "some"
        assert search.judge(OLD, search.ask(method, path)).verdict == verdict, path
    assert search.judge(OLD, lambda: search.here.put("lessons-1", "b", {"title": "x"})).verdict == "some"
    read = search.here.client.call("GET", "/lessons-1/_doc/b")
    assert read["found"]
    assert search.judge(OLD, search.ask("GET", "/lessons-1/_doc/b")).verdict == "some"


def test_who_keeps_a_search_open_uses_the_index(search: Search) -> None:
    before = search.look(OLD)
    opened = search.here.client.call(
        "POST", "/lessons-1/_search/point_in_time", params={"keep_alive": "5m"}, idempotent=True
    )
    use = judged([(before, search.look(OLD))], COMMIT)
    assert use == Use("some", "index lessons-1: 1 search context is open")
    search.here.client.call(
        "DELETE", "/_search/point_in_time", {"pit_id": [opened["pit_id"]]}, idempotent=True
    )
    again = search.look(OLD)
    assert judged([(again, search.look(OLD))], COMMIT).verdict == "none"


def test_an_index_that_an_alias_leads_to_may_be_asked_by_that(search: Search) -> None:
    search.here.client.call("PUT", "/lessons-1/_alias/archive")
    use = search.judge(OLD)
    assert use == Use("unknown", "index lessons-1: archive still leads to it")
    both = f"{OLD}\n\n###\nDELETE /lessons-1/_alias/archive"
    assert search.judge(both).verdict == "none"


def test_of_aliases_and_fields_the_uses_of_the_index_may_be_theirs(search: Search) -> None:
    for text in (ALIAS, FIELD):
        assert search.judge(text).verdict == "none"
        use = search.judge(text, search.ask("GET", "/lessons/_search"))
        assert (use.verdict, "1 use may have been of it" in use.text) == ("unknown", True), use


def test_a_copy_that_was_taken_up_anew_hides_what_it_had_counted(search: Search) -> None:
    search.ask("GET", "/lessons-1/_search")()
    before = search.look(OLD)
    for verb in ("_search", "_close", "_open", "_search"):
        search.here.client.call("POST", f"/lessons-1/{verb}", idempotent=True)
    after = search.look(OLD)
    assert before.counters[0].uses == after.counters[0].uses  # the number alone would say that nobody did
    use = judged([(before, after)], COMMIT)
    assert use == Use("unknown", "index lessons-1: counting began anew in between")


def test_what_is_not_there_closed_or_of_another_kind_is_unknown(search: Search) -> None:
    assert "it is not there" in search.judge("DELETE /nothing-1").text
    assert search.judge(SCRIPT) == Use("unknown", "script similar: nothing counts who uses that")
    search.here.client.call("POST", "/lessons-1/_close", idempotent=True)
    assert search.judge(OLD).verdict == "unknown"


def test_a_copy_that_has_no_node_is_not_heard(search: Search) -> None:
    search.here.client.call(
        "PUT", "/lessons-1/_settings", {"index": {"routing.allocation.exclude._name": "*"}}
    )
    assert search.judge(OLD).verdict in {"none", "unknown"}
    removed = Removed("index", ("lessons-1",))
    (counter,) = search.here.session.usage([removed]).counters
    assert counter.since
