"""Which rules a release of a protected environment keeps to: its own, and those of the release before it. Pure.

What a bundle says of approvals, it says of itself. So what was in force stays in force until the release that changes
it is closed, and to ask for less is let in by an approval.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from seedbed.model.release import Release, StepName
from seedbed.model.release_rules import NewCode, ReleaseRules
from seedbed.planning.consents import first_to_change
from seedbed.support.phrases import count, whole_hours


class InForce(Struct, frozen=True):
    """The rules of a release. `looser`: what its own ask for less than those of the release before it, in words."""

    rules: ReleaseRules
    looser: tuple[str, ...] = ()


def in_force(own: ReleaseRules, before: ReleaseRules | None) -> InForce:
    """Return the stricter of both, rule by rule; `before`: those of the release before, None where there was none."""
    if before is None:
        return InForce(own)
    steps = dict.fromkeys((*own.approvals, *before.approvals))
    freezes = {each.text for each in own.freezes}
    kept = tuple(each for each in before.freezes if each.text not in freezes)
    rules = replace(
        own,
        soak=max(own.soak, before.soak),
        approvals={each: max(own.approvals.get(each, 0), before.approvals.get(each, 0)) for each in steps},
        approval_max_age=min(own.approval_max_age, before.approval_max_age),
        snapshot_max_age=min(own.snapshot_max_age, before.snapshot_max_age),
        drill_max_age=min(filter(None, (own.drill_max_age, before.drill_max_age)), default=0.0),
        freezes=(*own.freezes, *kept),
    )
    return InForce(rules, tuple(_looser(own, before)))


def with_consent(found: InForce, release: Release) -> InForce:
    """Return `found` where to ask for less wants an approval: of the first step that changes something."""
    if not found.looser:
        return found
    first = first_to_change(release)
    approvals = {**found.rules.approvals, first: max(1, found.rules.approvals.get(first, 0))}
    return replace(found, rules=replace(found.rules, approvals=approvals))


def _looser(own: ReleaseRules, before: ReleaseRules) -> Iterator[str]:
    for step in StepName:
        wanted, wanted_before = own.approvals.get(step, 0), before.approvals.get(step, 0)
        if wanted < wanted_before:
            yield f"{count(wanted, 'approval')} of {step}, before {wanted_before}"
    for name, here, there, is_looser in (
        ("soak", own.soak, before.soak, own.soak < before.soak),
        (
            "approval_max_age",
            own.approval_max_age,
            before.approval_max_age,
            own.approval_max_age > before.approval_max_age,
        ),
        (
            "snapshot_max_age",
            own.snapshot_max_age,
            before.snapshot_max_age,
            own.snapshot_max_age > before.snapshot_max_age,
        ),
    ):
        if is_looser:
            yield f"{name} is {whole_hours(here)}, before {whole_hours(there)}"
    if before.drill_max_age and not 0 < own.drill_max_age <= before.drill_max_age:
        wished = whole_hours(own.drill_max_age) if own.drill_max_age else "not there"
        yield f"drill_max_age is {wished}, before {whole_hours(before.drill_max_age)}"
    freezes = {each.text for each in own.freezes}
    yield from (f"no freeze {each.text}" for each in before.freezes if each.text not in freezes)
    checks = {each.name: each for each in own.checks}
    for check in before.checks:
        if checks.get(check.name) != check:
            yield f"check {check.name} is {'another one' if check.name in checks else 'gone'}"
    if _ways(own.code) != _ways(before.code):
        yield "the new code is brought, or waited for, in another way"


def _ways(code: NewCode) -> tuple[object, ...]:
    return code.run, code.back, code.wait or ("manual" if not code.run else ""), code.url
