"""A release whose schema is infrastructure: stacks are deployed at expand, and what goes at contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.model.release import Release, StepName
from seedbed.releases.directory_store import DirectoryStore
from tests.support.deployment.releases import Shop

ENV = "staging"
RELEASE = '\n[release]\nstore = "kept"\napprovals = {expand = 0, contract = 0}\nsoak = "0s"\n'


def newest(shop: Shop) -> tuple[DirectoryStore, Release]:
    store = DirectoryStore(shop.root / "kept" / ENV, ENV)
    release = store.load(max(store.numbers()))
    assert release is not None
    return store, release


def released(shop: Shop, release: str) -> str:
    """Build the release of that name, and open it; return its assembly."""
    assembly = shop.release(release, ENV)[1]
    manifest = shop.root / "seedbed.toml"
    declared = manifest.read_text().partition("[environments.prod]")[0]
    manifest.write_text(declared + RELEASE)
    built = shop.run("release", "build", "-o", "release.tar", f"--assembly={ENV}={assembly}")
    assert built.code == 0, built.everything
    opened = shop.run("release", "open", "-e", ENV, "release.tar")
    assert opened.code == 0, opened.everything
    return assembly


def code_is_out(shop: Shop) -> None:
    """Say that the new code is everywhere."""
    _, release = newest(shop)
    words = ("--step", "code", "--digest", release.digest[:12])
    assert shop.run("release", "approve", "-e", ENV, *words).code == 0


@pytest.mark.soak
def test_stacks_are_deployed_at_expand_and_what_goes_at_contract(
    tmp_path: Path, ministack_account: World, assemblies: Path
) -> None:
    shop = Shop(tmp_path, ministack_account, assemblies)
    shop.prepare()
    shop.has("one", environment=ENV)

    assembly = released(shop, "two")
    store, release = newest(shop)
    (shop.root / "plan.json").write_bytes(store.get(release.step(StepName.EXPAND).plan))
    early = shop.run("deploy", "-e", ENV, "plan.json", "--assembly", assembly)
    assert (early.code, "only while its step is being taken" in early.err) == (3, True), early.everything
    assert shop.indexes(ENV) == []
    expanded = shop.run("release", "next", "-e", ENV)
    assert expanded.code == 6, expanded.everything
    assert "seedbed deploy -e staging" in expanded.err
    assert shop.indexes(ENV) == ["by_slug", "by_teacher"]
    code_is_out(shop)
    closed = shop.run("release", "next", "-e", ENV)
    assert closed.code == 0, closed.everything

    released(shop, "half")
    code_is_out(shop)
    kept = shop.run("release", "next", "-e", ENV, "--through", StepName.SOAK)
    assert kept.code == 0, kept.everything
    assert shop.indexes(ENV) == ["by_slug", "by_teacher"]
    gone = shop.run("release", "next", "-e", ENV)
    assert gone.code == 0, gone.everything
    assert shop.indexes(ENV) == ["by_slug"]
