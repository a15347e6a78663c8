"""How the record of a release changes: who takes a step, how it ends, and what can be done next.

Pure: each function returns the next revision, which the store takes only if nobody wrote another one meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from seedbed.errors import Busy, Hint, LeaseLost, Refused, call
from seedbed.model.release import (
    NEW_CODE,
    SNAPSHOT,
    Choice,
    Evidence,
    Gate,
    Identity,
    Release,
    ReleaseState,
    Step,
    StepName,
)
from seedbed.planning.consents import approve_hint
from seedbed.planning.people import shown
from seedbed.planning.release_facts import Facts
from seedbed.planning.release_gates import gates, require_open, worn_out
from seedbed.support.phrases import duration

SILENCE = 30.0  # seconds without a heartbeat, by the store's clock, after which a step may be taken over


def claim(release: Release, name: StepName, token: str, facts: Facts) -> Release:
    """Return `release` with its step `name` being taken by the caller, from where it was left.

    Raises Refused or GateClosed while a gate is closed, Busy while somebody else takes it.
    """
    step = release.step(name)
    if step.is_over:
        raise Refused(f"{name} of release {release.number} is {step.state}", because=step.because)
    require_open(release, name, gates(release, name, facts))
    _require_free(release, step, token, facts.now)
    taken = replace(
        step,
        state="running",
        token=token,
        by=facts.caller,
        began=step.began or facts.now,
        beat=facts.now,
        ended=0.0,
        because="",
    )
    return _with(release, taken)


def hold(release: Release, token: str, who: Identity, now: float) -> Release:
    """Return `release` with its current step held by `who`, who takes the release back: no gate is asked.

    From now on no step is taken any more, whatever becomes of `who`: the next one might contract what the code needs
    that was taken back. Raises Busy while somebody else takes that step, Refused where it cannot be taken back by now.
    """
    if release.state not in ("open", "returned") or release.step(StepName.CONTRACT).began:
        raise Refused(
            f"release {release.number} cannot be taken back any more",
            because="its contract has begun" if release.state == "open" else f"it is {release.state}",
            try_=Hint("look at it: ", call("release show", str(release.number))),
        )
    step = release.current or release.steps[-1]
    _require_free(release, step, token, now)
    held = _with(release, replace(step, state="running", token=token, by=who, beat=now))
    return replace(held, returning=release.returning or now)


def taken_back(
    release: Release,
    name: StepName,
    token: str,
    who: Identity,
    now: float,
    because: str,
    found: Sequence[Evidence],
) -> Release:
    """Return `release` as it ends when all of it is taken back, in one change. Raises LeaseLost.

    The step that was held meanwhile has failed only where it was begun: else it waits, as those behind it do.
    """
    step = _held(release, name, token)
    over = fail(release, name, token, now, step.because or "taken back", found)
    if not step.began:
        over = _with(
            release,
            replace(over.step(name), state="waiting", by=None, beat=0.0, ended=0.0, because=""),
        )
    if release.state != "open":  # only what it had deployed was still there
        return over
    return replace(end(over, "returned", who, now, because), revision=over.revision)


def _require_free(release: Release, step: Step, token: str, now: float) -> None:
    if step.state != "running" or step.token == token or is_silent(step, now):
        return
    raise Busy(
        f"{step.name} of release {release.number} is being taken",
        because=f"by {shown(step.by) if step.by else 'somebody'}, heard of {_ago(step, now)}",
        try_="wait for it, or look at it again",
    )


def is_silent(step: Step, now: float) -> bool:
    """Return whether whoever takes a step was not heard of for so long that another may take it over.

    A heartbeat that is as far ahead is none either: who lives writes another one soon, by the clock as it is now.
    """
    return step.state == "running" and abs(now - step.beat) > SILENCE


def beat(release: Release, name: StepName, token: str, now: float) -> Release:
    """Return `release` with its step heard of. Raises LeaseLost where somebody else takes it by now."""
    return _with(release, replace(_held(release, name, token), beat=now))


def carried_out(
    release: Release, name: StepName, token: str, now: float, command: str, evidence: Sequence[Evidence] = ()
) -> Release:
    """Return `release` with a command of its step carried out to its end, and what that showed."""
    step = _held(release, name, token)
    commands = (*step.commands, command)
    return _with(release, replace(step, beat=now, commands=commands, evidence=(*step.evidence, *evidence)))


def finish(
    release: Release, name: StepName, token: str, now: float, evidence: Sequence[Evidence] = ()
) -> Release:
    """Return `release` with its step done. Raises LeaseLost where somebody else takes it by now."""
    step = _held(release, name, token)
    return _with(
        release,
        replace(step, state="done", token="", beat=now, ended=now, evidence=(*step.evidence, *evidence)),
    )


def fail(
    release: Release,
    name: StepName,
    token: str,
    now: float,
    because: str,
    evidence: Sequence[Evidence] = (),
) -> Release:
    """Return `release` with its step failed; it may be taken again, behind the commands that ended."""
    step = _held(release, name, token)
    return _with(
        release,
        replace(
            step,
            state="failed",
            token="",
            beat=now,
            ended=now,
            because=because,
            evidence=(*step.evidence, *evidence),
        ),
    )


def tried(release: Release, drill: Evidence) -> Release:
    """Return `release` with what a drill of one of its snapshots showed, in place of an earlier one of the same."""
    step = release.step(StepName.SNAPSHOT)
    kept = [each for each in step.evidence if (each.kind, each.about) != (drill.kind, drill.about)]
    return _with(release, replace(step, evidence=(*kept, drill)))


def again(release: Release, facts: Facts) -> Release | None:
    """Return `release` with the step to be taken again whose evidence is too old for the contract; None for none.

    What was found of a snapshot that is of no use any more stays in the record, beside what was found before.
    """
    name = worn_out(release, facts)
    if name is None:
        return None
    why: list[Evidence] = []
    if name is StepName.SNAPSHOT:
        why = [each for each in facts.evidence if (each.kind, each.verdict) == (SNAPSHOT, "bad")]
    evidence = (*release.step(name).evidence, *why)
    return _with(release, Step(name=name, evidence=evidence, because="taken again"))


def end(release: Release, state: ReleaseState, by: Identity, now: float, because: str = "") -> Release:
    """Return `release` as it ends. Raises Refused where it has ended, or cannot end so; Busy while a step is taken."""
    if release.state != "open":
        raise Refused(
            f"release {release.number} of {release.environment} is {release.state}", because=release.because
        )
    for step in release.steps:
        if step.state == "running" and step.name is not StepName.CLOSE and not is_silent(step, now):
            raise Busy(
                f"release {release.number} is under way",
                because=f"{step.name} is being taken by {shown(step.by) if step.by else 'somebody'}",
                try_="wait for it",
            )
    if reason := _cannot_end(release, state):
        raise Refused(f"release {release.number} cannot be {state}", because=reason)
    return replace(
        release, state=state, ended=now, ended_by=by, because=because, revision=release.revision + 1
    )


def _cannot_end(release: Release, state: ReleaseState) -> str:
    current = release.current
    if state == "closed" and current is not None and current.name is not StepName.CLOSE:
        return f"{current.name} is not done"
    if state in ("returned", "superseded") and release.step(StepName.CONTRACT).began:
        return "its contract has begun, and what that removed is gone"
    return ""


def choices(
    release: Release, facts: Facts, found: Mapping[StepName, Sequence[Gate]] | None = None
) -> tuple[Choice, ...]:
    """Return what can be done with a release now; what cannot be done says why. `found`: all gates, by step."""
    if release.state != "open":
        return ()
    found = found or {each.name: gates(release, each.name, facts) for each in release.steps}
    return tuple(_choices(release, facts, found))


def _choices(release: Release, facts: Facts, found: Mapping[StepName, Sequence[Gate]]) -> Iterator[Choice]:
    current = release.current
    if current is not None:
        closed = [each for each in found[current.name] if not each.is_open]
        because = "; ".join(f"{each.name}: {each.because}" for each in closed)
        if current.state == "running" and not is_silent(current, facts.now):
            because = f"{shown(current.by) if current.by else 'somebody'} takes it now"
        what = f"take {current.name}{' again' if current.began else ''}"
        hint = Hint(call("release next", str(release.number)))
        yield Choice(verb="next", what=what, hint=hint, because=because)
        yield from _approvals(release, facts, found)
    busy = ""
    if current is not None and current.state == "running" and not is_silent(current, facts.now):
        busy = f"{current.name} is being taken"
    begun = release.step(StepName.CONTRACT).began
    gone = "the contract has begun: what it removed comes back from a snapshot alone" if begun else ""
    hint = Hint(call("release back", str(release.number)))
    yield Choice(verb="back", what="go back to the version before", hint=hint, because=gone or busy)
    hint = Hint(call("release abandon", str(release.number), "--because", "REASON"))
    yield Choice(verb="abandon", what="end it here, and leave everything as it is", hint=hint, because=busy)


def _approvals(release: Release, facts: Facts, found: Mapping[StepName, Sequence[Gate]]) -> Iterator[Choice]:
    """Yield the steps that wait for approval: those of later ones may be given ahead."""
    for step in release.steps:
        closed = {each.name for each in found[step.name] if not each.is_open}
        if NEW_CODE in closed and step is release.current:
            what = "say that the new code is everywhere"
            yield Choice(verb="approve", what=what, hint=approve_hint(release, step.name))
            continue
        is_unknown = step is release.current and bool(closed & {"readers", "snapshot"})
        if "approvals" in closed and step.state != "running":
            hint = approve_hint(release, step.name)
            yield Choice(verb="approve", what=f"approve {step.name}", hint=hint)
        elif is_unknown and facts.rules.approvals.get(step.name, 0):
            hint = approve_hint(release, step.name, reason=True)
            yield Choice(verb="approve", what=f"approve {step.name} with a reason", hint=hint)


def _held(release: Release, name: StepName, token: str) -> Step:
    step = release.step(name)
    if step.state != "running" or step.token != token:
        who = f" by {shown(step.by)}" if step.by and step.token else ""
        raise LeaseLost(
            f"{name} of release {release.number} was taken over{who}",
            because=f"it was not heard of for more than {duration(SILENCE)}",
            try_=Hint("look at it: ", call("release show", str(release.number))),
        )
    return step


def _with(release: Release, step: Step) -> Release:
    steps = tuple(step if each.name is step.name else each for each in release.steps)
    return replace(release, steps=steps, revision=release.revision + 1)


def _ago(step: Step, now: float) -> str:
    return f"{duration(max(0.0, now - step.beat))} ago"
