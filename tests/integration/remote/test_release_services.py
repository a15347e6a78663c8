"""Which images services run, asked by who takes the steps of a release, with no more rights than that."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.aws import clients, rights, services
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Denied
from seedbed.model.secret import Secret
from tests.integration.remote.conftest import BUCKET, TABLE
from tests.support.aws_proxy import Policies, Proxy


def test_who_releases_sees_the_services_of_all_clusters_and_others_do_not(aws: Proxy, cloud: Cloud) -> None:
    environment = f"dev-{uuid.uuid4().hex[:8]}"
    tags = {"platform": "sample", "environment": environment}

    def ask(operation: str, **parameters: Any) -> None:
        clients.call(cloud, "ecs", operation, **parameters)

    ask("CreateCluster", clusterName=environment)
    container = {"name": "web", "image": "api:1", "memory": 64}
    ask("RegisterTaskDefinition", family=environment, containerDefinitions=[container])
    told = [{"key": key, "value": value} for key, value in tags.items()]
    ask(
        "CreateService",
        cluster=environment,
        serviceName="api",
        taskDefinition=environment,
        desiredCount=0,
        tags=told,
    )
    judge = aws.add(Policies(account=cloud.account, region=cloud.region))
    names = rights.Names("sample", environment, "aws", cloud.account, cloud.region, TABLE, BUCKET)
    for kind in (rights.RELEASE, rights.DEPLOY, rights.APPROVE):
        judge.caller(kind, names)
    releasing = replace(cloud, session_token=Secret(rights.RELEASE))
    found = services.services(releasing, tags)
    assert [each.name for each in found] == ["api"]
    # It has no task, and would start an image that is named by a tag.
    assert services.running(releasing, tags) == [
        services.RunningTask("api", frozenset(), False, is_idle=True)
    ]
    # It is asked where a service has tasks, which nothing runs here.
    task = f"arn:aws:ecs:{cloud.region}:{cloud.account}:task/{environment}/{'0' * 32}"
    clients.call(releasing, "ecs", "DescribeTasks", cluster=environment, tasks=[task])
    for kind in (rights.DEPLOY, rights.APPROVE):
        with pytest.raises(Denied):
            services.services(replace(cloud, session_token=Secret(kind)), tags)
