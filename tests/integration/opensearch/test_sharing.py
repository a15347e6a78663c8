"""Two environments on one domain: each sees, changes and loses its own, and no request reaches the other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from seedbed.engines import registry
from seedbed.engines.opensearch.files.parse import parse
from seedbed.engines.opensearch.prefix.names import prefix_of
from seedbed.engines.opensearch.running import tasks
from seedbed.engines.opensearch.running.shared_server import OpenSearchSharedServer
from seedbed.engines.sharing import SharedServer, SupportsSharing
from seedbed.errors import LeaseLost, Refused, StepFailed
from seedbed.model.history import Identity
from seedbed.model.migration import Direction, Migration, Work
from seedbed.model.sharing import Share
from tests.support.opensearch.beside import THEIRS, beside_another, client, names
from tests.support.opensearch.searches import LESSONS, Stage, migration, migration_file, moves, opened, spied
from tests.support.opensearch.stage import rows, stage

ANA, BEN = (Share("edtech", environment, "ai/opensearch") for environment in ("dev-ana", "dev-ana-b"))
REQUESTS = """\
# seedbed: phase=migrate
# migrate:up
PUT /_ingest/pipeline/texts

{"processors": [{"lowercase": {"field": "title"}}]}

###
PUT /_index_template/logs

{"index_patterns": ["logs-*"], "template": {"settings": {"default_pipeline": "texts"}, "aliases": {"logs": {}}}}

###
PUT /logs-1/_doc/1?refresh

{"title": "LOUD", "_note": "dev-ana.ai.lessons"}

###
PUT /_scripts/more

{"script": {"lang": "painless", "source": "ctx._source.n = 1"}}

###
POST /logs/_update_by_query?refresh&conflicts=proceed

{"script": {"id": "more"}, "query": {"term": {"_index": "logs-1"}}}

###
POST /_reindex?refresh

{"source": {"index": "logs"}, "dest": {"index": "kept", "op_type": "create"}, "conflicts": "proceed"}

###
POST /_aliases

{"actions": [{"add": {"index": "kept", "alias": "shown", "filter": {"term": {"_index": "kept"}}}}]}

###
POST /_bulk

{"index": {"_index": "kept", "_id": "2"}}
{"title": "two"}

# migrate:down
DELETE /logs-1
"""


def part(settings: Mapping[str, str], share: Share) -> dict[str, str]:
    return {**settings, "prefix": prefix_of(share.environment, share.service)}


@pytest.fixture
def both(opensearch_settings: Mapping[str, str], tmp_path: Path) -> Iterator[tuple[Stage, Stage]]:
    with ExitStack() as stack:
        found: list[Stage] = []
        for each in (ANA, BEN):
            home = tmp_path / each.environment
            home.mkdir()
            found.append(stack.enter_context(opened(part(opensearch_settings, each), home)))
            found[-1].declare(LESSONS)
        yield found[0], found[1]


@pytest.fixture
def server(opensearch_settings: Mapping[str, str]) -> Iterator[SharedServer]:
    engine = registry.load("opensearch")
    assert isinstance(engine, SupportsSharing)
    with engine.shared_server(opensearch_settings) as found:
        yield found


def requests(text: str, version: str = "1") -> Migration:
    return parse(migration_file(text, version, suffix=".http"))


def whole(settings: Mapping[str, str]) -> list[str]:
    with client(settings) as asked:
        return [each for each in names(asked) if not each.startswith(".")]


def carry_out(there: Stage) -> None:
    there.apply(moves("lessons", 1), "1")
    there.put("lessons", {f"l{n}": {"title": there.cluster.directory.name, "number": n} for n in range(300)})
    with there.lease() as lease:
        lease.bind(Identity("edtech", "ai/opensearch", there.cluster.directory.name))
        list(lease.apply([Work(requests(REQUESTS, "2"), Direction.UP)]))
        list(lease.apply([Work(migration(moves("lessons", 2), "3"), Direction.UP)]))


def test_two_environments_migrate_at_once_and_one_goes(
    both: tuple[Stage, Stage], opensearch_settings: Mapping[str, str], server: SharedServer
) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(carry_out, both))
    for there in both:
        own = there.cluster.directory.name
        assert there.indexes() == ["kept", "lessons-1", "lessons-2", "logs-1"]
        assert there.behind("lessons") == ["lessons-2"]
        assert {each["title"] for each in there.documents("lessons").values()} == {own}
        assert there.documents("kept") == {
            "1": {"title": "loud", "_note": "dev-ana.ai.lessons", "n": 1},
            "2": {"title": "two"},
        }
        assert len(there.documents("shown")) == 2
        assert there.recorded() == {"1": "applied", "2": "applied", "3": "applied"}
    assert not [
        each for each in whole(opensearch_settings) if not each.startswith(("dev-ana.ai.", "dev-ana-b.ai."))
    ]
    assert server.listed() == [ANA, BEN]
    theirs = both[1].documents("lessons")
    said = server.drop(ANA)
    assert said == "4 indexes, 1 index template, 1 ingest pipeline, 1 stored script, 1 history"
    assert server.drop(ANA) == ""
    assert server.listed() == [BEN]
    assert not [each for each in whole(opensearch_settings) if each.startswith("dev-ana.")]
    assert both[1].documents("lessons") == theirs
    both[1].revert(moves("lessons", 2), "3")


def test_what_reaches_the_other_is_refused_and_nothing_is_sent(both: tuple[Stage, Stage]) -> None:
    ana, ben = both
    ben.apply(moves("lessons", 1), "1")
    for request in (
        "DELETE /dev-ana-b.ai.lessons-1",
        'POST /_reindex\n\n{"source": {"index": "dev-ana-b.ai.lessons"}, "dest": {"index": "mine"}}',
        'POST /_aliases\n\n{"actions": [{"add": {"index": "dev-ana-b.ai.lessons-1", "alias": "mine"}}]}',
        'PUT /_ingest/pipeline/p\n\n{"processors": [{"set": {"field": "_index", "value": "dev-ana-b.ai.lessons"}}]}',
    ):
        text = f"# migrate:up\nPUT /mine\n\n###\n{request}\n\n# migrate:down\nDELETE /mine\n"
        with stage({"endpoint": ana.client.address.endpoint, "prefix": ana.client.address.prefix}) as here:
            sent: list[str] = []
            spied(here.session.cluster.client, lambda method, _, sent=sent: sent.append(method))  # type: ignore[misc]
            with pytest.raises(Refused, match=r"dev-ana-b\.ai|chooses") as refused:
                here.session.require_feasible([Work(requests(text), Direction.UP)])
            assert refused.value.at is not None
            assert refused.value.at.line == 5
            assert sent == []
        with pytest.raises(Refused), ana.lease() as lease:
            list(lease.apply([Work(requests(text), Direction.UP)]))
        hazards = registry.load("opensearch").sharing_hazards(requests(text), None)  # type: ignore[attr-defined]
        assert [(each.code, each.line) for each in hazards] == [("OS314", 5)]
        with ana.lease() as lease:
            lease.reset()
    assert ben.behind("lessons") == ["lessons-1"]


def test_a_declared_pipeline_that_chooses_an_index_is_refused(both: tuple[Stage, Stage]) -> None:
    ana, _ = both
    ana.declare(
        '[[pipelines.move.versions]]\nnumber = 1\nbody = {processors = [{set = {field = "_index", value = "x"}}]}'
    )
    found = migration("# seedbed: pipeline=move version=1\n")
    from seedbed.engines.opensearch.running.examine import examine
    from seedbed.engines.opensearch.running.feasible import require_feasible

    assert [each.code for each in examine(ana.cluster, [found])["1"]] == ["OS314"]
    with pytest.raises(Refused, match="chooses the index"):
        require_feasible(ana.cluster, [Work(found, Direction.UP)])


def test_what_one_cancels_is_not_the_others(both: tuple[Stage, Stage]) -> None:
    for there in both:
        there.put("lessons", {f"l{n}": {"n": n} for n in range(20)})
        body = {"script": {"source": "ctx._source.n += 1"}}
        params = {"requests_per_second": 5, "scroll_size": 5}
        opaque = "seedbed:ai/opensearch:1:0:m"
        tasks.start(there.client, "POST", "/lessons/_update_by_query", body, opaque_id=opaque, params=params)
    ana, ben = both
    ((task, _),) = tasks.running(ben.client, "ai/opensearch").items()
    with ana.lease() as lease:
        assert lease.reset() == "1 index (lessons: 20) and the history"
    assert list(tasks.running(ana.client, "ai/opensearch")) == []
    assert list(tasks.running(ben.client, "ai/opensearch")) == [task]
    tasks.cancel(ben.client, task)


def test_a_seed_and_a_query_stay_with_their_environment(both: tuple[Stage, Stage]) -> None:
    for number, there in enumerate(both):
        with stage(
            {"endpoint": there.client.address.endpoint, "prefix": there.client.address.prefix}
        ) as here:
            here.index("lessons-1", alias="lessons", n="long")
            assert here.load(rows("lessons", "_id n", *((f"l{n}", n) for n in range(number + 1)))) == [
                (number + 1, 0, 0)
            ]
            assert (
                here.session.number('GET /*/_search {"aggs": {"by": {"value_count": {"field": "n"}}}}')
                == number + 1
            )
            buckets = here.session.rows(
                'GET /_all/_search {"aggs": {"by": {"terms": {"field": "_index"}}}}', 5
            )
            assert any("lessons-1" in str(each) for each in buckets)
            assert not any("dev-ana" in str(each) for each in buckets)
            assert "index lessons alias lessons" in here.session.schema()


def test_a_part_is_made_once_and_is_dropped_though_a_run_has_its_lease(
    both: tuple[Stage, Stage], server: SharedServer
) -> None:
    ana, ben = both
    assert server.make(ANA, {}) == "the history below dev-ana.ai."
    assert server.make(ANA, {}) == ""
    assert server.make(BEN, {}) == "the history below dev-ana-b.ai."
    assert server.listed() == [ANA, BEN]
    assert not server.keep(ANA, "seeded")
    assert server.templates() == ()
    work = Work(requests("# migrate:up\nPUT /mine\n"), Direction.UP)
    with ExitStack() as stack:
        lease = stack.enter_context(ana.lease())
        lease.bind(Identity("edtech", "ai/opensearch", "dev-ana"))
        assert server.drop(ANA) == "1 history"
        with pytest.raises(LeaseLost):
            list(lease.apply([work]))
    assert server.listed() == [BEN]
    with ben.lease() as lease:
        lease.bind(Identity("edtech", "ai/opensearch", "dev-ana-b"))


def test_a_drop_that_was_killed_is_seen_and_finished(both: tuple[Stage, Stage], server: SharedServer) -> None:
    ana, _ = both
    assert isinstance(server, OpenSearchSharedServer)
    server.make(ANA, {})
    carry_out(ana)
    steps = 0
    while True:
        left = steps

        def die(method: str, path: str) -> None:
            nonlocal left
            if method == "DELETE" or path == "/_aliases":
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt

        try:
            with server._below(ANA) as found:
                spied(found, die)
                list(_dropped(server, ANA, found))
            break
        except KeyboardInterrupt:
            assert server.listed() == [ANA]
            steps += 1
    assert steps == 4
    assert server.listed() == []
    assert server.make(ANA, {}) != ""


def _dropped(server: OpenSearchSharedServer, share: Share, through: object) -> Iterator[str]:
    """Drop `share` through a client that may die."""
    from contextlib import nullcontext
    from unittest.mock import patch

    with patch.object(server, "_below", lambda _: nullcontext(through)):
        yield server.drop(share)


def test_a_part_that_a_run_made_by_itself_says_its_platform_too(
    both: tuple[Stage, Stage], server: SharedServer
) -> None:
    ana, ben = both
    with ana.lease() as lease:
        lease.bind(Identity("edtech", "ai/opensearch", "dev-ana"))
    ben.put("lessons", {"1": {"title": "an application wrote this"}})
    assert server.listed() == [Share("", "dev-ana-b", "ai/opensearch"), ANA]
    assert server.drop(BEN) == "1 index"


def test_what_an_application_wrote_after_a_drop_is_found_and_two_platforms_do_not_meet(
    both: tuple[Stage, Stage], server: SharedServer, opensearch_settings: Mapping[str, str]
) -> None:
    server.make(ANA, {})
    server.drop(ANA)
    both[0].put("lessons", {"1": {"title": "late"}})
    assert server.listed() == [ANA]
    other = Share("shop", "dev-ana", "ai/opensearch")
    with pytest.raises(Refused, match="is a base of edtech, not of shop"):
        server.make(other, {})
    with pytest.raises(Refused, match="is a base of edtech, not of shop"):
        server.drop(other)
    assert server.drop(ANA) == "1 index"
    assert server.listed() == []


def test_a_part_that_is_written_to_all_the_time_is_told(
    both: tuple[Stage, Stage], server: SharedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seedbed.engines.opensearch.running import shared_server

    ana, _ = both
    ana.put("lessons", {"1": {"title": "x"}})
    original = shared_server._remove

    def remove(*args: object) -> Iterator[tuple[str, int]]:
        yield from original(*args)  # type: ignore[arg-type]
        ana.put("lessons", {"1": {"title": "again"}})

    monkeypatch.setattr(shared_server, "_remove", remove)
    with pytest.raises(StepFailed, match="comes back while it is removed"):
        server.drop(ANA)


def test_what_the_tests_of_the_engine_stand_beside_is_watched(opensearch_settings: Mapping[str, str]) -> None:
    with (
        pytest.raises(AssertionError),
        beside_another(opensearch_settings) as ours,
        client(ours, THEIRS) as theirs,
    ):
        theirs.call("DELETE", "/lessons-1/_doc/1", params={"refresh": True})
