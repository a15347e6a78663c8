"""A release as tests take it apart: people, times, a record with nothing done, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from seedbed.model.release import (
    CODE,
    READER,
    SNAPSHOT,
    VERIFY,
    Approval,
    Evidence,
    Identity,
    Release,
    Step,
    StepName,
)
from seedbed.model.release_rules import ReleaseRules, usual
from seedbed.planning.release_facts import Facts
from seedbed.planning.releases import claim, finish
from seedbed.support.phrases import DAY

HOUR = 3600.0
T0 = 1_796_000_000.0  # a Monday, 2026-11-30 07:33:20 UTC
USER = "user/postgres"


def person(name: str, role: str = "AROASOMEROLE", note: str = "") -> Identity:
    """Return a session of `role` under the name `name`."""
    return Identity(f"{role}:{name}", f"arn:aws:sts::333333333333:assumed-role/{role}/{name}", note)


ROBOT = person("GitHubActions", "AROARELEASE")
ANA, BEN, EVA = (person(each) for each in ("ana", "ben", "eva"))


def a_release(number: int = 12, **changes: Any) -> Release:
    """Return a release of production that a pipeline opened, with all steps to be taken."""
    usual_ = Release(
        environment="prod",
        number=number,
        bundle="b" * 64,
        platform_digest="p" * 64,
        commit="c" * 40,
        opened_by=ROBOT,
        opened=T0,
        soak=DAY,
        steps=tuple(Step(name=each) for each in StepName),
        images={"shop/user": "sha256:" + "1" * 64},
    )
    return replace(usual_, **changes)


def with_step(release: Release, name: StepName, **changes: Any) -> Release:
    """Return `release` with one step otherwise."""
    steps = tuple(replace(each, **changes) if each.name is name else each for each in release.steps)
    return replace(release, steps=steps)


def facts(now: float = T0 + HOUR, **changes: Any) -> Facts:
    """Return what is known at `now`: nothing beside the rules of a protected environment."""
    known = Facts(now=now, rules=usual(protected=True), caller=ROBOT, contracted=(USER,))
    return replace(known, **changes)


def lenient(**changes: Any) -> ReleaseRules:
    """Return rules that ask for no approval."""
    return replace(usual(protected=False), **changes)


def approval(
    release: Release, step: StepName, by: Identity = ANA, at: float = T0 + 60, **changes: Any
) -> Approval:
    given = Approval(number=release.number, step=step, digest=release.digest, by=by, at=at)
    return replace(given, **changes)


def good(kind: str, at: float, about: str = "", text: str = "") -> Evidence:
    return Evidence(kind, "good", text or f"{kind} is good", at, about=about)


def done_until(name: StepName, release: Release | None = None, at: float = T0 + HOUR) -> Release:
    """Return a release with all steps before `name` done at `at`, each with its evidence."""
    release = release or a_release()
    evidence: dict[StepName, Sequence[Evidence]] = {
        StepName.CODE: [good(CODE, at)],
        StepName.VERIFY: [good(VERIFY, at)],
        StepName.SOAK: [good(READER, at)],
        StepName.SNAPSHOT: [good(SNAPSHOT, at, USER)],
    }
    for each in StepName:
        if each is name:
            return release
        if not release.step(each).is_over:
            release = with_step(
                release, each, state="done", began=at, ended=at, evidence=tuple(evidence.get(each, ()))
            )
    return release


def taken(release: Release, name: StepName, known: Facts) -> Release:
    """Return `release` with a step claimed and done."""
    return finish(claim(release, name, "t", known), name, "t", known.now)
