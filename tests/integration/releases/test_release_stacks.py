"""A release whose schema is infrastructure: stacks are deployed at expand, and what goes at contract."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.model.release import Release, StepName
from seedbed.releases.directory_store import DirectoryStore
from tests.support.aws_proxy import on, proxy
from tests.support.deployment.releases import Shop
from tests.support.postgres.wire import wait_until

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


@pytest.mark.soak
def test_a_release_that_was_killed_while_a_stack_is_updated_goes_on_with_the_next_update(
    tmp_path: Path, ministack_account: World, assemblies: Path
) -> None:
    plain = Shop(tmp_path, ministack_account, assemblies)
    plain.prepare()
    plain.has("one", environment=ENV)
    with proxy(ministack_account.endpoint) as aws:
        shop = dataclasses.replace(plain, endpoint=aws.endpoint)
        released(shop, "two")
        for there in (["by_slug"], ["by_slug", "by_teacher"]):
            with aws.hold(on("ExecuteChangeSet"), when="answered", times=1) as held:
                running = shop.start("release", "next", "-e", ENV)
                while running.poll() is None and not held.hits:
                    time.sleep(0.02)
                assert held.hits == 1
                running.kill()
                running.communicate()
            assert shop.indexes(ENV) == there
            store, release = newest(shop)
            assert release.step(StepName.EXPAND).state == "running"
            steps = tuple(replace(each, beat=each.beat - 60) for each in release.steps)
            assert store.replace(replace(release, revision=release.revision + 1, steps=steps))
        aws.forget()
        on_ = shop.run("release", "next", "-e", ENV, "--through", StepName.EXPAND)
        assert on_.code == 0, on_.everything
        assert aws.of(on("CreateChangeSet")) == []
        assert list(newest(shop)[1].step(StepName.EXPAND).commands) == ["deploy", "apply"]


@pytest.mark.soak
def test_what_was_deployed_stays_and_goes_where_that_is_asked_for(
    tmp_path: Path, ministack_account: World, assemblies: Path
) -> None:
    shop = Shop(tmp_path, ministack_account, assemblies)
    shop.prepare()
    shop.has("one", environment=ENV)
    released(shop, "half")
    assert shop.run("release", "next", "-e", ENV).code == 6
    first = shop.run("release", "back", "-e", ENV, "--stacks")
    assert (first.code, "it is the first release" in first.err) == (3, True), first.everything
    code_is_out(shop)
    closed = shop.run("release", "next", "-e", ENV)
    assert closed.code == 0, closed.everything

    released(shop, "two")
    assert shop.run("release", "next", "-e", ENV).code == 6
    back = shop.run("release", "back", "-e", ENV, "--json")
    assert back.code == 0, back.everything
    told = json.loads(back.out)
    found = [one["text"] for each in told["steps"] for one in each["evidence"] if one["kind"] == "stays"]
    assert (told["state"], len(found), "add index by_teacher" in found[0]) == ("returned", 1, True), found
    assert shop.indexes(ENV) == ["by_slug", "by_teacher"]

    running = shop.start("release", "back", "-e", ENV, "2", "--stacks")
    wait_until(lambda: any(each.state == "running" for each in newest(shop)[1].steps), "it begins", 120)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    store, release = newest(shop)
    steps = tuple(replace(each, beat=each.beat - 60) for each in release.steps)
    assert store.replace(replace(release, revision=release.revision + 1, steps=steps))
    again = shop.run("release", "back", "-e", ENV, "2", "--stacks")
    assert again.code == 0, again.everything
    assert shop.indexes(ENV) == ["by_slug"]
    once_more = shop.run("release", "back", "-e", ENV, "2", "--stacks")
    assert once_more.code == 0, once_more.everything


@pytest.mark.soak
def test_a_hotfix_adds_an_index_and_carries_on_what_removes_another(
    tmp_path: Path, ministack_account: World, assemblies: Path
) -> None:
    shop = Shop(tmp_path, ministack_account, assemblies)
    shop.prepare()
    shop.has("one", environment=ENV)
    shop.has("half", environment=ENV)
    shop.has("two", environment=ENV)
    released(shop, "half")
    code_is_out(shop)
    soaks = shop.run("release", "next", "-e", ENV, "--through", StepName.SOAK)
    assert soaks.code == 0, soaks.everything

    released(shop, "hotfix")
    store, release = newest(shop)
    former = store.load(1)
    assert former is not None
    assert (release.number, release.supersedes, former.state) == (2, 1, "superseded")
    assert shop.run("release", "next", "-e", ENV).code == 6
    assert shop.indexes(ENV) == ["by_slug", "by_teacher", "by_title"]
    refused = shop.run("release", "back", "-e", ENV, "--stacks")
    assert (refused.code, "was not deployed as the bundle of release 1 has it" in refused.err) == (3, True), (
        refused.everything
    )
    code_is_out(shop)
    done = shop.run("release", "next", "-e", ENV)
    assert done.code == 0, done.everything
    assert shop.indexes(ENV) == ["by_slug", "by_title"]
