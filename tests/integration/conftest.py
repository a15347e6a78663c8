"""What tests of several files deploy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.model.environment import WITHOUT
from tests.support.aws_proxy import Proxy, proxy
from tests.support.deployment.application import STACK
from tests.support.deployment.in_base import BASE, with_base, write_in_base
from tests.support.deployment.inside import Authority, ask_for_passwords
from tests.support.deployment.releases import Shop, Synthesis, release, synthesise
from tests.support.deployment.sandbox_shop import write_sandbox_shop
from tests.support.deployment.stage import BY_TASK, GRAPH, IMAGE, one_database, one_service
from tests.support.fargate import Fargate, Pipes, fargate, piping, seedbed_image
from tests.support.postgres.clusters import furnish

WITH_IMAGES = {
    "image": f"444444444444.dkr.ecr.eu-central-1.amazonaws.com/seedbed@sha256:{'1' * 64}",
    "graph-image": f"444444444444.dkr.ecr.eu-central-1.amazonaws.com/neo4j@sha256:{'2' * 64}",
}
ENGINES = ("postgres", "dynamodb", "opensearch", "neo4j")
EDTECH = Path(__file__).parents[2] / "edtech"


@pytest.fixture(scope="session")
def assemblies(shared_path: Path) -> Path:
    """All that tests deploy without running an app: synthesised once for all workers, in directories by name."""
    made = shared_path / "assemblies"
    flags = json.loads((EDTECH / "cdk" / "cdk.json").read_text())["context"]
    synthesise(
        [
            *(release("one", each) for each in ("dev-ana", "staging", "prod")),
            *(release(name, each) for name in ("half", "two") for each in ("dev-ana", "staging")),
            release("other_key", "dev-ana"),
            release("hotfix", "staging"),
            Synthesis("sandbox-shop", "sandbox", write_sandbox_shop),
            Synthesis("edtech-dev-ana", "dev-ana", root=EDTECH, context=flags),
            Synthesis("whole-dev-ana", "dev-ana", root=EDTECH, context={**flags, **WITH_IMAGES}),
            Synthesis(
                "whole-prod",
                "prod",
                root=EDTECH,
                context={**flags, **WITH_IMAGES, "graph-on-nfs": "accepted"},
            ),
            Synthesis("by_task-dev-ana", "dev-ana", one_database("postgres", more=BY_TASK), more=STACK),
            Synthesis(
                "all_by_task-dev-ana", "dev-ana", one_service(ENGINES, more=BY_TASK + GRAPH), more=STACK
            ),
            *(
                Synthesis(f"base-{each}", each, write_in_base, context=flags)
                for each in (BASE, "dev-ana", "dev-ben")
            ),
            Synthesis("base-two", "dev-ana", write_in_base, context={**flags, WITHOUT: "dynamodb,neo4j"}),
            *(
                Synthesis(f"{each}-dev-ana", "dev-ana", one_database(each))
                for each in ("postgres", "opensearch")
            ),
        ],
        made,
    )
    return made


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def tasks(aws: Proxy, ministack_account: World) -> Iterator[Fargate]:
    """What starts tasks, whose calls are judged by what their roles may do."""
    with fargate(aws, ministack_account, judged=True) as running:
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def asking(short_path: Path, cluster: Path) -> Iterator[EmbeddedServer]:
    """A PostgreSQL that asks for passwords."""
    furnish(short_path, cluster)
    with embedded(short_path) as server:
        ask_for_passwords(server)
        yield server


@pytest.fixture
def pipes(tasks: Fargate, ministack_account: World) -> Iterator[Pipes]:
    """What starts tasks by the pipes of the account."""
    with piping(tasks, ministack_account) as running:
        yield running


@pytest.fixture
def in_base(
    tmp_path: Path,
    ministack_account: World,
    assemblies: Path,
    aws: Proxy,
    tasks: Fargate,
    pipes: Pipes,
    authority: Authority,
) -> Shop:
    """A platform with a base that is deployed, and nothing in it."""
    image = seedbed_image(aws=aws.endpoint, authorities=authority.bundle)
    tasks.images[IMAGE] = replace(image, directory=tmp_path)
    return replace(with_base(tmp_path, ministack_account, assemblies), endpoint=aws.endpoint)
