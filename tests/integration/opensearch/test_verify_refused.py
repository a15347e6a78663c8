"""`verify` on a cluster that refuses searches in the middle: it waits, or it has no verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import count

import pytest
from msgspec.structs import replace

from seedbed.engines.opensearch.running import ids
from seedbed.errors import ExitCode
from seedbed.model.platform import DatabaseId, Field, Reference
from seedbed.model.verification import Verdict, Verification
from tests.support.aws_proxy import Call, Proxy, proxy
from tests.support.aws_proxy.http import Response
from tests.support.opensearch.beside import OURS
from tests.support.opensearch.stage import Stage, stage
from tests.support.verified_sessions import require_no_verdict, verified

HERE = DatabaseId("ai/opensearch")
REFERENCE = Reference(Field(HERE, "orders.user"), Field(HERE, "users.id"), grace=0)
KINDS = {429: "rejected_execution_exception", 403: "security_exception"}
# What a reference with orphans is asked for, in turn: pages of either index, and searches for ids.
LOOKS = [("orders", 1), ("users", 1), ("users", 0), ("orders", 0)]
EACH_LOOK = pytest.mark.parametrize(("index", "is_page"), LOOKS, ids=["from", "to", "arrived", "held"])


@pytest.fixture
def aws(opensearch_settings: Mapping[str, str]) -> Iterator[Proxy]:
    with proxy(opensearch_settings["endpoint"]) as found:
        yield found


@pytest.fixture
def here(
    aws: Proxy, opensearch_settings: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setattr(ids, "_VALUES", 2)
    with (
        stage(opensearch_settings) as direct,
        stage({**opensearch_settings, "endpoint": aws.endpoint}) as made,
    ):
        direct.index("orders", user="keyword")
        direct.index("users", id="keyword")
        for at in range(5):
            direct.put("orders", f"o{at}", {"user": f"u{at}"})
            direct.put("users", f"p{at}", {"id": f"u{at + 3}"})
        made.session.cluster.client.policy = replace(made.session.cluster.client.policy, attempts=3)
        yield made


def found(here: Stage) -> Verification:
    return verified({HERE: here.session}, REFERENCE)


def searches(index: str, *, is_page: int, after: int = 0) -> Callable[[Call], bool]:
    """Return what is true of searches in `index`, but for the first ones: pages of it, or searches for ids."""
    seen, points = count(), set[str]()

    def fits(call: Call) -> bool:
        path = call.request.target.partition("?")[0].replace(OURS, "")
        if path == f"/{index}/_search/point_in_time":
            points.add(index)
        elif path.endswith("/_search/point_in_time") and call.request.method == "POST":
            points.clear()
        if is_page:
            return path == "/_search" and index in points and next(seen) >= after
        return path == f"/{index}/_search" and next(seen) >= after

    return fits


def refusing(status: int) -> Callable[[Call], Response]:
    cause = {"type": KINDS[status], "reason": "no permissions, or too many requests"}
    body = {"error": {**cause, "root_cause": [cause]}, "status": status}
    return lambda _: Response(status, {"content-type": "application/json"}, json.dumps(body).encode())


@EACH_LOOK
def test_a_cluster_that_has_too_much_to_do_is_asked_again(
    aws: Proxy, here: Stage, index: str, is_page: int
) -> None:
    with aws.answer(searches(index, is_page=is_page, after=is_page), refusing(429), times=2) as refused:
        (result,) = found(here).references
    assert refused.hits == 2
    assert (result.verdict, result.ids, result.parents, result.orphans) == (Verdict.BROKEN, 5, 5, 3)


@EACH_LOOK
@pytest.mark.parametrize("status", KINDS)
def test_where_searches_are_refused_in_the_middle_there_is_no_verdict(
    aws: Proxy, here: Stage, index: str, is_page: int, status: int
) -> None:
    with aws.answer(searches(index, is_page=is_page, after=is_page), refusing(status)):
        refused = found(here)
    require_no_verdict(refused, ExitCode.FAILED)
    assert "no permissions, or too many requests" in refused.errors[0].because
    assert found(here).references[0].orphans == 3  # the next run knows of nothing


def test_what_could_not_be_made_visible_is_not_taken_for_missing(aws: Proxy, here: Stage) -> None:

    def refreshes(call: Call) -> bool:
        return call.request.target.replace(OURS, "").startswith("/users/_refresh")

    with aws.answer(refreshes, refusing(429)):
        require_no_verdict(found(here), ExitCode.FAILED)
    with aws.answer(refreshes, refusing(403)) as denied:
        assert found(here).references[0].orphans == 3
    assert denied.hits
