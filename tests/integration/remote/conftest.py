"""An environment's table and bucket on a real server of AWS's APIs, behind a proxy on which things go wrong."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.remote.control import Control
from seedbed.remote.records import Ask
from tests.support.afar import PASSWORD, Afar, define, judged, make_network, names_of, put_facts
from tests.support.aws_proxy import Proxy, proxy
from tests.support.fargate import Fargate, fargate
from tests.support.projects import ProjectFiles, variables
from tests.support.remote import asked, make_records
from tests.support.servers import new_account

TABLE = "sample-dev-seedbed"
BUCKET = f"sample-dev-seedbed-{uuid.uuid4().hex[:12]}"  # one name in all accounts of a server, as in AWS


@pytest.fixture(scope="session")
def shared_aws(ministack_server: World) -> Iterator[tuple[Proxy, World]]:
    """A proxy and an account for all tests of this directory in one process: a client costs more than a test."""
    world = replace(ministack_server, account=new_account())
    with proxy(world.endpoint) as running:
        world = replace(world, endpoint=running.endpoint)
        make_records(world.cloud, TABLE, BUCKET)
        yield running, world


@pytest.fixture
def aws(shared_aws: tuple[Proxy, World]) -> Iterator[Proxy]:
    """The proxy, without a rule at first and at the end."""
    running, _ = shared_aws
    running.forget()
    yield running
    running.clear()


@pytest.fixture
def cloud(shared_aws: tuple[Proxy, World]) -> Cloud:
    return shared_aws[1].cloud


@pytest.fixture
def control(aws: Proxy, cloud: Cloud, ask: Ask) -> Control:
    """The records of the environment of `ask`, which lie where those of all tests do."""
    return Control(Table(cloud, TABLE), Bucket(cloud, BUCKET), ask.environment)


@pytest.fixture
def ask() -> Ask:
    """A call of apply in an environment that no other test has."""
    return asked(f"dev-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def tasks(aws: Proxy, shared_aws: tuple[Proxy, World]) -> Iterator[Fargate]:
    """What runs tasks in the place of ECS, until the end of the test."""
    with fargate(aws, replace(shared_aws[1], endpoint=aws.upstream)) as tasks:
        yield tasks


@pytest.fixture(scope="session")
def network(shared_aws: tuple[Proxy, World]) -> dict[str, str]:
    return make_network(shared_aws[1].cloud)


@pytest.fixture
def afar(
    tmp_path: Path,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
    aws: Proxy,
    cloud: Cloud,
    control: Control,
    network: dict[str, str],
) -> Afar:
    """A project with an environment of its own, and a fresh database in that."""
    root = tmp_path / "project"
    root.mkdir()
    files = ProjectFiles(root)
    name = control.environment
    manifest = root / "seedbed.toml"
    text = manifest.read_text().replace(
        '[environments."dev-*"]\naccount = "111111111111"\n',
        f'[environments."dev-*"]\naccount = "{cloud.account}"\nregion = "{cloud.region}"\naccess = "task"\n',
    )
    manifest.write_text(text)
    assert cloud.secret_key is not None
    access = {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key.reveal(),
    }
    inside = {
        **variables(postgres_server, new_database()),
        "DB_PASSWORD": PASSWORD,
        "SEEDBED_CONTROL_TABLE": control.table.name,
        "SEEDBED_CONTROL_BUCKET": control.bucket.name,
        "SEEDBED_ENV": name,
        "SEEDBED_FILES": "upload",
        "AWS_REGION": cloud.region,
    }
    definition = define(cloud, inside)
    facts = {
        "control": {"table": control.table.name, "bucket": control.bucket.name, "log-group": "x"},
        "task": {**network, "task-definition": definition},
    }
    put_facts(cloud, "sample", name, facts)
    names = names_of(cloud, name, control, definition)
    return Afar(files, name, control, inside, access, judged(aws, cloud, names), names)
