"""The next version of an index, made while applications write: on a real cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.opensearch.running import tasks
from seedbed.engines.opensearch.running.reindex import existing
from seedbed.engines.opensearch.running.reindex.checkpoint import ReindexCheckpoint, from_text
from seedbed.engines.opensearch.running.reindex.run_aliases import RunAliases, is_run_alias
from seedbed.engines.opensearch.running.reindex.states import ReindexState
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Interrupted, Refused, StepFailed
from seedbed.model.event import ServerNotice
from seedbed.model.migration import Direction
from tests.soak import opensearch_reindex as soak
from tests.support.opensearch.beside import client
from tests.support.opensearch.searches import LESSONS, Stage, moves, opened, spied
from tests.support.opensearch.works import Killed
from tests.support.servers import Settings

FIRST, SECOND = moves("lessons", 1), moves("lessons", 2)
SLOWLY, SLOW = moves("lessons", 2, "batch=10"), {"requests_per_second": 1}


@pytest.fixture
def there(opensearch_settings: Settings, tmp_path: Path) -> Iterator[Stage]:
    with opened(opensearch_settings, tmp_path) as stage:
        stage.declare(LESSONS)
        stage.apply(FIRST, "1")
        yield stage


def lessons(count: int) -> dict[str, dict[str, Any]]:
    return {f"l{each}": {"title": f"lesson {each}", "number": each, "by": "ana"} for each in range(count)}


def texts(told: list[Any]) -> str:
    return "\n".join(each.text for each in told if isinstance(each, ServerNotice))


def once(stage: Stage, wanted: str, then: Callable[[], None]) -> None:
    """Do something right before the first request whose method and path begin so."""
    done: list[str] = []

    def spy(method: str, path: str) -> None:
        if f"{method} {path}".startswith(wanted) and not done:
            done.append(path)
            then()

    spied(stage.client, spy)


def standing(stage: Stage, version: str = "2") -> ReindexCheckpoint:
    with stage.lease() as lease:
        revision = lease.history().revision(version)
    assert revision is not None
    found = from_text(revision.checkpoint or "")
    assert found is not None
    return found


def write(stage: Stage, id_: str = "l1") -> None:
    stage.client.call("PUT", f"/lessons/_doc/{id_}", {"title": "by hand", "number": 0})


def test_an_index_gets_its_next_version_with_all_its_documents_and_goes_back(there: Stage) -> None:
    wanted = lessons(500)
    there.put("lessons", wanted)
    told = there.apply(SECOND, "2")
    assert "lessons is now lessons-2" in texts(told)
    assert there.behind("lessons") == ["lessons-2"]
    assert there.documents("lessons") == wanted
    assert there.recorded() == {"1": "applied", "2": "applied"}
    write(there)
    there.revert(SECOND, "2")
    assert there.behind("lessons") == ["lessons-3"]
    assert there.documents("lessons") == {**wanted, "l1": {"title": "by hand", "number": 0}}
    (back,) = existing.look(there.client, "lessons")
    assert back.version == 1
    assert back.settings["number_of_shards"] == "2"
    assert not any(map(is_run_alias, back.aliases))
    assert there.recorded() == {"1": "applied"}


def test_the_last_index_stays_read_only_and_older_ones_go(there: Stage) -> None:
    there.apply(SECOND, "2")
    assert there.indexes() == ["lessons-1", "lessons-2"]
    with pytest.raises(RequestFailed, match="cluster_block_exception"):
        there.client.call("PUT", "/lessons-1/_doc/1", {"title": "too late"})
    there.revert(SECOND, "2")
    assert there.indexes() == ["lessons-2", "lessons-3"]


def test_what_is_written_meanwhile_is_in_the_next_index(there: Stage) -> None:
    wanted = lessons(300)
    there.put("lessons", wanted)

    def meanwhile() -> None:
        there.client.call("DELETE", "/lessons/_doc/l7")
        write(there, "l8")
        write(there, "new")

    once(there, "PUT /lessons-1-reader", meanwhile)
    there.apply(SECOND, "2")
    by_hand = {"title": "by hand", "number": 0}
    del wanted["l7"]
    assert there.documents("lessons") == {**wanted, "l8": by_hand, "new": by_hand}


def test_a_document_that_was_deleted_and_made_again_is_the_new_one(there: Stage) -> None:
    """It begins at version 1 again, below what the next index has; and it may even come to the same version."""
    there.put("lessons", lessons(5))
    for _ in range(3):
        there.put("lessons", {"l1": {"title": "often", "number": 1}, "l2": {"title": "often", "number": 2}})

    def meanwhile() -> None:
        for each in ("l1", "l2"):
            there.client.call("DELETE", f"/lessons/_doc/{each}")
        time.sleep(1.3)  # index.gc_deletes is 1 s
        there.client.call("POST", "/lessons/_refresh")
        there.put("lessons", {"l1": {"title": "again", "number": 1}})
        for _ in range(4):
            there.put("lessons", {"l2": {"title": "again", "number": 2}})

    once(there, "PUT /lessons-2-writer", meanwhile)  # all has been copied for the first time by then
    there.apply(SECOND, "2")
    found = there.documents("lessons")
    assert (found["l1"]["title"], found["l2"]["title"]) == ("again", "again")
    assert len(found) == 5


def test_a_document_that_does_not_fit_is_named_and_writers_go_on(there: Stage) -> None:
    there.declare(LESSONS.replace('number = {type = "long"}', 'number = {type = "date", format = "yyyy"}'))
    there.put("lessons", {"fine": {"number": 2026}, "odd": {"number": 12345678}})
    with pytest.raises(StepFailed) as caught:
        there.apply(SECOND, "2")
    assert "'odd'" in caught.value.what
    assert "mapper_parsing_exception" in caught.value.what
    assert there.recorded()["2"] == "started"
    assert there.behind("lessons") == ["lessons-1"]
    write(there, "odd")
    there.put("lessons", {"odd": {"number": 2027}})
    there.apply(SECOND, "2")
    assert set(there.documents("lessons")) == {"fine", "odd"}


def test_what_fails_without_writers_lets_them_in_again(there: Stage) -> None:
    there.put("lessons", lessons(20))
    is_blocked: list[bool] = []

    def fail() -> None:
        is_blocked.append(existing.look(there.client, "lessons-1")[0].is_blocked)
        raise StepFailed("out of luck")

    counts: list[str] = []

    def spy(method: str, path: str) -> None:
        if (method, path) == ("GET", "/lessons-1/_count"):
            counts.append(path)
            if len(counts) == 2:  # the first is how many there are to be copied
                fail()

    spied(there.client, spy)
    with pytest.raises(StepFailed, match="out of luck"):
        there.apply(SECOND, "2")
    assert is_blocked == [True]
    write(there)
    assert standing(there).state is ReindexState.CLOSING
    there.apply(SECOND, "2")
    assert there.documents("lessons")["l1"] == {"title": "by hand", "number": 0}


def test_an_interruption_without_writers_lets_them_in_again(
    opensearch_settings: Settings, there: Stage
) -> None:
    there.put("lessons", lessons(20))
    blocked: list[str] = []

    def spy(method: str, path: str) -> None:
        if path.endswith("/_block/write"):
            blocked.append(path)
        elif blocked:
            there.client.interrupt()

    spied(there.client, spy)
    with pytest.raises(Interrupted):
        there.apply(SECOND, "2")
    with opened(opensearch_settings, Path(str(there.cluster.directory))) as again:
        write(again)
        again.apply(SECOND, "2")
        assert again.documents("lessons")["l1"] == {"title": "by hand", "number": 0}


def test_a_writer_that_gets_past_the_block_is_noticed(there: Stage) -> None:
    there.put("lessons", lessons(20))

    def lift_and_write() -> None:
        there.client.call("PUT", "/lessons-1/_settings", {"index.blocks.write": None})
        write(there, "sneaky")

    seen: list[str] = []

    def spy(method: str, path: str) -> None:
        is_blocked = any(each.endswith("/_block/write") for each in seen)
        seen.append(path)
        if path == "/_cluster/health/lessons-2" and is_blocked and "sneaky" not in seen:
            seen.append("sneaky")
            lift_and_write()

    spied(there.client, spy)
    with pytest.raises(StepFailed, match="written to while writes were blocked"):
        there.apply(SECOND, "2")
    there.apply(SECOND, "2")
    assert "sneaky" in there.documents("lessons")


def test_an_index_that_somebody_closed_is_left_closed(there: Stage) -> None:
    there.client.call("PUT", "/lessons-1/_block/write")
    with pytest.raises(Refused, match="are blocked"):
        there.apply(SECOND, "2")
    assert existing.look(there.client, "lessons-1")[0].is_blocked


def test_a_request_of_a_run_that_was_replaced_arrives_nowhere(there: Stage) -> None:
    there.client.call("PUT", "/lessons-2")
    old = RunAliases("lessons-1", "lessons-2")
    old.create(there.client)
    new = RunAliases("lessons-1", "lessons-2")
    new.create(there.client)
    for method, path, body in (
        ("PUT", f"/{old.reader}/_block/write", None),
        ("PUT", f"/{old.reader}/_settings", {"index.blocks.write": None}),
        ("POST", "/_reindex", {"source": {"index": old.reader}, "dest": {"index": "lessons-2"}}),
    ):
        with pytest.raises(RequestFailed) as caught:
            there.client.call(method, path, body)
        assert caught.value.is_missing
    line = b'{"index":{"_id":"1"}}\n{"title":"late"}\n'
    answer = there.client.call("POST", f"/{old.writer}/_bulk", line, params={"require_alias": True})
    assert answer["items"][0]["index"]["status"] == 404
    assert old.replace(there.client) is None
    assert new.replace(there.client) is not None


def test_all_aliases_move_as_they_are(there: Stage) -> None:
    odd = {"add": {"index": "lessons-1", "alias": "by_ana", "filter": {"term": {"by": "ana"}}}}
    there.client.call("POST", "/_aliases", {"actions": [odd]})
    there.put("lessons", {"a": {"by": "ana"}, "b": {"by": "ben"}})
    there.apply(SECOND, "2")
    assert there.behind("by_ana") == ["lessons-2"]
    assert set(there.documents("by_ana")) == {"a"}


def test_documents_keep_their_routing(there: Stage) -> None:
    there.put("lessons", {"same": {"title": "one"}}, routing="x")
    there.put("lessons", {"other": {"title": "two"}})
    there.apply(SECOND, "2")
    found = there.client.call("GET", "/lessons/_doc/same", params={"routing": "x"})
    assert found["_routing"] == "x"
    assert len(there.documents("lessons")) == 2


def test_a_definition_that_was_mended_begins_anew(there: Stage) -> None:
    there.put("lessons", lessons(10))
    stopped: list[str] = []

    def stop() -> None:
        stopped.append("")
        raise StepFailed("the power went")

    once(there, "GET /_cluster/health/lessons-2", stop)
    with pytest.raises(StepFailed, match="power"):
        there.apply(SECOND, "2")
    there.declare(LESSONS.replace('analyzer = "english"', 'analyzer = "german"'))
    there.apply(SECOND, "2")
    assert there.behind("lessons") == ["lessons-3"]
    assert there.indexes() == ["lessons-1", "lessons-3"]  # the half made one is gone
    (found,) = existing.look(there.client, "lessons")
    assert found.mappings["properties"]["title"]["analyzer"] == "german"


def test_an_index_that_is_no_alias_becomes_one(there: Stage) -> None:
    there.client.call("PUT", "/plain", {"settings": {"number_of_replicas": 0}})
    there.put("plain", {"a": {"n": 1}})
    there.apply("# seedbed: index=plain\ndef up(doc):\n    doc['n'] += 1\n    return doc\n", "3")
    assert there.behind("plain") == ["plain-1"]
    assert there.documents("plain") == {"a": {"n": 2}}


def test_pipelines_wait_until_the_documents_are_in(there: Stage) -> None:
    body = {"processors": [{"set": {"field": "by", "value": "pipeline"}}]}
    there.client.call("PUT", "/_ingest/pipeline/marks", body)
    settings = 'number_of_shards = 1, number_of_replicas = 0, gc_deletes = "1s"}'
    there.declare(LESSONS.replace(settings, f'final_pipeline = "marks", {settings}'))
    there.put("lessons", lessons(10))
    there.apply(SECOND, "2")
    assert there.documents("lessons") == lessons(10)
    write(there, "later")
    assert there.documents("lessons")["later"]["by"] == "pipeline"


@pytest.mark.parametrize("dies_before", ["POST /_reindex", "GET /_tasks/"])
def test_the_copying_that_a_former_run_began_on_the_server_is_followed_and_not_begun_again(
    there: Stage, dies_before: str
) -> None:
    """Whether that run came to know the name of its task, or died before the answer."""
    wanted = lessons(2000)
    there.put("lessons", wanted)
    begun: list[str] = []
    ask = there.client.ask

    def dying(method: str, path: str, *args: Any, **named: Any) -> Any:
        request = f"{method} {path}"
        if begun and request.startswith(dies_before):
            raise Killed
        if request != "POST /_reindex":
            return ask(method, path, *args, **named)
        begun.append(request)
        answer = ask(method, path, *args, **{**named, "params": {**named["params"], **SLOW}})
        if dies_before == request:
            raise Killed
        return answer

    there.client.ask = dying  # type: ignore[method-assign]  # a runner that is killed, without a process of its own
    with pytest.raises(Killed):
        there.apply(SLOWLY, "2")
    found = standing(there)
    assert found.state is ReindexState.FILLING
    assert str(found) == "lessons-2: filling, 0 of 2 000 documents"
    assert bool(found.task) == (dies_before == "GET /_tasks/")
    (former,) = tasks.running(there.client, "ai/opensearch")
    there.client.ask = ask  # type: ignore[method-assign]

    sent: list[str] = []
    spied(there.client, lambda method, path: sent.append(f"{method} {path}"))

    def hurry() -> None:
        with client({"endpoint": there.cluster.address.endpoint}) as whole:
            whole.ask("POST", f"/_reindex/{former}/_rethrottle", params={"requests_per_second": -1})

    once(there, f"GET /_tasks/{former}", hurry)
    there.apply(SLOWLY, "2")
    assert f"GET /_tasks/{former}" in sent
    assert "POST /_reindex" not in sent
    assert there.behind("lessons") == ["lessons-2"]
    assert there.documents("lessons") == wanted


def test_a_runner_that_is_killed_without_writers_leaves_somebody_who_lets_them_in(
    opensearch_settings: Settings, there: Stage
) -> None:
    there.put("lessons", lessons(50))
    home = Path(str(there.cluster.directory))
    ended = soak.run_until(
        opensearch_settings,
        home,
        SECOND,
        "2",
        Direction.UP,
        (ReindexState.BLOCKED, soak.AFTER),
        lease_seconds=30,
    )
    assert ended.code == -9, ended.error
    deadline = time.monotonic() + 25  # the lease lasts longer
    while existing.look(there.client, "lessons-1")[0].is_blocked:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    write(there)


def test_killed_again_and_again_under_writers_it_ends_as_their_journal_says(
    opensearch_settings: Settings, there: Stage
) -> None:
    there.declare(soak.DECLARED)
    there.revert(FIRST, "1")
    journal = soak.fill(there, 300)
    points = [(ReindexState.FILLING, soak.DURING), (ReindexState.SWAPPED, soak.BEFORE)]
    order = (soak.COPY, "2", Direction.UP)
    way = soak.one_way(there, opensearch_settings, journal, order, points, pace=60, seed=1, longest=None)
    assert way.problems == []
