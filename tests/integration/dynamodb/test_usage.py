"""Whether an index that a contract removes was read, as CloudWatch tells it: late, and nothing at all about nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.aws import metrics, rights
from seedbed.aws.faults import Denied
from seedbed.aws.metrics import Metric
from seedbed.engines.dynamodb import engine
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import HISTORY, HISTORY_TABLE
from seedbed.engines.dynamodb.session import DynamoSession
from seedbed.engines.dynamodb.wire.values import to_item
from seedbed.model.platform import Database
from seedbed.model.secret import Secret
from seedbed.model.usage import Removed, Usage
from seedbed.planning.usage import Use, judged
from tests.support.aws_proxy import Call, Policies, Proxy, proxy
from tests.support.aws_proxy.http import Response
from tests.support.dynamodb.metrics import CloudWatch
from tests.support.dynamodb.tables import COURSES, Stage, indexed, migration, opened

COMMIT = "c" * 40
TABLES = """
[tables.courses]
key = { partition = "id" }
attributes = { id = "S" }
"""
INDEX = Removed("index", ("courses", "by_slug"))
NOBODY = Use("none", "index courses.by_slug was not used")


class Courses:
    """A table whose index `by_slug` is deployed and not declared any more."""

    def __init__(self, here: Stage, aws: Proxy) -> None:
        self.here, self.aws = here, aws
        self.metrics = CloudWatch(aws)
        self.session = DynamoSession(here.database, "edtech")
        here.make(indexed(COURSES, "slug"), HISTORY_TABLE)

    def read(self, index: str = "by_slug") -> None:
        asked = {
            "TableName": self.here.database.physical("courses"),
            "IndexName": index,
            "KeyConditionExpression": "slug = :slug",
            "ExpressionAttributeValues": to_item({":slug": "fractions"}),
        }
        self.here.client.call("Query", asked)

    def look(self) -> Usage:
        return self.session.usage(self.session.deployed_removals())

    def later(self, seconds: float = 300.0) -> None:
        self.metrics.later(seconds)

    def settled(self) -> Usage:
        """Look, and look again when CloudWatch tells of the look itself."""
        self.later()
        self.look()
        self.later(500)
        return self.look()

    def judge(self, before: Usage, after: Usage | None = None) -> Use:
        return judged([(before, after or self.settled())], COMMIT)


@pytest.fixture
def courses(ministack_account: World, tmp_path: Path) -> Iterator[Courses]:
    (tmp_path / "tables.toml").write_text(TABLES)
    with (
        proxy(ministack_account.endpoint) as aws,
        opened(replace(ministack_account, endpoint=aws.endpoint), "usage", directory=tmp_path) as here,
    ):
        made = Courses(here, aws)
        made.look()  # CloudWatch knows of the history from now on
        made.later(900)
        yield made


def test_what_is_deployed_and_not_declared_any_more_is_what_goes(courses: Courses) -> None:
    assert courses.session.deployed_removals() == (INDEX,)
    text = "# seedbed: table=courses\n\n\ndef up(item):\n    item.pop('slug', None)\n    return item\n"
    database = Database("usage", "dynamodb", Path())
    (removed,) = engine.removals(migration(text), database)
    assert str(removed) == "attributes of items of courses"
    (counter,) = courses.session.usage([removed]).counters
    assert "not which attributes are read" in counter.blind


def test_readers_are_told_of_by_the_time_at_which_they_read(courses: Courses) -> None:
    courses.read()  # by who was still let be
    before = courses.look()
    courses.later()
    assert courses.judge(before) == NOBODY
    courses.read()
    courses.later()
    courses.here.items("courses")  # a read of the table is none of the index
    assert courses.judge(before) == Use("some", "index courses.by_slug was used at least 1 time")
    after = courses.look()
    courses.later()
    assert courses.judge(after) == NOBODY


def test_until_cloudwatch_tells_of_our_own_look_nothing_is_known(courses: Courses) -> None:
    before = courses.look()
    courses.later()
    courses.read()
    courses.later(60)  # it is not told yet
    early = courses.judge(before, courses.look())
    assert (early.verdict, "not told yet: ask again in some minutes" in early.text) == ("unknown", True), (
        early
    )
    courses.later(1800)
    courses.metrics.late = 2400.0  # today it is later than ever
    assert courses.judge(before, courses.look()).verdict == "unknown"
    courses.metrics.late = 120.0
    assert courses.judge(before).verdict == "some"


def test_metrics_that_are_never_told_are_not_taken_for_nobody(courses: Courses) -> None:
    before = courses.look()
    courses.metrics.late = 1e9  # as with credentials of another account, or in another region
    courses.later(3600)
    use = courses.judge(before)
    assert use.verdict == "unknown"
    assert f"tells nothing of {courses.here.database.physical(HISTORY)} either" in use.text


def test_without_the_right_to_ask_it_is_unknown_and_says_which(courses: Courses) -> None:
    before = courses.look()
    denied = "User: task is not authorized to perform: cloudwatch:GetMetricData because no policy allows it"
    with courses.aws.refuse("GetMetricData", "AccessDenied", denied, status=403):
        use = courses.judge(before, courses.look())
    assert use.verdict == "unknown"
    assert "cloudwatch:GetMetricData" in use.text


def test_the_task_may_ask_where_a_contract_waits_and_not_elsewhere(courses: Courses) -> None:
    cloud = courses.here.database.cloud
    judge = courses.aws.add(Policies(account=cloud.account, region=cloud.region))
    names = rights.Names("edtech", "dev-test", "aws", cloud.account, cloud.region, "records", "files")
    for kind in (rights.SNAPSHOT, rights.WORK):
        judge.caller(kind, names)
    own = Metric(
        "AWS/DynamoDB",
        "ConsumedReadCapacityUnits",
        (("TableName", courses.here.database.physical(HISTORY)),),
    )
    told = metrics.told(replace(cloud, session_token=Secret(rights.SNAPSHOT)), [own], span=7200, period=300)
    assert (len(told.periods[own]), told.untold) == (1, {})
    with pytest.raises(Denied):
        metrics.told(replace(cloud, session_token=Secret(rights.WORK)), [own], span=7200, period=300)


def test_one_call_too_many_is_made_again_and_an_answer_in_pages_is_read_whole(courses: Courses) -> None:
    before = courses.look()
    for _ in range(3):
        courses.later()
        courses.read()
    courses.metrics.page = 2
    courses.aws.throttle("GetMetricData", times=1)
    assert courses.judge(before) == Use("some", "index courses.by_slug was used at least 3 times")


def test_an_answer_that_is_not_all_is_not_taken_for_all(courses: Courses) -> None:
    before = courses.look()
    courses.later()
    courses.look()
    courses.later(600)
    courses.metrics.partial = 1
    use = courses.judge(before, courses.look())
    assert use == Use("unknown", "index courses.by_slug: CloudWatch does not tell all: PartialData")


def test_a_table_that_was_made_anew_and_an_index_that_is_gone_are_not_compared(courses: Courses) -> None:
    before = courses.look()
    courses.later()
    courses.here.client.call("DeleteTable", {"TableName": courses.here.database.physical("courses")})
    courses.here.make(indexed(COURSES, "slug"))
    assert "counting began anew" in courses.judge(before).text
    (counter,) = courses.session.usage([Removed("index", ("courses", "nothing"))]).counters
    assert counter.blind == "it is not there"


def test_a_table_with_replicas_is_read_elsewhere_too(courses: Courses) -> None:
    def replicated(_: Call, answer: Response) -> Response:
        told = answer.body.replace(
            b'"TableStatus"', b'"Replicas": [{"RegionName": "eu-west-1"}], "TableStatus"'
        )
        return answer.with_body(told)

    before = courses.look()
    courses.later()
    courses.aws.rewrite("DescribeTable", replicated)
    assert "replicas in other regions" in courses.judge(before).text
