"""Releases that the golden files of the reports are made from."""

from __future__ import annotations

from msgspec.structs import replace

from seedbed.documents.release import (
    ApprovalDocument,
    ReadinessDocument,
    ReleaseDocument,
    ReleasesDocument,
)
from seedbed.model.release import Evidence, Release, StepName
from seedbed.planning.release_gates import gates
from seedbed.planning.shown_release import document
from tests.support.release_steps import (
    ANA,
    BEN,
    HOUR,
    ROBOT,
    T0,
    USER,
    a_release,
    approval,
    done_until,
    facts,
    good,
    person,
    with_step,
)

_SAID = "12 of 12 tasks of user and cart have an image of the release"


def _under_way(step: StepName) -> Release:
    """Return a release whose steps before `step` were taken by a pipeline, in an hour each."""
    release = done_until(step)
    for number, each in enumerate(StepName):
        if each is step:
            break
        began = T0 + (number + 1) * HOUR
        release = with_step(release, each, by=ROBOT, began=began, beat=began + 90, ended=began + 92)
    return with_step(release, StepName.CODE, evidence=(good("code", T0 + 2 * HOUR, text=_SAID),))


def soaking() -> ReleaseDocument:
    """A release that soaks, with an approval that counts, and one that does not."""
    release = _under_way(StepName.SOAK)
    given = (
        approval(release, StepName.EXPAND, ANA),
        approval(
            release,
            StepName.CONTRACT,
            BEN,
            T0 + 4 * HOUR,
            digest="0" * 64,
            evidence="https://shop.example/pull/7",
        ),
    )
    known = facts(T0 + 5 * HOUR, approvals=given, verify_max_age=24 * HOUR)
    return document(release, known, "release show")


def failed() -> ReleaseDocument:
    """A release in staging that carries on another one, and whose second command failed."""
    release = a_release(
        13, environment="staging", supersedes=12, opened_by=person("GitHubActions", note="github:eva")
    )
    release = with_step(
        release,
        StepName.EXPAND,
        state="failed",
        by=ANA,
        began=T0 + 60,
        beat=T0 + 400,
        ended=T0 + 400,
        commands=("deploy -e staging expand.json",),
        evidence=(
            good("deploy", T0 + 200, text="2 updates in 1 stack"),
            Evidence("apply", "bad", "could not connect to user.cluster-abc", T0 + 400, about=USER),
        ),
        because="apply: could not connect to user.cluster-abc",
    )
    release = with_step(release, StepName.MIGRATE, state="skipped", because="there is nothing to migrate")
    return document(release, facts(T0 + HOUR), "release show")


def running() -> ReleaseDocument:
    """A release whose contract is being taken."""
    release = _under_way(StepName.CONTRACT)
    release = with_step(
        release,
        StepName.CONTRACT,
        state="running",
        by=ROBOT,
        began=T0 + 40 * HOUR,
        beat=T0 + 40 * HOUR,
        token="t",
    )
    return document(release, facts(T0 + 40 * HOUR), "release show")


def ended() -> ReleaseDocument:
    """A release that somebody gave up."""
    release = replace(
        _under_way(StepName.MIGRATE),
        state="abandoned",
        ended=T0 + 9 * HOUR,
        ended_by=BEN,
        because="the price list was wrong",
    )
    return document(release, facts(T0 + 10 * HOUR), "release show")


def waiting() -> ReadinessDocument:
    """What a contract waits for, beside a check that does not hold."""
    release = _under_way(StepName.CONTRACT)
    found = gates(release, StepName.CONTRACT, facts(T0 + 40 * HOUR))
    checks = (Evidence("check", "bad", "the shop answers: https://shop.example answers 503", T0 + 40 * HOUR),)
    return ReadinessDocument.of(release, found, checks, "release check")


def approved() -> ApprovalDocument:
    """An approval of a contract."""
    given = approval(_under_way(StepName.CONTRACT), StepName.CONTRACT, BEN, reason="no reader since May")
    return ApprovalDocument.of("prod", given, "release approve")


def listed() -> ReleasesDocument:
    """The releases of production: one under way, one that was carried on, one that was given up, one that is over."""
    over = replace(done_until(StepName.CLOSE), number=9, state="closed", ended=T0, ended_by=ROBOT)
    given_up = a_release(
        10,
        state="abandoned",
        ended=T0 + 60,
        ended_by=ANA,
        because="the wrong commit",
        commit=f"{'c' * 40}-dirty",
    )
    carried_on = a_release(11, state="superseded", ended=T0 + HOUR, ended_by=ROBOT, because="by release 12")
    return ReleasesDocument.of(
        "prod", [_under_way(StepName.SOAK), carried_on, given_up, over], "release list"
    )
