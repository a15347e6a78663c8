"""Fixtures that all tests share: real servers for the session, fresh databases on them, throw-away projects."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import hypothesis
import msgspec
import pytest

from seedbed.engines.dynamodb.sandbox.local import dynamodb_local
from seedbed.engines.dynamodb.sandbox.ministack import ministack
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from tests.support.dynamodb.accounts import Accounts
from tests.support.opensearch.beside import beside_another
from tests.support.postgres.clusters import new_cluster
from tests.support.postgres.databases import empty_database
from tests.support.projects import ProjectFiles
from tests.support.servers import (
    Lend,
    Pool,
    Settings,
    home_in_memory,
    neo4j_pool,
    new_account,
    opensearch_pool,
    quick_folder,
    remove_soon,
)

pytest.register_assert_rewrite("seedbed.testing")  # before a test imports it
pytest_plugins = [f"tests.plugins.{each}" for each in ("no_silent_skips", "slow_marks", "order", "rights")]

# How long an example takes says more about the machine than about the code. `make soak` tries many more of them.
hypothesis.settings.register_profile(
    "seedbed",
    hypothesis.settings(),  # in CI that is one whose examples are always the same
    max_examples=int(os.environ.get("SEEDBED_EXAMPLES", "50")),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("seedbed")

# To validate templates takes the CDK five seconds of a processor before it begins, in every app that is synthesised.
# tests/unit/cdk has the whole platform validated.
os.environ["CDK_VALIDATION"] = "false"

# A shell lets what it starts in the background ignore Ctrl-C, and so do children: tests press it all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without a look for garbage. What is there then stays, so that no later look goes through it again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def shared_path(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The directory that all workers of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def postgres_server(servers_home: Path) -> Iterator[EmbeddedServer]:
    """A PostgreSQL that all workers of this run share; SEEDBED_PG_BIN chooses which.

    In memory: the three hundred files of a database take five times as long on a disk, most of it in the kernel.
    """
    with embedded(servers_home) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(shared_path: Path) -> Path:
    """The data directory of a cluster as initdb makes it: `furnish` gives a sandbox a copy."""
    return new_cluster(shared_path)


@pytest.fixture(scope="session")
def ministack_server(shared_path: Path) -> Iterator[World]:
    """An AWS that all workers of this run share: take `ministack_account` for one that is empty."""
    with ministack(shared_path / "aws", keeps=False) as world:
        yield world


@pytest.fixture(scope="session")
def dynamodb_local_server(shared_path: Path) -> Iterator[World]:
    """A DynamoDB Local that all workers of this run share: take `dynamodb_local_account` for one that is empty."""
    with dynamodb_local(shared_path / "aws") as world:
        yield world


@pytest.fixture(scope="session")
def dynamodb_local_accounts(dynamodb_local_server: World) -> Accounts:
    """Accounts to be borrowed; a test that needs one takes `dynamodb_local_account`."""
    return Accounts(dynamodb_local_server)


@pytest.fixture
def ministack_account(ministack_server: World) -> World:
    """An AWS account that nobody else uses, with everything that a deployment needs."""
    return msgspec.structs.replace(ministack_server, account=new_account())


@pytest.fixture
def dynamodb_local_account(dynamodb_local_accounts: Accounts) -> Iterator[World]:
    """Tables that nobody else uses, on the server that refuses what AWS refuses."""
    with dynamodb_local_accounts.borrowed() as world:
        yield world


@pytest.fixture(scope="session")
def servers_home(shared_path: Path) -> Iterator[Path]:
    """Where the databases' servers keep their data, for all workers of this run."""
    with home_in_memory(shared_path) as home:
        yield home


@pytest.fixture(scope="session")
def neo4j_servers(servers_home: Path) -> Iterator[Pool]:
    """Neo4j servers to be borrowed; a test that needs one takes `neo4j_settings`."""
    with closing(neo4j_pool(servers_home)) as pool:
        yield pool


@pytest.fixture(scope="session")
def opensearch_servers(servers_home: Path) -> Iterator[Pool]:
    """OpenSearch clusters to be borrowed; a test that needs one takes `opensearch_settings`."""
    with closing(opensearch_pool(servers_home)) as pool:
        yield pool


@pytest.fixture(scope="session")
def trees() -> None:
    """Taken by tests that look at every module as a tree: one worker has them all, and parses each once."""


@pytest.fixture
def neo4j_settings(neo4j_servers: Pool) -> Iterator[Settings]:
    """The settings of an empty Neo4j that no other test uses meanwhile."""
    with neo4j_servers.borrowed() as settings:
        yield settings


@pytest.fixture
def opensearch_settings(opensearch_servers: Pool) -> Iterator[Settings]:
    """The settings of an empty OpenSearch that no other test uses meanwhile.

    With SEEDBED_TESTS_PREFIX=1 it is the part of one environment on a domain that another one shares.
    """
    with opensearch_servers.borrowed() as settings:
        if not os.environ.get("SEEDBED_TESTS_PREFIX"):
            yield settings
            return
        with beside_another(settings) as part:
            yield part


@pytest.fixture
def lent(servers_home: Path, neo4j_servers: Pool, opensearch_servers: Pool) -> Iterator[Lend]:
    """A function that has a sandbox find a Neo4j and an OpenSearch which run already, for the time of a test.

    Called with the sandbox's home, which is not there yet, and the directories of the two.
    """
    with ExitStack() as lending:

        def lend(home: Path, neo4j: Collection[str], opensearch: Collection[str]) -> None:
            there = servers_home / "lent" / uuid.uuid4().hex[:8]
            there.mkdir(parents=True)
            lending.callback(shutil.rmtree, there)
            home.parent.mkdir(parents=True, exist_ok=True)
            home.symlink_to(there)
            lending.enter_context(neo4j_servers.lent(there, *neo4j))
            lending.enter_context(opensearch_servers.lent(there, *opensearch))

        yield lend


@pytest.fixture
def new_database(postgres_server: EmbeddedServer) -> Iterator[Callable[[], str]]:
    """A function that makes an empty database and returns its name; they are dropped after the test."""
    with ExitStack() as made:
        yield lambda: made.enter_context(empty_database(postgres_server))


@pytest.fixture
def postgres_database(postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> str:
    """The conninfo of an empty database."""
    settings = postgres_server.dsn(new_database())
    return " ".join(f"{key}={value}" for key, value in settings.items())


@pytest.fixture
def files(tmp_path: Path) -> ProjectFiles:
    """An empty project of one service `user` with one PostgreSQL database."""
    return ProjectFiles(tmp_path)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path is short enough for the sandbox's socket, and that the sandbox's user may pass."""
    path = Path(tempfile.mkdtemp(prefix="seedbed-t-", dir=quick_folder()))
    path.chmod(0o755)
    try:
        yield path
    finally:
        remove_soon(path)
