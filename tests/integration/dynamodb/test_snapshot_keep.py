"""Snapshots that are kept for so long: a list says until when, `delete --expired` deletes the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from seedbed.cli.commands import snapshot_keep as commands
from seedbed.cli.main import cli
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import ExitCode
from seedbed.releases.directory_store import DirectoryStore
from tests.support.aws_proxy import Proxy
from tests.support.dynamodb.snapshot_site import Site, opened
from tests.support.releases import following, release

KEEP = 30 * 86_400.0
OPEN, CLOSED = 11, 12


@pytest.fixture
def site(
    tmp_path: Path, ministack_account: World, aws: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    with opened(tmp_path, ministack_account, aws, monkeypatch) as made:
        yield made


def keeping(site: Site) -> None:
    manifest = site.root / "seedbed.toml"
    manifest.write_text(f'{manifest.read_text()}[release]\nsnapshot_keep = "30d"\nstore = "releases"\n')


def called(site: Site, *words: str) -> tuple[int, dict[str, Any]]:
    argv = ["-C", str(site.root), "snapshot", *words, "-e", "staging", "--json"]
    ran = CliRunner().invoke(cli, argv, env=dict(site.environ), prog_name="seedbed")
    return ran.exit_code, json.loads(ran.stdout)


def expired(site: Site) -> dict[int, bool | None]:
    code, listed = called(site, "list")
    assert code == 0, listed
    return {each["release"]: each["expired"] for each in listed["snapshots"]}


def test_what_is_kept_stays_and_what_is_not_goes_unless_its_release_is_open(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping(site)
    taken = {}
    for number in (OPEN, CLOSED):
        (result,) = site.snapshots.take([site.database], number)
        assert result.snapshot is not None
        taken[number] = result.snapshot.taken
    store = DirectoryStore(site.root / "releases" / "staging", "staging")
    for number in (OPEN, CLOSED):
        assert store.create(release("staging", number))
    assert store.replace(replace(following(release("staging", CLOSED)), state="closed"))

    monkeypatch.setattr(commands, "now", lambda: min(taken.values()) + KEEP - 60)
    assert expired(site) == {OPEN: False, CLOSED: False}
    code, gone = called(site, "delete", "--expired", "--yes")
    assert (code, gone["snapshots"]) == (0, [])

    monkeypatch.setattr(commands, "now", lambda: max(taken.values()) + KEEP + 60)
    assert expired(site) == {OPEN: False, CLOSED: True}
    code, gone = called(site, "delete", "--expired", "--yes")
    assert (code, [(each["release"], each["state"]) for each in gone["snapshots"]]) == (0, [(CLOSED, "gone")])
    assert expired(site) == {OPEN: False}

    assert store.replace(replace(following(release("staging", OPEN)), state="abandoned"))
    assert expired(site) == {OPEN: True}
    records = site.root / "releases" / "staging" / "records"
    records.rename(records.with_name("away"))
    records.write_text("")  # what keeps the releases cannot be read
    assert expired(site) == {OPEN: None}
    ran = CliRunner().invoke(
        cli,
        ["-C", str(site.root), "snapshot", "list", "-e", "staging"],
        env=dict(site.environ),
        prog_name="seedbed",
    )
    assert (ran.exit_code, "kept until unknown" in ran.stdout) == (0, True), ran.output
    assert "until when snapshots of open releases are kept is unknown: the releases of staging" in ran.stderr
    assert called(site, "delete", "--expired", "--yes")[0] == ExitCode.UNAVAILABLE
    records.unlink()
    records.with_name("away").rename(records)
    assert called(site, "delete", "--expired", "--yes")[0] == 0
    assert expired(site) == {}


def test_without_a_word_in_the_manifest_all_are_kept_and_nothing_is_deleted(site: Site) -> None:
    site.take()
    code, listed = called(site, "list")
    assert (code, [each["kept_until"] for each in listed["snapshots"]]) == (0, [None])
    code, refused = called(site, "delete", "--expired", "--yes")
    assert (code, "kept for ever" in json.dumps(refused)) == (ExitCode.USAGE, True)
    keeping(site)
    assert called(site, "delete", "--expired", "--release", "12", "--yes")[0] == ExitCode.USAGE
    assert called(site, "delete", "--expired", "--before", "2026-11-01", "--yes")[0] == ExitCode.USAGE
    code, listed = called(site, "list")
    assert len(listed["snapshots"]) == 1
    assert listed["snapshots"][0]["kept_until"] is not None
