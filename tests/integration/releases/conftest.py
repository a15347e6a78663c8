"""A platform with a release that was just opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres import snapshots as dispatch
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.snapshots import clusters
from seedbed.project.releasing import children
from tests.support.aws_proxy import Proxy
from tests.support.dynamodb import snapshot_site as courses
from tests.support.edtech_release.site import Brought, Checkout, Site, asking, checkout, former, synthesised
from tests.support.forked import DOOR
from tests.support.kept_snapshots import KeptCourses, KeptNotes, KeptTutors, KeptUsers
from tests.support.neo4j import snapshot_site as tutors
from tests.support.opensearch import snapshot_site as notes
from tests.support.postgres import snapshot_site as users
from tests.support.postgres.aurora import aurora
from tests.support.postgres.databases import empty_database
from tests.support.projects import ProjectFiles
from tests.support.released import Users, write_users
from tests.support.released_sites import Released
from tests.support.servers import Pool, Settings
from tests.support.warm_commands import WarmCommands


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedServer) -> Path:
    """A platform with a release that was just opened on an empty database: its plans fit every empty one."""
    root = tmp_path_factory.mktemp("opened")
    files = ProjectFiles(root)
    write_users(files)
    with empty_database(postgres_server) as database:
        site = Users(root, postgres_server, database)
        site.build()
        ran = site.open("--as", "github:ana")
    assert ran.code == 0, ran.everything
    return root


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The program that the commands of steps are, without a new interpreter for each; not for tests that kill."""
    home = tmp_path_factory.mktemp("warm")
    commands = WarmCommands(home)
    yield str(home / "seedbed")
    commands.close()


@pytest.fixture(autouse=True)
def warm_here(warm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a release is taken further in this process."""
    monkeypatch.setattr(children, "SEEDBED", (warm,))


@pytest.fixture
def site(
    opened: Path, tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str], warm: str
) -> Users:
    shutil.copytree(opened, tmp_path, dirs_exist_ok=True)
    found = Users(tmp_path, postgres_server, new_database())
    found.env = {**found.env, DOOR: warm}
    return found


@pytest.fixture
def attribute(tmp_path: Path, ministack_account: World, aws: Proxy) -> Iterator[Released]:
    site = courses.Site(tmp_path, ministack_account, aws)
    with closing(site.client):
        yield Released(KeptCourses(site), "DynamoDB")


@pytest.fixture
def column(
    tmp_path: Path,
    ministack_account: World,
    aws: Proxy,
    postgres_server: EmbeddedServer,
    new_database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Released]:
    monkeypatch.setattr(dispatch, "is_rds", lambda host: host == "127.0.0.1")
    monkeypatch.setattr(clusters, "cluster_id", lambda _: users.CLUSTER)
    with aurora(aws, postgres_server) as rds:
        site = users.Site(tmp_path, ministack_account, aws, rds, postgres_server, new_database())
        yield Released(KeptUsers(site), "PostgreSQL on Aurora")


@pytest.fixture
def index(tmp_path: Path, opensearch_settings: Settings) -> Iterator[Released]:
    if opensearch_settings.get("prefix"):
        pytest.skip("a part of a domain that others share has no snapshots of its own")
    site = notes.Site(tmp_path, opensearch_settings)
    site.register()
    with closing(site.client):
        try:
            yield Released(KeptNotes(site), "OpenSearch")
        finally:
            site.client.ask("DELETE", f"/_snapshot/seedbed/seedbed-{site.platform}-staging-ai-*")
            site.forget()


@pytest.fixture
def label(tmp_path: Path, neo4j_settings: Settings) -> Released:
    return Released(KeptTutors(tutors.Site(tmp_path, neo4j_settings)), "Neo4j")


@pytest.fixture
def platform(tmp_path: Path, shared_path: Path, ministack_server: World) -> Checkout:
    """Edtech as it is checked out, with the release."""
    return checkout(tmp_path, ministack_server, synthesised(shared_path / "edtech-releases"))


@pytest.fixture
def brought(
    platform: Checkout,
    short_path: Path,
    cluster: Path,
    neo4j_servers: Pool,
    opensearch_servers: Pool,
) -> Brought:
    """What yields an environment with edtech as it was before the release."""

    @contextmanager
    def bring(name: str) -> Iterator[Site]:
        home, directory = short_path / name, platform.root / f"of-{name}"
        home.mkdir(mode=0o755)
        directory.mkdir()
        with (
            asking(home, cluster) as server,
            neo4j_servers.borrowed() as graph,
            opensearch_servers.borrowed() as search,
            former(platform, name, directory, server, graph, search) as site,
        ):
            yield site

    return bring
