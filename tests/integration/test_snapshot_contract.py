"""Every engine keeps the contract of snapshots, on servers and on what behaves like AWS; so does an engine of others."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.engines import registry  # noqa: E402
from seedbed.engines.dynamodb.sandbox.world import World  # noqa: E402
from seedbed.engines.postgres import snapshots as dispatch  # noqa: E402
from seedbed.engines.postgres.sandbox import EmbeddedServer  # noqa: E402
from seedbed.engines.postgres.snapshots import clusters  # noqa: E402
from seedbed.execution.stopping import Stop  # noqa: E402
from seedbed.testing import SnapshotContract  # noqa: E402
from tests.support import kept_snapshots as kept_  # noqa: E402
from tests.support.aws_proxy import Proxy  # noqa: E402
from tests.support.dynamodb import snapshot_site as courses  # noqa: E402
from tests.support.neo4j import snapshot_site as tutors  # noqa: E402
from tests.support.opensearch import snapshot_site as notes  # noqa: E402
from tests.support.postgres import snapshot_site as users  # noqa: E402
from tests.support.postgres.aurora import aurora  # noqa: E402
from tests.support.servers import Pool, Settings  # noqa: E402
from tests.support.snapshot_site import SnapshotSite  # noqa: E402

TOY = Path(__file__).parents[1] / "support" / "toy_engine"


class TestBackupsOfTables(SnapshotContract):
    @pytest.fixture
    def kept(self, tmp_path: Path, ministack_account: World, aws: Proxy) -> Iterator[kept_.KeptCourses]:
        site = courses.Site(tmp_path, ministack_account, aws)
        with closing(site.client):
            yield kept_.KeptCourses(site)


class TestSnapshotsOfClusters(SnapshotContract):
    @pytest.fixture
    def kept(
        self,
        tmp_path: Path,
        ministack_account: World,
        aws: Proxy,
        postgres_server: EmbeddedServer,
        new_database: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[kept_.KeptUsers]:
        monkeypatch.setattr(dispatch, "is_rds", lambda host: host == "127.0.0.1")
        monkeypatch.setattr(clusters, "cluster_id", lambda _: users.CLUSTER)
        with aurora(aws, postgres_server) as rds:
            site = users.Site(tmp_path, ministack_account, aws, rds, postgres_server, new_database())
            yield kept_.KeptUsers(site)


class TestSnapshotsOfIndexes(SnapshotContract):
    @pytest.fixture
    def kept(self, tmp_path: Path, opensearch_settings: Settings) -> Iterator[kept_.KeptNotes]:
        if opensearch_settings.get("prefix"):
            pytest.skip("a part of a domain that others share has no snapshots of its own")
        site = notes.Site(tmp_path, opensearch_settings)
        site.register()
        with closing(site.client):
            try:
                yield kept_.KeptNotes(site)
            finally:
                site.client.ask("DELETE", f"/_snapshot/seedbed/seedbed-{site.platform}-staging-ai-*")
                site.forget()


@pytest.fixture(scope="module")
def tutors_(tmp_path_factory: pytest.TempPathFactory, neo4j_servers: Pool) -> Iterator[kept_.KeptTutors]:
    with neo4j_servers.borrowed() as settings:
        yield kept_.KeptTutors(tutors.Site(tmp_path_factory.mktemp("tutors"), settings))


class TestDumpsOfGraphs(SnapshotContract):
    """On one graph, of which nothing is left of the test before: a new one has each query planned anew."""

    kills: Sequence[int] = (4,)

    test_the_copy_of_a_drill_is_opened_like_the_database = pytest.mark.soak(
        SnapshotContract.test_the_copy_of_a_drill_is_opened_like_the_database
    )  # a server starts for it, as for the drill of tests/integration/neo4j

    @pytest.fixture
    def kept(self, tutors_: kept_.KeptTutors) -> kept_.KeptTutors:
        tutors_.begin()
        return tutors_


# At each request, one after the other: what `make soak` has time for.


@pytest.mark.soak
class TestBackupsOfTablesAtEachRequest(TestBackupsOfTables):
    kills = range(1, 200)


@pytest.mark.soak
class TestSnapshotsOfClustersAtEachRequest(TestSnapshotsOfClusters):
    kills = range(1, 200)


@pytest.mark.soak
class TestSnapshotsOfIndexesAtEachRequest(TestSnapshotsOfIndexes):
    kills = range(1, 200)


@pytest.mark.soak
class TestDumpsOfGraphsAtEachRequest(TestDumpsOfGraphs):
    kills = range(1, 200)


class ToySite(SnapshotSite):
    """`shop/toy` in staging: three rows in a file."""

    def __init__(self, root: Path) -> None:
        self.root, self.stop, self.path = root, Stop(), root / "store"
        self.path.mkdir()
        (root / "seedbed.toml").write_text(
            '[platform]\nname = "shop"\n[services.shop.toy]\n[environments.staging]\n'
        )
        migrations = root / "services" / "shop" / "toy" / "migrations"
        migrations.mkdir(parents=True)
        (migrations / "20260101000001_carts.toy").write_text(
            "# migrate:up\nmake carts\nmore carts\nmore carts\n"
        )
        self.environ = {"TOY_PATH": str(self.path)}
        self.apply()

    def tables(self, path: str = "") -> Mapping[str, Any]:
        tables: Mapping[str, Any] = json.loads(Path(path or self.path, "store.json").read_text())["tables"]
        return tables

    def add(self, number: int) -> None:
        store = json.loads((self.path / "store.json").read_text())
        store["tables"]["carts"][f"new{number}"] = {"id": number}
        (self.path / "store.json").write_text(json.dumps(store))


class TestFilesOfAToy(SnapshotContract):
    kills: Sequence[int] = (1, 2)

    @pytest.fixture
    def kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[kept_.KeptToys]:
        monkeypatch.syspath_prepend(TOY)
        registry.forget()
        yield kept_.KeptToys(ToySite(tmp_path), importlib.import_module("toy_engine"))
        registry.forget()
        sys.modules.pop("toy_engine", None)
