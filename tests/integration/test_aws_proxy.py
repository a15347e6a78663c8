"""The proxy of the tests of AWS: what it says happened is what happened, and what it is told to do it does."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, HTTPClientError

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_proxy import CloudFormationGuard, Proxy, mutating, on, proxy
from tests.support.aws_proxy.calls import recognised
from tests.support.aws_proxy.http import Request
from tests.support.aws_proxy.permissions import Place

TABLE = "courses-courses-dev"
STACK = "courses-dev"

Client = Callable[[str], Any]


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def client(aws: Proxy, ministack_account: World) -> Iterator[Client]:
    """Clients that go through the proxy and never try twice."""
    made: list[Any] = []

    def make(service: str) -> Any:
        made.append(connected(service, aws.endpoint, ministack_account))
        return made[-1]

    yield make
    for each in made:
        each.close()


def connected(service: str, endpoint: str, world: World) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=world.region,
        aws_access_key_id=world.account,
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def table(client: Client, aws: Proxy) -> Any:
    """A client of DynamoDB, and one empty table."""
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.forget()
    return dynamodb


def put(dynamodb: Any, key: str = "1") -> Any:
    return dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": key}}, ReturnConsumedCapacity="TOTAL")


def keys(dynamodb: Any) -> list[str]:
    return sorted(item["pk"]["S"] for item in dynamodb.scan(TableName=TABLE)["Items"])


# --- what happened


def test_every_call_is_told_in_the_words_of_its_service(aws: Proxy, client: Client, table: Any) -> None:
    put(table)
    client("sts").get_caller_identity()
    client("ssm").put_parameter(Name="/a/b", Value="1", Type="String")
    client("secretsmanager").create_secret(Name="s", SecretString="{}")
    s3 = client("s3")
    s3.create_bucket(
        Bucket=f"b-{time.time_ns()}", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"x" * 100_000)
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"x" * 100_000
    s3.head_object(Bucket=bucket, Key="a/b")
    client("cloudformation").list_stacks()

    assert [(call.service, call.operation, call.mutates) for call in aws.calls] == [
        ("dynamodb", "PutItem", True),
        ("sts", "GetCallerIdentity", False),
        ("ssm", "PutParameter", True),
        ("secretsmanager", "CreateSecret", True),
        ("s3", "CreateBucket", True),
        ("s3", "ListBuckets", False),
        ("s3", "PutObject", True),
        ("s3", "GetObject", False),
        ("s3", "HeadObject", False),
        ("cloudformation", "ListStacks", False),
    ]
    assert aws.calls[0].units == 1.0
    assert aws.calls[0].tables == {TABLE}
    assert all(call.status == 200 and call.forwarded and call.seconds > 0 for call in aws.calls)


def test_errors_of_the_server_come_through_and_are_told(aws: Proxy, table: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        table.describe_table(TableName="nothing")
    assert aws.calls[-1].error == "ResourceNotFoundException"


def test_partiql_mutates_where_it_says_so() -> None:
    def asked(statement: str) -> bool:
        headers = {"x-amz-target": "DynamoDB_20120810.ExecuteStatement"}
        return mutating(
            recognised(Request("POST", "/", headers, json.dumps({"Statement": statement}).encode()))
        )

    assert asked('INSERT INTO "t" VALUE {}')
    assert not asked(' select * from "t"')


@pytest.mark.parametrize(
    ("statement", "resource"),
    [('SELECT a FROM "t-1"', "table/t-1"), ('select *\nfrom "t"."by_a" WHERE a = 1', "table/t/index/by_a")],
)
def test_a_select_needs_what_iam_calls_it(statement: str, resource: str) -> None:
    headers = {"x-amz-target": "DynamoDB_20120810.ExecuteStatement"}
    call = recognised(Request("POST", "/", headers, json.dumps({"Statement": statement}).encode()))
    [asked] = Place("111111111111").asked(call)
    assert asked.action == "dynamodb:PartiQLSelect"
    assert asked.resource == f"arn:aws:dynamodb:eu-central-1:111111111111:{resource}"


# --- holding


def test_a_held_call_arrives_when_it_is_released(aws: Proxy, table: Any) -> None:
    held = aws.hold("PutItem")
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(put, table)
        assert held.wait_until_inside().tables == {TABLE}
        assert keys(table) == []
        held.release()
        writing.result()
    assert keys(table) == ["1"]


def test_a_held_call_whose_client_hangs_up_never_arrives(
    aws: Proxy, table: Any, ministack_account: World
) -> None:
    held = aws.hold(on("PutItem", containing='"2"'))
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
    headers = {
        "x-amz-target": "DynamoDB_20120810.PutItem",
        "authorization": f"AWS4-HMAC-SHA256 Credential={ministack_account.account}/20261123/"
        f"{ministack_account.region}/dynamodb/aws4_request, SignedHeaders=host, Signature=x",
    }
    connection.request("POST", "/", json.dumps({"TableName": TABLE, "Item": {"pk": {"S": "2"}}}), headers)
    held.wait_until_inside()
    connection.close()
    while not aws.of("PutItem"):  # until the proxy has noticed
        time.sleep(0.01)
    held.release()
    assert keys(table) == []
    assert not aws.of("PutItem")[0].forwarded


def test_an_answer_can_be_held_when_the_deed_is_done(aws: Proxy, table: Any) -> None:
    held = aws.hold("PutItem", when="answered")
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(put, table)
        held.wait_until_inside()
        assert keys(table) == ["1"]
        held.release()
        writing.result()


def test_what_is_held_can_be_abandoned(aws: Proxy, table: Any) -> None:
    held = aws.hold("PutItem")
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(put, table)
        held.wait_until_inside()
        held.abandon()
        with pytest.raises(ConnectionClosedError):
            writing.result()
    put(table, "2")
    assert keys(table) == ["2"]


# --- refusing


def test_the_next_calls_are_throttled_and_then_no_more(aws: Proxy, table: Any) -> None:
    rule = aws.throttle("PutItem", times=2)
    for _ in range(2):
        with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
            put(table)
    put(table)
    assert rule.hits == 2
    assert [call.error for call in aws.of("PutItem")] == ["ProvisionedThroughputExceededException"] * 2 + [""]


def test_a_share_of_the_calls_is_throttled_evenly(aws: Proxy, table: Any) -> None:
    rule = aws.throttle("PutItem", share=0.3)
    refused = 0
    for number in range(20):
        try:
            put(table, str(number))
        except table.exceptions.ProvisionedThroughputExceededException:
            refused += 1
    assert refused == rule.hits == 6


def test_expired_credentials_are_refused_in_every_protocol(aws: Proxy, client: Client, table: Any) -> None:
    asks: list[Callable[[], Any]] = [
        lambda: put(table),
        client("sts").get_caller_identity,
        client("cloudformation").list_stacks,
        client("s3").list_buckets,
        lambda: client("ssm").get_parameter(Name="/a"),
    ]
    with aws.expire():
        for ask in asks:
            with pytest.raises(ClientError) as refused:
                ask()
            assert refused.value.response["Error"]["Code"] in ("ExpiredToken", "ExpiredTokenException")
    put(table)


def test_part_of_a_batch_is_given_back(aws: Proxy, table: Any) -> None:
    aws.unprocess(3, times=1)
    writes = [{"PutRequest": {"Item": {"pk": {"S": str(number)}}}} for number in range(5)]
    left = table.batch_write_item(RequestItems={TABLE: writes})["UnprocessedItems"]
    assert left == {TABLE: writes[2:]}
    assert keys(table) == ["0", "1"]
    assert table.batch_write_item(RequestItems=left)["UnprocessedItems"] == {}
    assert keys(table) == ["0", "1", "2", "3", "4"]


def test_a_lost_question_did_nothing_and_a_lost_answer_did(aws: Proxy, table: Any) -> None:
    aws.drop("PutItem")
    aws.drop("PutItem", when="answered")
    with pytest.raises(ConnectionClosedError):
        put(table, "asked")
    with pytest.raises(ConnectionClosedError):
        put(table, "answered")
    put(table, "both")
    assert keys(table) == ["answered", "both"]
    assert [call.forwarded for call in aws.of("PutItem")] == [False, True, True]


def test_one_service_may_be_out_of_reach(aws: Proxy, client: Client, table: Any) -> None:
    aws.unreachable("sts")
    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        client("sts").get_caller_identity()
    put(table)


def test_calls_may_take_their_time(aws: Proxy, table: Any) -> None:
    aws.delay("PutItem", 0.2, times=1)
    put(table)
    put(table)
    slow, fast = aws.of("PutItem")
    assert slow.seconds >= 0.2 > fast.seconds


def test_any_error_can_be_answered_for_calls_that_are_described(aws: Proxy, table: Any) -> None:
    with aws.refuse(on("PutItem", containing='"7"'), "InternalServerError", "try again", status=500):
        put(table, "6")
        with pytest.raises(ClientError, match=r"InternalServerError.*try again"):
            put(table, "7")
    put(table, "7")


def test_a_cancelled_transaction_says_why(aws: Proxy, table: Any) -> None:
    reasons = [{"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}]
    aws.refuse(
        "TransactWriteItems",
        "TransactionCanceledException",
        "Transaction cancelled",
        CancellationReasons=reasons,
    )
    with pytest.raises(table.exceptions.TransactionCanceledException) as refused:
        table.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": {"pk": {"S": "1"}}}}])
    assert refused.value.response["CancellationReasons"] == reasons


def test_many_clients_at_once_get_their_own_answers(aws: Proxy, ministack_account: World, table: Any) -> None:
    def write(worker: int) -> None:
        mine = connected("dynamodb", aws.endpoint, ministack_account)
        for number in range(20):
            put(mine, f"{worker:02}-{number:02}")
        mine.close()

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys(table)) == 160
    assert sum(call.units for call in aws.of("PutItem")) == 160


# --- CloudFormation as strict as AWS's


def template(*indexes: str, **changes: Any) -> str:
    """Return a template of one table with these indexes, whose properties may be changed."""
    properties = {
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in ("pk", *indexes)],
        "GlobalSecondaryIndexes": [index(each) for each in indexes],
        **changes,
    }
    return json.dumps({"Resources": {"Courses": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}})


def index(attribute: str, projection: str = "ALL") -> dict[str, Any]:
    return {
        "IndexName": f"by_{attribute}",
        "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": projection},
    }


def deploy(cloudformation: Any, body: str) -> str:
    """Execute a change set as the CDK does, and return the status that the stack ends with."""
    stacks = [each["StackName"] for each in cloudformation.describe_stacks()["Stacks"]]
    name = f"c-{time.time_ns()}"
    cloudformation.create_change_set(
        StackName=STACK,
        ChangeSetName=name,
        ChangeSetType="UPDATE" if STACK in stacks else "CREATE",
        TemplateBody=body,
    )
    cloudformation.get_waiter("change_set_create_complete").wait(StackName=STACK, ChangeSetName=name)
    cloudformation.execute_change_set(StackName=STACK, ChangeSetName=name)
    return settled(cloudformation)


def settled(cloudformation: Any) -> str:
    while (status := cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]).endswith(
        "_IN_PROGRESS"
    ):
        time.sleep(0.05)
    return str(status)


def reason(cloudformation: Any) -> str:
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    return str(
        next(each["ResourceStatusReason"] for each in events if each["ResourceStatus"].endswith("_FAILED"))
    )


EXPIRES = {"AttributeName": "expires", "Enabled": True}

REFUSED = {
    "two indexes": (template(), template("a", "b"), "Cannot perform more than one GSI creation or deletion"),
    "one for another": (
        template("a"),
        template("b"),
        "Cannot perform more than one GSI creation or deletion",
    ),
    "an index changed": (
        template("a"),
        template("a", GlobalSecondaryIndexes=[index("a", "KEYS_ONLY")]),
        "Cannot update GSI's properties other than",
    ),
    "the key changed": (
        template("a"),
        template(
            "a",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "a", "KeyType": "RANGE"},
            ],
        ),
        f"cannot update a stack when a custom-named resource requires replacing. Rename {TABLE} and",
    ),
    "the key's type changed": (
        template(),
        template(AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "N"}]),
        "requires replacing",
    ),
    "an attribute too many": (
        template("a"),
        template("a", GlobalSecondaryIndexes=[]),
        "Number of attributes in KeySchema does not exactly match",
    ),
    "an attribute missing": (
        template(),
        template(GlobalSecondaryIndexes=[index("a")]),
        "Some index key attributes are not defined in AttributeDefinitions. Keys: [a]",
    ),
    "another expiry": (
        template(TimeToLiveSpecification=EXPIRES),
        template(TimeToLiveSpecification={"AttributeName": "until", "Enabled": True}),
        "TimeToLive is active on a different AttributeName: current AttributeName is expires",
    ),
    "no expiry any more": (
        template(TimeToLiveSpecification=EXPIRES),
        template(),
        "AttributeName property of TimeToLiveSpecification is required",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_cloudformation_refuses_what_aws_refuses_and_leaves_the_table_alone(
    aws: Proxy, client: Client, case: str
) -> None:
    before, after, why = REFUSED[case]
    guard = aws.add(CloudFormationGuard())
    cloudformation, dynamodb = client("cloudformation"), client("dynamodb")
    assert deploy(cloudformation, before) == "CREATE_COMPLETE"
    put(dynamodb)
    was = dynamodb.describe_table(TableName=TABLE)["Table"]
    assert deploy(cloudformation, after) == "UPDATE_ROLLBACK_COMPLETE"
    assert why in reason(cloudformation)
    assert why in guard.refused[0].reason
    assert dynamodb.describe_table(TableName=TABLE)["Table"]["KeySchema"] == was["KeySchema"]
    assert keys(dynamodb) == ["1"]
    fine = json.loads(before)
    fine["Resources"]["Courses"]["Properties"]["Tags"] = [{"Key": "a", "Value": "b"}]
    assert deploy(cloudformation, json.dumps(fine)) == "UPDATE_COMPLETE"


def test_one_index_at_a_time_goes_through(aws: Proxy, client: Client) -> None:
    aws.add(CloudFormationGuard())
    cloudformation = client("cloudformation")
    assert deploy(cloudformation, template()) == "CREATE_COMPLETE"
    for indexes in (["a"], ["a", "b"], ["b"], []):
        assert deploy(cloudformation, template(*indexes)) == "UPDATE_COMPLETE"


def test_expiry_may_change_once_an_hour(aws: Proxy, client: Client) -> None:
    aws.add(CloudFormationGuard())
    cloudformation = client("cloudformation")
    deploy(cloudformation, template(TimeToLiveSpecification=EXPIRES))
    off = template(TimeToLiveSpecification={**EXPIRES, "Enabled": False})
    assert deploy(cloudformation, off) == "UPDATE_COMPLETE"
    assert deploy(cloudformation, template(TimeToLiveSpecification=EXPIRES)) == "UPDATE_ROLLBACK_COMPLETE"
    assert "modified multiple times within a fixed interval" in reason(cloudformation)


def test_a_table_that_exists_is_not_taken_over(aws: Proxy, client: Client, table: Any) -> None:
    aws.add(CloudFormationGuard())
    cloudformation = client("cloudformation")
    put(table)
    assert deploy(cloudformation, template()) == "ROLLBACK_COMPLETE"
    assert f"with identifier '{TABLE}' already exists" in reason(cloudformation)
    assert keys(table) == ["1"]


def test_an_update_without_a_change_set_is_refused_in_the_same_way(aws: Proxy, client: Client) -> None:
    aws.add(CloudFormationGuard())
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=STACK, TemplateBody=template())
    settled(cloudformation)
    told = cloudformation.update_stack(StackName=STACK, TemplateBody=template("a", "b"))
    assert f":stack/{STACK}/" in told["StackId"]
    assert settled(cloudformation) == "UPDATE_ROLLBACK_COMPLETE"


def test_a_template_in_s3_is_looked_at_as_well(aws: Proxy, client: Client, ministack_account: World) -> None:
    aws.add(CloudFormationGuard())
    cloudformation, s3 = client("cloudformation"), client("s3")
    deploy(cloudformation, template())
    bucket = f"assets-{ministack_account.account}"
    s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": ministack_account.region}
    )
    s3.put_object(Bucket=bucket, Key="t.json", Body=template("a", "b").encode())
    url = f"https://s3.{ministack_account.region}.amazonaws.com/{bucket}/t.json"
    cloudformation.update_stack(StackName=STACK, TemplateURL=url)
    assert settled(cloudformation) == "UPDATE_ROLLBACK_COMPLETE"


def test_a_new_index_is_built_for_a_while_and_the_stack_waits_for_it(aws: Proxy, client: Client) -> None:
    aws.add(CloudFormationGuard(building_polls=3))
    cloudformation, dynamodb = client("cloudformation"), client("dynamodb")
    deploy(cloudformation, template())
    put(dynamodb)
    cloudformation.update_stack(StackName=STACK, TemplateBody=template("a"))
    told = dynamodb.describe_table(TableName=TABLE)["Table"]["GlobalSecondaryIndexes"][0]
    assert (told["IndexStatus"], told["Backfilling"]) == ("CREATING", True)
    with pytest.raises(ClientError, match="Cannot read from backfilling global secondary index: by_a"):
        dynamodb.scan(TableName=TABLE, IndexName="by_a")
    with pytest.raises(ClientError, match="is in UPDATE_IN_PROGRESS state and can not be updated"):
        cloudformation.update_stack(StackName=STACK, TemplateBody=template())
    assert cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"] == "UPDATE_IN_PROGRESS"
    assert settled(cloudformation) == "UPDATE_COMPLETE"
    told = dynamodb.describe_table(TableName=TABLE)["Table"]["GlobalSecondaryIndexes"][0]
    assert told["IndexStatus"] == "ACTIVE"
    dynamodb.scan(TableName=TABLE, IndexName="by_a")


def test_an_index_may_be_built_longer_than_the_stack_waits(aws: Proxy, client: Client) -> None:
    aws.add(CloudFormationGuard(building_seconds=600, stack_waits=False))
    cloudformation, dynamodb = client("cloudformation"), client("dynamodb")
    deploy(cloudformation, template())
    assert deploy(cloudformation, template("a")) == "UPDATE_COMPLETE"
    told = dynamodb.describe_table(TableName=TABLE)["Table"]["GlobalSecondaryIndexes"][0]
    assert told["IndexStatus"] == "CREATING"
