"""A release of edtech, from build to close: in staging, then in production, each in an account of its own."""

from __future__ import annotations

import pytest

from seedbed.model.release import SNAPSHOT, Release, StepName
from tests.support.edtech_release.files import API, PROD, STAGING
from tests.support.edtech_release.holding import assert_same, held, released
from tests.support.edtech_release.kills import RECORD, Change, Kills
from tests.support.edtech_release.site import REASON, Brought, Checkout, Site

pytestmark = [pytest.mark.soak, pytest.mark.slow(300)]
# What a release has AWS change: its record, what that refers to, stacks, and tasks.
CHANGES = {
    RECORD,
    "s3 PutObject",
    "cloudformation CreateChangeSet",
    "cloudformation ExecuteChangeSet",
    "ecs RunTask",
}


def test_a_release_goes_from_build_through_staging_and_production_to_its_close(
    platform: Checkout, brought: Brought
) -> None:
    sha256 = platform.build()
    with brought(STAGING) as site:
        whole(site, sha256)
    with brought(PROD) as site:
        whole(site, sha256)


def whole(site: Site, sha256: str) -> None:
    """Take the bundle into an environment, from its opening to its close, and compare what is there then."""
    before = held(site)
    site.open("new", "--digest", sha256)
    if site.name == PROD:
        site.release_("next", code=6)
        site.approve(StepName.EXPAND)
    site.release_("next", "--through", StepName.EXPAND)
    site.apps.run(API["new"])
    assert "soaks until" in site.release_("next", code=6).err
    site.pass_(3600)
    if site.name == PROD:
        waits = site.release_("next", code=6)
        assert "0 of 1 approval" in waits.err
        site.approve(StepName.CONTRACT, reason=REASON)
    site.release_("next")
    release = site.release
    assert release.state == "closed"
    assert release.bundle == sha256
    assert good_snapshots(release) == {"ai/opensearch", "courses/dynamodb"}
    assert_same(held(site), released(before, site.name))
    assert_clean(site)


def good_snapshots(release: Release) -> set[str]:
    """Return which databases have a snapshot: those of clusters and graphs are taken elsewhere, and accepted."""
    evidence = release.step(StepName.SNAPSHOT).evidence
    return {each.about for each in evidence if each.kind == SNAPSHOT and each.verdict == "good"}


def assert_clean(site: Site) -> None:
    """Ask for what is pending, of the state and of the databases, and for what is broken; and for rights that lacked."""
    for words in (("status", "--exit-code"), ("status", "--exit-code", "--fresh"), ("verify",)):
        site.run(words[0], "-e", site.name, *words[1:])
    site.assert_none_was_refused()


def test_wherever_its_operator_is_killed_it_comes_to_the_same_end_and_a_second_one_is_refused(
    platform: Checkout, brought: Brought
) -> None:
    platform.build()
    with brought(PROD) as site:
        before = held(site)
        site.open()
        site.approve(StepName.EXPAND)
        site.apps.run(API["new"])
        tried = set[str]()

        def second(change: Change) -> None:
            """Have another one call once in each step that is being taken."""
            state = next((each for each in site.release.steps if each.state == "running"), None)
            if state is not None and state.name not in tried:
                tried.add(state.name)
                refused = site.release_("next", who="eva", code=4)
                assert "is being taken" in refused.err, change

        kills = Kills(site, second)

        def through(last: str) -> None:
            words = ("release", "next", "-e", site.name, "--through", last)
            kills.until_it_ends(lambda: site.start(*words))

        through(StepName.VERIFY)
        site.pass_(3600)
        site.approve(StepName.CONTRACT, reason=REASON)
        through(StepName.CLOSE)
        assert site.release.state == "closed"
        assert tried >= {"expand", "code", "migrate", "verify", "contract"}, tried
        assert len([each for each in kills.answered if each.operation == RECORD]) > 20, kills.answered
        started = {each.since for each in kills.answered if each.operation == "ecs RunTask"}
        assert len(started) > 10, started
        assert {each.operation for each in kills.asked} >= CHANGES, kills.asked
        for each in site.release.steps:
            assert each.is_over
            assert len(set(each.commands)) == len(each.commands), each
        assert_same(held(site), released(before, site.name))
        assert_clean(site)
