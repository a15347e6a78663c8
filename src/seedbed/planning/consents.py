"""Who let a step of a release in: who opened it, and who approved the step. No record can say that. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from seedbed.errors import Hint, call
from seedbed.model.release import Approval, Gate, Identity, Release, Step, StepName
from seedbed.model.release_rules import GATED
from seedbed.planning.people import distinct, named, same_person
from seedbed.planning.release_facts import Facts
from seedbed.support.phrases import count, listed, whole_hours

SKEW = 5.0  # seconds between the clocks of a store's parts, of which some tell whole seconds
_OPENED = "who opened a release does not approve it"
_CARRIES_OUT = "who carries out a step does not approve it"
_FORBIDDEN = {_OPENED, _CARRIES_OUT}


def consents(release: Release, name: StepName, facts: Facts) -> tuple[Gate, ...]:
    """Return what of a step no record can say: who opened the release, and who approved the step."""
    return tuple(_consents(release, release.step(name), facts))


def _consents(release: Release, step: Step, facts: Facts) -> Iterator[Gate]:
    if facts.openings is not None and not _opened_by(release, facts):
        yield Gate(
            name="opened",
            is_open=False,
            kind="policy",
            because="it was not opened as its record has it now",
            try_="look who wrote the record; then open a new release",
        )
    if facts.rules.approvals.get(step.name, 0):
        yield _approved(release, step, facts)


def _opened_by(release: Release, facts: Facts) -> list[Identity]:
    """Return who opened a release as it is, which the record alone does not show."""
    return [each.by for each in facts.openings or () if each.digest == release.digest]


def _approved(release: Release, step: Step, facts: Facts) -> Gate:
    wanted = facts.rules.approvals[step.name]
    counted, refused = sorted_out(release, step.name, facts)
    words = count(wanted, "approval")
    if len(counted) >= wanted:
        return Gate(name="approvals", is_open=True, because=f"approved by {named(counted)}")
    because = f"{len(counted)} of {words}"
    if counted:
        because += f", by {named(counted)}"
    if facts.looser and step.name is first_to_change(release):
        because += f"; it asks for less than the release before: {listed(facts.looser, separator='; ')}"
    for reason, those in refused.items():
        because += f"; that of {named(those)} does not count: {reason}"
    return Gate(
        name="approvals",
        is_open=False,
        kind="policy" if any(reason in _FORBIDDEN for reason in refused) else "wait",
        because=because,
        try_=Hint("have another person run: ", approve_hint(release, step.name)),
    )


def sorted_out(
    release: Release, step: StepName, facts: Facts
) -> tuple[list[Approval], Mapping[str, list[Approval]]]:
    """Return the approvals of a step that count, one of each person, and those that do not, by the reason."""
    counted: list[Approval] = []
    refused: dict[str, list[Approval]] = {}
    for each in facts.approvals:
        if each.number != release.number or each.step is not step:
            continue
        reason = _refusal(release, each, facts)
        if reason:
            refused.setdefault(reason, []).append(each)
        else:
            counted.append(each)
    return distinct(counted), refused


def judged(release: Release, facts: Facts) -> list[tuple[Approval, str]]:
    """Return the approvals of a release in the order in which they were given, each with why it does not count."""
    own = sorted(
        (each for each in facts.approvals if each.number == release.number), key=lambda each: each.at
    )
    return [(each, _refusal(release, each, facts)) for each in own]


def _refusal(release: Release, approval: Approval, facts: Facts) -> str:
    """Return why an approval does not count; empty where it does."""
    if approval.digest != release.digest:
        return "it is of another digest"
    if approval.at < release.opened - SKEW:
        return "it was made before the release was opened"
    if approval.at > facts.now + SKEW:
        return "it was made later than now"
    if facts.now - approval.at > facts.rules.approval_max_age:
        return f"it is older than {whole_hours(facts.rules.approval_max_age)}"
    if any(same_person(approval.by, each) for each in (release.opened_by, *_opened_by(release, facts))):
        return _OPENED
    if same_person(approval.by, facts.caller):
        return _CARRIES_OUT
    return ""


def first_to_change(release: Release) -> StepName:
    """Return the first step of a release that changes something: who lets that begin has seen what it brings."""
    return next(each.name for each in release.steps if each.name in GATED and each.state != "skipped")


def approve_hint(release: Release, step: StepName, *, reason: bool = False) -> Hint:
    """Return how a step is approved, with the beginning of the digest that is approved."""
    number, digest = str(release.number), release.digest[:12]
    if reason:
        said = ("--reason", "REASON")
        return Hint(call("release approve", number, "--step", step.value, "--digest", digest, *said))
    return Hint(call("release approve", number, "--step", step.value, "--digest", digest))
