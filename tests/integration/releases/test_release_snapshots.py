"""A contract removes a column, an attribute, a label and an index, and a snapshot has them: each engine, as released.

What no longer can be restored keeps the contract shut, whatever the step before it has found.
"""

from __future__ import annotations

import json
import os
import subprocess
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from seedbed import __version__
from seedbed.cli.main import cli
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres import snapshots as dispatch
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.snapshots import clusters
from seedbed.files.platform import read_files
from seedbed.model.release import SNAPSHOT, Release, StepName
from seedbed.project import snapshots
from seedbed.project.releasing.snapshots import listed
from seedbed.releases import bundle
from seedbed.releases.directory_store import DirectoryStore
from tests.support.aws_proxy import Proxy
from tests.support.dynamodb import snapshot_site as courses
from tests.support.kept_snapshots import Kept, KeptCourses, KeptNotes, KeptTutors, KeptUsers
from tests.support.neo4j import snapshot_site as tutors
from tests.support.opensearch import snapshot_site as notes
from tests.support.postgres import snapshot_site as users
from tests.support.postgres.aurora import aurora
from tests.support.projects import Ran
from tests.support.servers import Settings

ENV = "staging"
RUNBOOK = Path(__file__).parents[3] / "docs" / "how-to" / "restore-a-snapshot.md"
RELEASE = '\n[release]\nstore = "kept"\napprovals = {expand = 0, contract = 0}\nsoak = "0s"\n'


class Released:
    """A platform of which snapshots are taken, and its releases; commands are called in this process."""

    def __init__(self, kept: Kept, section: str) -> None:
        self.kept, self.site, self.section = kept, kept.site, section
        self.root: Path = self.site.root
        manifest = self.root / "seedbed.toml"
        manifest.write_text(manifest.read_text() + RELEASE)

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.root / "kept" / ENV, ENV)

    @property
    def release(self) -> Release:
        found = self.store.load(max(self.store.numbers()))
        assert found is not None
        return found

    @property
    def selection(self) -> tuple[str, ...]:
        return ("-e", ENV, "-s", self.kept.database.service)

    def run(self, *words: str) -> Ran:
        done = CliRunner().invoke(cli, ["-C", str(self.root), *words], env=self.site.environ)
        failed = "".join(traceback.format_exception(done.exception)) if done.exit_code == 1 else ""
        return Ran(done.exit_code, done.stdout, done.stderr + failed)

    def good(self, *words: str) -> Ran:
        ran = self.run(*words)
        assert ran.code == 0, ran.everything
        return ran

    def open(self) -> None:
        """Build a release of the files as they are, open it, and say that its code is everywhere."""
        platform = self.kept.target.platform
        contents = bundle.Contents(
            platform=platform, seedbed=__version__, commit="c" * 40, files=read_files(self.root)
        )
        (self.root / "release.tar").write_bytes(bundle.build(contents))
        self.good("release", "open", "-e", ENV, str(self.root / "release.tar"))
        self.good("release", "approve", "-e", ENV, "--step", "code", "--digest", self.release.digest[:12])

    def next(self, *more: str) -> Ran:
        return self.run("release", "next", "-e", ENV, *more)

    def documented(self, kind: str, number: int = 1) -> str:
        """Return a block of the runbook, about the snapshot of release 1."""
        text = (
            RUNBOOK.read_text(encoding="utf-8").partition(f"\n## {self.section}\n")[2].partition("\n## ")[0]
        )
        block = text.split(f"```{kind}")[number]
        return (
            block.partition("\n")[2]
            .partition("```")[0]
            .replace("r12", "r1")
            .replace("--release 12", "--release 1")
        )

    def shell(self, script: str, **env: str) -> None:
        known = {**os.environ, **self.site.environ, **env}
        done = subprocess.run(["sh", "-euc", script], env=known, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def bring_to_its_contract(it: Released, drop: str) -> None:
    """Take a release that drops something to where its contract is next, with a snapshot."""
    it.site.migration("20260101000002_drop", drop)
    it.open()
    through = it.next("--through", "snapshot")
    assert through.code == 0, through.everything
    kinds = [each.verdict for each in it.release.step(StepName.SNAPSHOT).evidence if each.kind == SNAPSHOT]
    assert kinds == ["good"]


def keeps_it_shut(it: Released, said: str) -> None:
    """A contract whose snapshot cannot be restored is not begun, and nothing is touched."""
    before = it.kept.content()
    checked = it.run("release", "check", "-e", ENV)
    assert (checked.code, "closed  snapshot" in checked.everything) == (6, True), checked.everything
    shut = it.next()
    assert (shut.code, said in shut.err) == (6, True), shut.everything
    assert it.kept.content() == before
    assert it.release.step(StepName.CONTRACT).state == "waiting"


def is_shut_by_what_cannot_be_restored(it: Released) -> None:
    kept = it.kept
    with kept.unfinished() as are_slow:
        if are_slow:
            keeps_it_shut(it, "still being made")
    it.good("snapshot", "delete", *it.selection, "--release", "1", "--yes")
    keeps_it_shut(it, "there is no snapshot of this release")
    it.good("snapshot", "take", *it.selection, "--release", "1")
    with kept.reached() as ours:
        is_spoilt = kept.spoil(ours.listed()[0])
    if is_spoilt:
        keeps_it_shut(it, "partial")
    it.good("snapshot", "delete", *it.selection, "--release", "1", "--yes")
    it.good("snapshot", "take", *it.selection, "--release", "1")


def comes_back(it: Released, copy_back: Callable[[Released, str], None]) -> None:
    """Contract, and bring back from the snapshot what that removed, as the runbook says; what came since stays."""
    before = it.kept.content()
    done = it.next()
    assert done.code == 0, done.everything
    gone = it.kept.content()
    assert gone != before
    told = it.good("snapshot", "restore", *it.selection, "--release", "1", "--json")
    assert it.kept.content() == gone
    copy_back(it, json.loads(told.out)["copy"]["settings"].get("port", ""))
    assert it.kept.content() == before
    drilled = json.loads(it.good("snapshot", "drill", *it.selection, "--release", "1", "--json").out)
    (drill,) = drilled["drills"]
    assert all(each["passed"] for each in drill["checks"]), drill
    assert all(drill[each] >= 0 for each in ("restoring", "checking", "cleaning"))
    assert sum(drill["rows"].values()) > 0
    it.good("snapshot", "drop", *it.selection, "--release", "1")
    assert json.loads(it.good("snapshot", "list", *it.selection, "--json").out)["copies"] == []
    assert it.kept.content() == before


def as_a_release(it: Released, name: str, text: str) -> None:
    """Write a migration of the runbook, and release it."""
    it.site.migration(name, text)
    it.open()
    done = it.next()
    assert done.code == 0, done.everything


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LONGEST_PAUSE", 0.05)


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


@pytest.mark.soak
def test_an_attribute_of_items_comes_back(attribute: Released) -> None:
    bring_to_its_contract(attribute, courses.DROP)
    is_shut_by_what_cannot_be_restored(attribute)
    comes_back(
        attribute,
        lambda it, _: as_a_release(it, "20260601090000_subtitles_back", it.documented("python")),
    )


@pytest.mark.slow(15)
def test_a_column_comes_back(column: Released) -> None:
    bring_to_its_contract(column, users.DROP)
    is_shut_by_what_cannot_be_restored(column)
    for each in column.site.rds.snapshots.values():
        each["at"] -= timedelta(days=2)
    keeps_it_shut(column, "more than 24 hours ago")
    column.good("snapshot", "take", *column.selection, "--release", "1")

    def copied(it: Released, port: str) -> None:
        as_a_release(it, "20260601090000_nicknames_back", it.documented("sql", 1))
        site: users.Site = it.site
        path = f"{site.server.bin}:{os.environ['PATH']}"
        it.shell(it.documented("sh"), COPY=site.conninfo(port), DATABASE=site.conninfo(), PATH=path)
        as_a_release(it, "20260601100000_nicknames_set", it.documented("sql", 2))

    comes_back(column, copied)


@pytest.mark.soak
def test_a_label_comes_back(label: Released) -> None:
    bring_to_its_contract(label, tutors.DROP)
    is_shut_by_what_cannot_be_restored(label)
    comes_back(label, lambda it, _: as_a_release(it, "20260601090000_seniors_back", it.documented("cypher")))


@pytest.mark.soak
def test_an_index_comes_back(index: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    bring_to_its_contract(index, notes.DROP)
    is_shut_by_what_cannot_be_restored(index)
    site: notes.Site = index.site

    def content() -> Mapping[str, Any]:
        """Return the documents below the name that applications use."""
        return site.documents("notes") if site.client.ask("GET", "/notes").status == 200 else {}

    monkeypatch.setattr(index.kept, "content", content)

    def copied(it: Released, _: str) -> None:
        as_a_release(it, "20260601090000_notes_back", it.documented("http"))
        it.shell(it.documented("sh", 2), AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any")

    comes_back(index, copied)


@pytest.mark.parametrize(
    ("entry", "verdict", "said"),
    [
        ({"state": "available", "because": ""}, "good", "is available"),
        ({"state": "making", "because": ""}, "bad", "is making"),
        ({"state": "partial", "because": "a node left"}, "bad", "a node left"),
        (None, "bad", "there is no snapshot"),
    ],
)
def test_what_a_task_lists_is_judged_as_what_is_listed_here(
    entry: Mapping[str, str] | None, verdict: str, said: str
) -> None:
    more = {
        "id": "seedbed-shop-prod-user-r1",
        "database": "user/postgres",
        "taken": "2026-06-01T10:00:00+00:00",
    }
    document = {"snapshots": [{**more, **entry}] if entry else [], "errors": []}
    found = listed(json.dumps(document).encode(), "user/postgres")
    assert (found.verdict, found.about, said in found.text) == (verdict, "user/postgres", True)
    assert listed(b"", "user/postgres", 5).verdict == "bad"
