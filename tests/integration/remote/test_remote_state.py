"""The state document in its bucket: what runs that end at once leave there, and what is told where there is none."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace as replaced
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import field
from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Denied
from seedbed.aws.objects import Bucket, Object
from seedbed.documents.state import StateDocument
from seedbed.errors import Refused, Unavailable
from seedbed.execution.threads import side_by_side
from seedbed.remote import state
from tests.support.aws_proxy import Call, Proxy, on
from tests.support.aws_proxy.http import Response
from tests.unit.golden.report import samples

USER, VIDEO = samples.remembered()


@pytest.fixture
def bucket(aws: Proxy, cloud: Cloud) -> Bucket:
    """A bucket of its own: an environment has one document."""
    from seedbed.aws import clients

    name = f"sample-{uuid.uuid4().hex[:12]}"
    place = {"LocationConstraint": cloud.region}
    clients.call(cloud, "s3", "CreateBucket", Bucket=name, CreateBucketConfiguration=place)
    return Bucket(cloud, name)


def document(*seen: object, environment: str = "prod") -> StateDocument:
    return StateDocument.of(environment, seen, "apply")  # type: ignore[arg-type]


def test_what_a_run_leaves_is_read_back_and_the_next_one_replaces_what_it_had_open(bucket: Bucket) -> None:
    state.leave(bucket, document(USER, VIDEO))
    later = replace(USER, run="later", at=USER.at + timedelta(hours=1))
    state.leave(bucket, document(later))
    assert state.state(bucket, "prod").remembered() == {USER.database: later, VIDEO.database: VIDEO}


def test_what_runs_left_of_an_environment_that_is_gone_is_taken_away_once_or_twice(bucket: Bucket) -> None:
    state.leave(bucket, document(USER))
    state.leave(bucket, document(VIDEO, environment="dev-ben"))
    for _ in range(2):
        state.remove(bucket, "prod")
    with pytest.raises(Unavailable, match="nothing is known of the databases of prod yet"):
        state.state(bucket, "prod")
    assert state.state(bucket, "dev-ben").remembered() == {VIDEO.database: VIDEO}


def test_runs_that_end_at_once_lose_nothing_of_each_other(bucket: Bucket) -> None:
    many = [replace(USER, database=f"s{number}/postgres") for number in range(6)]
    together = threading.Barrier(len(many))

    def leave(each: object) -> None:
        together.wait()
        state.leave(bucket, document(each))

    results = side_by_side([lambda each=each: leave(each) for each in many])  # type: ignore[misc]
    assert [each for each in results if each is not None] == []
    assert sorted(state.state(bucket, "prod").remembered()) == [each.database for each in many]


def test_what_is_written_between_our_look_and_our_write_stays(bucket: Bucket) -> None:
    class Overtaken(Bucket, frozen=True):
        """A bucket in which somebody writes right after our first look."""

        looks: list[str] = field(default_factory=list)

        def read(self, key: str) -> Object | None:
            found = super().read(key)
            self.looks.append(key)
            if len(self.looks) == 1:
                state.leave(bucket, document(VIDEO))
            return found

    ours = Overtaken(bucket.cloud, bucket.name)
    state.leave(ours, document(USER))
    assert state.state(bucket, "prod").remembered() == {USER.database: USER, VIDEO.database: VIDEO}
    assert len(ours.looks) == 2


def test_a_write_over_what_another_one_wrote_meanwhile_is_refused_by_the_server(bucket: Bucket) -> None:
    assert bucket.replace("a", b"1", "", content_type="text/plain")
    assert not bucket.replace("a", b"2", "", content_type="text/plain")
    found = bucket.read("a")
    assert found is not None
    assert bucket.replace("a", b"2", found.etag, content_type="text/plain")
    assert not bucket.replace("a", b"3", found.etag, content_type="text/plain")
    assert bucket.get("a") == b"2"


def test_a_deployment_is_marked_in_what_is_there_and_nowhere_else(bucket: Bucket) -> None:
    state.mark(bucket, "prod", [USER.database])
    assert bucket.get(state.key("prod")) is None
    state.leave(bucket, document(USER, VIDEO))
    state.mark(bucket, "staging", [USER.database])
    before = state.now(bucket, "prod")
    state.mark(bucket, "prod", [USER.database])
    found = state.state(bucket, "prod").remembered()
    changed = found[USER.database].changed
    assert changed is not None
    assert timedelta() <= changed - before < timedelta(minutes=1)
    assert found == {USER.database: replace(USER, changed=changed), VIDEO.database: VIDEO}
    state.leave(bucket, document(USER))  # what looked before it does not take that back
    assert state.state(bucket, "prod").remembered() == found
    bucket.put(state.key("prod"), b"{}")
    state.mark(bucket, "prod", [USER.database])
    assert bucket.get(state.key("prod")) == b"{}"


def test_the_age_is_told_by_the_clock_of_aws(bucket: Bucket, aws: Proxy) -> None:
    state.leave(bucket, document(USER))

    def later(_: Call, answer: Response) -> Response:
        return replaced(answer, headers={**answer.headers, "date": "Tue, 01 Dec 2026 10:00:00 GMT"})

    aws.rewrite("GetObject", later)
    assert state.as_of(bucket, "prod")[1] == datetime(2026, 12, 1, 10, tzinfo=UTC)


def test_no_secret_is_stored(bucket: Bucket) -> None:
    secret = replace(USER, holder="ana hunter2", address="app:hunter2@db-1")
    state.leave(bucket, document(secret), lambda said: said.replace("hunter2", "********"))
    assert b"hunter2" not in (bucket.get(state.key("prod")) or b"")


def test_where_nothing_ran_yet_the_way_is_told(bucket: Bucket) -> None:
    with pytest.raises(Unavailable, match="nothing is known of the databases of prod yet") as raised:
        state.state(bucket, "prod")
    assert "--fresh" in raised.value.try_


def test_the_document_of_another_environment_is_refused(bucket: Bucket) -> None:
    bucket.put(state.key("staging"), document(USER).written(str))
    with pytest.raises(Refused, match="not that of staging"):
        state.state(bucket, "staging")


def test_what_another_version_wrote_is_refused_and_the_next_run_replaces_it(bucket: Bucket) -> None:
    bucket.put(state.key("prod"), b'{"schema": "seedbed/state/9", "seedbed": "9.9"}')
    with pytest.raises(Refused, match="cannot be read"):
        state.state(bucket, "prod")
    state.leave(bucket, document(USER))
    assert state.state(bucket, "prod").remembered() == {USER.database: USER}


def test_who_may_not_read_it_is_told_that_it_may_be_missing(bucket: Bucket, aws: Proxy) -> None:
    aws.refuse(on("GetObject"), "AccessDenied", status=403)
    with pytest.raises(Denied, match="GetObject") as raised:
        state.state(bucket, "prod")
    assert "where s3:ListBucket is missing" in raised.value.because
