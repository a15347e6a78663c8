"""A hotfix that passes a release which soaks, in every store: it adds expands alone, and carries the other one on."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.store.records import PostgresRecords
from seedbed.model.release import StepName
from seedbed.releases.database_store import DatabaseStore
from seedbed.releases.store import ReleaseStore
from seedbed.releases.table_store import TableStore
from tests.support.afar import put_facts
from tests.support.postgres.wire import wait_until
from tests.support.projects import ProjectFiles
from tests.support.released import ENV, Users, write_users
from tests.support.remote import make_records
from tests.support.servers import new_account

RELEASE = '\n[release]\napprovals = {expand = 0, contract = 0}\nsoak = "1h"\n'
OVERTAKES = "overtake=20260101000004"
HOUR = 3600.0


class Soaking(Users):
    """The platform whose first release soaks. `kept`: where releases are, where that is no directory."""

    kept: ReleaseStore | None = None

    @property
    def store(self) -> ReleaseStore:  # type: ignore[override]
        return self.kept or super().store

    def begin(self) -> None:
        self.build()
        assert self.open().code == 0
        self.said()
        soaks = self.next()
        assert (soaks.code, "soaks until" in soaks.err) == (6, True), soaks.everything

    def said(self) -> None:
        """Say that the new code is everywhere."""
        words = ("--step", "code", "--digest", self.release.digest[:12])
        ran = self.run("release", "approve", "-e", ENV, *words)
        assert ran.code == 0, ran.everything

    def hotfix(self, directives: str) -> None:
        self.write(
            "20260101000005_more",
            "ALTER TABLE users ADD more text;",
            "ALTER TABLE users DROP more;",
            directives=directives,
        )
        self.build(commit="d" * 40)

    def write(self, name: str, up: str, down: str, **more: str) -> None:
        """Write a migration; the manifest stays as it is."""
        manifest = self.root / "seedbed.toml"
        kept = manifest.read_text()
        ProjectFiles(self.root).migration(name, up, down, **more)
        manifest.write_text(kept)

    def soaked(self) -> None:
        """Have the new code been everywhere for an hour more."""
        release = self.release
        code = release.step(StepName.CODE)
        found = tuple(replace(each, since=each.holds_from - HOUR) for each in code.evidence)
        steps = (replace(each, evidence=found) if each is code else each for each in release.steps)
        self.change(steps=tuple(steps))


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
) -> Soaking:
    files, kind = ProjectFiles(tmp_path), getattr(request, "param", "directory")
    made = Soaking(tmp_path, postgres_server, new_database())
    write_users(files, RELEASE + ('store = "user/postgres"\n' if kind == "database" else ""))
    if kind == "database":
        dsn = postgres_server.dsn(made.database)
        address = Address(host=dsn["host"], port=int(dsn["port"]), name=made.database, user=dsn["user"])
        made.kept = DatabaseStore(PostgresRecords(address, ENV), ENV, "user/postgres")
    if kind == "table":
        server: World = request.getfixturevalue("ministack_server")
        world = replace(server, account=new_account())
        bucket = f"sample-{world.account}"
        make_records(world.cloud, "sample-prod", bucket)
        put_facts(world.cloud, "sample", ENV, {"control": {"table": "sample-prod", "bucket": bucket}})
        manifest = tmp_path / "seedbed.toml"
        there = f'account = "{world.account}"\nregion = "{world.region}"'
        manifest.write_text(manifest.read_text().replace('account = "333333333333"', there))
        made.kept = TableStore(Table(world.cloud, "sample-prod"), Bucket(world.cloud, bucket), ENV)
        made.env = {
            **made.env,
            "AWS_ENDPOINT_URL": world.endpoint,
            "AWS_ACCESS_KEY_ID": world.account,
            "AWS_SECRET_ACCESS_KEY": "not-to-be-shown",
        }
    return made


STORES = ("directory", "database", "table")


@pytest.mark.soak
@pytest.mark.parametrize("site", STORES, indirect=True)
def test_a_hotfix_passes_what_soaks_and_contracts_for_it(site: Soaking) -> None:
    site.begin()
    site.hotfix("phase=contract")
    refused = site.open()
    assert (refused.code, "this one adds to its contract" in refused.err) == (6, True), refused.everything

    site.hotfix(OVERTAKES)
    opening = [site.start("release", "open", "-e", ENV, str(site.bundle)) for _ in range(2)]
    ended = [each.communicate()[1] for each in opening]
    assert [each.returncode for each in opening] == [0, 0], ended
    assert site.store.numbers() == [1, 2]
    former = site.store.load(1)
    assert former is not None
    assert (former.state, former.because, site.release.supersedes) == (
        "superseded",
        "release 2 carries it on",
        1,
    )
    gone = site.run("release", "next", "-e", ENV, "1")
    assert (gone.code, "release 2 carries it on" in gone.err) == (3, True), gone.everything

    expanded = site.next()  # what was said of the former code is not said of this one
    assert (expanded.code, "it is not said yet" in expanded.err) == (6, True), expanded.everything
    assert site.columns == ["display", "id", "more", "name"]
    site.said()
    anew = site.next()
    assert (anew.code, "soaks until" in anew.err) == (6, True), anew.everything
    site.soaked()
    done = site.next()
    assert done.code == 0, done.everything
    assert (site.release.state, site.columns) == ("closed", ["display", "id", "more"])


@pytest.mark.soak
@pytest.mark.parametrize("site", STORES, indirect=True)
def test_a_hotfix_is_taken_back_and_what_it_carried_on_goes_on_anew(site: Soaking) -> None:
    site.begin()
    bundle = site.bundle.read_bytes()
    site.hotfix(OVERTAKES)
    assert site.open().code == 0
    assert site.next("--through", "expand").code == 0
    back = site.run("release", "back", "-e", ENV)
    assert back.code == 0, back.everything
    assert (site.release.state, site.columns) == ("returned", ["display", "id", "name"])
    site.bundle.write_bytes(bundle)
    assert site.open().code == 0
    assert site.release.number == 3
    site.said()
    assert site.next().code == 6
    site.soaked()
    done = site.next()
    assert done.code == 0, done.everything
    assert (site.release.state, site.columns) == ("closed", ["display", "id"])


@pytest.mark.soak
@pytest.mark.parametrize("killed_at", ["the plans", "the former one ends", "the new one begins"])
def test_an_opening_that_is_killed_anywhere_is_opened_by_the_next(site: Soaking, killed_at: str) -> None:
    site.begin()
    site.hotfix(OVERTAKES)
    running = site.start("release", "open", "-e", ENV, str(site.bundle))

    def former() -> str:
        found = site.store.load(1)
        return found.state if found else ""

    moments: dict[str, Callable[[], bool]] = {
        "the plans": lambda: "making the plan" in (running.stderr.readline() if running.stderr else ""),
        "the former one ends": lambda: former() == "superseded",
        "the new one begins": lambda: site.store.numbers() == [1, 2],
    }
    wait_until(moments[killed_at], killed_at)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    again = site.open()
    assert again.code == 0, again.everything
    assert (site.store.numbers(), former(), site.release.state) == ([1, 2], "superseded", "open")
    assert site.release.supersedes == 1
    assert site.next("--through", "expand").code == 0
    assert site.columns == ["display", "id", "more", "name"]


@pytest.mark.soak
def test_a_return_that_is_killed_leads_only_back(site: Soaking) -> None:
    site.begin()
    running = site.start("release", "back", "-e", ENV)
    wait_until(lambda: bool(site.release.returning), "it begins")
    running.send_signal(signal.SIGKILL)
    running.communicate()
    site.age()
    forward = site.next()
    assert (forward.code, "it is being taken back" in forward.err) == (3, True), forward.everything
    back = site.run("release", "back", "-e", ENV)
    assert back.code == 0, back.everything
    assert (site.release.state, site.columns) == ("returned", [])


@pytest.mark.soak
def test_what_a_failed_step_says_is_left_is_left(site: Soaking) -> None:
    """The target moved: what another run applied is in no file of the bundle."""
    site.build()
    assert site.open().code == 0
    site.write("20260101000001_other", "CREATE TABLE other (id int);", "DROP TABLE other;")
    site.root.joinpath("services/user/postgres/migrations/20260101000001_make.sql").rename(
        site.root / "aside"
    )
    moved = site.run("apply", "-e", ENV, "--unreviewed", "--through", "expand", "--to", "20260101000001")
    assert moved.code == 0, moved.everything
    failed = site.next()
    assert (failed.code, site.states()["expand"]) == (3, "failed"), failed.everything
    for way in (
        "release next -e prod",
        "release back -e prod 1",
        "release abandon -e prod 1 --because REASON",
    ):
        assert way in failed.err, failed.everything
    refused = site.run("release", "back", "-e", ENV)
    assert (refused.code, site.release.returning) == (3, 0), refused.everything
    undone = site.run("revert", "-e", ENV, "--unreviewed", "--yes")
    assert undone.code == 0, undone.everything
    on = site.next("--through", "expand")
    assert on.code == 0, on.everything
    site.age()
    ended = site.run("release", "abandon", "-e", ENV, "--because", "enough", "--json")
    assert (ended.code, json.loads(ended.out)["state"]) == (0, "abandoned"), ended.everything
