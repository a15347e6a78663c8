"""Where the secrets of an environment might have come to lie: all that AWS keeps of it, but Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.deployment.releases import Shop

LEAST = 8  # characters of a secret: a shorter one stands everywhere


def secrets(shop: Shop) -> set[str]:
    """Return every password that Secrets Manager has."""
    found = set[str]()
    for each in shop.ask("secretsmanager", "ListSecrets")["SecretList"]:
        value = shop.ask("secretsmanager", "GetSecretValue", SecretId=each["ARN"])["SecretString"]
        found.add(json.loads(value).get("password", "") if value.startswith("{") else value)
    return {each for each in found if len(each) >= LEAST}


def places(shop: Shop) -> Iterator[tuple[str, str]]:
    """Yield what is kept, by where: templates, change sets, parameters, definitions, records, objects, logs."""

    def ask(service: str, operation: str, **parameters: Any) -> Any:
        return shop.ask(service, operation, **parameters)

    for stack in ask("cloudformation", "DescribeStacks")["Stacks"]:
        name = stack["StackName"]
        yield f"stack {name}", repr(stack)
        yield f"template {name}", repr(ask("cloudformation", "GetTemplate", StackName=name)["TemplateBody"])
        for each in ask("cloudformation", "ListChangeSets", StackName=name)["Summaries"]:
            told = ask(
                "cloudformation", "DescribeChangeSet", StackName=name, ChangeSetName=each["ChangeSetName"]
            )
            yield f"change set {each['ChangeSetName']}", repr(told)
    parameters = ask("ssm", "GetParametersByPath", Path="/", Recursive=True)
    yield "parameters", repr(parameters["Parameters"])
    for arn in ask("ecs", "ListTaskDefinitions")["taskDefinitionArns"]:
        found = ask("ecs", "DescribeTaskDefinition", taskDefinition=arn)["taskDefinition"]
        yield f"definition {arn}", repr(found)
    for table in ask("dynamodb", "ListTables")["TableNames"]:
        yield f"table {table}", repr(ask("dynamodb", "Scan", TableName=table)["Items"])
    for bucket in ask("s3", "ListBuckets")["Buckets"]:
        for each in ask("s3", "ListObjectsV2", Bucket=bucket["Name"]).get("Contents", ()):
            data = ask("s3", "GetObject", Bucket=bucket["Name"], Key=each["Key"])["Body"].read()
            yield f"object {each['Key']}", data.decode("utf-8", "replace")
    for group in ask("logs", "DescribeLogGroups")["logGroups"]:
        events = ask("logs", "FilterLogEvents", logGroupName=group["logGroupName"])["events"]
        yield f"log {group['logGroupName']}", repr(events)
