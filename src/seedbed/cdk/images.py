"""Container images by their names."""

from __future__ import annotations

import re

from aws_cdk import Aws
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from seedbed.errors import Refused
from seedbed.model.environment import Environment

_ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<name>[a-z0-9._/-]+)(?::(?P<tag>[\w.-]+)|@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def container_image(scope: Construct, name: str, environment: Environment) -> ecs.ContainerImage:
    """Return the image `name`; for one in ECR, of any account, the task is also given the right to pull it.

    Raises Refused where the environment is protected, and a tag could be moved to another image.
    """
    if environment.protected and "@sha256:" not in name:
        raise Refused(
            f"{name} is not named by its digest, and {environment.name} is protected",
            because="a tag can be moved: another image would run than the one that was reviewed",
            try_="name it as NAME@sha256:DIGEST; docker push prints the digest, and so does"
            " aws ecr describe-images",
        )
    found = _ECR.fullmatch(name)
    if found is None:
        return ecs.ContainerImage.from_registry(name)
    repository = ecr.Repository.from_repository_attributes(
        scope,
        "Image",
        repository_name=found["name"],
        repository_arn=f"arn:{Aws.PARTITION}:ecr:{found['region']}:{found['account']}:repository/{found['name']}",
    )
    return ecs.ContainerImage.from_ecr_repository(repository, found["digest"] or found["tag"] or "latest")
