"""What a step of a release waits for, and whether that is there. Pure: what is known is handed in as `Facts`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from seedbed.errors import GateClosed, Hint, Refused, call
from seedbed.model.release import (
    CODE,
    NEW_CODE,
    READER,
    SNAPSHOT,
    VERIFY,
    Approval,
    Evidence,
    Gate,
    Release,
    Step,
    StepName,
)
from seedbed.model.release_rules import GATED, ReleaseRules, frozen
from seedbed.planning.consents import SKEW, approve_hint, consents, sorted_out
from seedbed.planning.drills import drill_gate
from seedbed.planning.people import named, shown
from seedbed.planning.release_facts import Facts
from seedbed.support.phrases import listed, moment, whole_hours

_RENEWED = 60.0  # seconds


def gates(release: Release, name: StepName, facts: Facts) -> tuple[Gate, ...]:
    """Return what the step `name` waits for, open or closed; nothing for a step that is over."""
    step = release.step(name)
    if step.is_over:
        return ()
    return tuple(_gates(release, step, facts))


def require_open(release: Release, name: StepName, found: Sequence[Gate]) -> None:
    """Raise Refused where one of the gates forbids the step, GateClosed where it waits; both name all of them."""
    closed = [each for each in found if not each.is_open]
    if not closed:
        return
    forbidden = [each for each in closed if each.kind == "policy"]
    raise (Refused if forbidden else GateClosed)(
        f"{name} of release {release.number} of {release.environment} "
        + ("is refused" if forbidden else "waits"),
        because="\n".join(f"{each.name}: {each.because}" for each in forbidden or closed),
        try_=next((each.try_ for each in forbidden or closed if each.try_), ""),
    )


def opens_at(found: Sequence[Gate]) -> float:
    """Return when all closed gates open by themselves; 0 where one of them does not."""
    closed = [each for each in found if not each.is_open]
    if not closed or not all(each.opens_at for each in closed):
        return 0.0
    return max(each.opens_at for each in closed)


def _gates(release: Release, step: Step, facts: Facts) -> Iterator[Gate]:
    yield _open(release)
    yield _order(release, step)
    yield _alone(release, facts)
    yield from consents(release, step.name, facts)
    if facts.rules.freezes and _changes_something(step, facts.rules):
        yield _unfrozen(step, facts)
    if step.name is StepName.CODE and is_said(facts.rules):
        yield _everywhere(release, facts)
    if step.name is StepName.SOAK:
        yield _soaked(release, facts)
    if step.name is StepName.CONTRACT and not step.began:
        # what has begun goes on: what it removed is not read again, nor is a snapshot of half of it any better
        yield from _before_contract(release, facts)


def _before_contract(release: Release, facts: Facts) -> Iterator[Gate]:
    yield _soaked(release, facts)
    yield _unread(release, facts)
    if facts.contracted:
        yield _kept(release, facts)
    if facts.contracted and facts.rules.drill_max_age:
        found = drill_gate((release, *facts.others), facts.contracted, facts.now, facts.rules.drill_max_age)
        yield found if isinstance(found, Gate) else _accepted("drill", found, release, facts)
    if release.step(StepName.VERIFY).state != "skipped":
        yield _verified(release, facts)


def _open(release: Release) -> Gate:
    if release.returning and release.state == "open":
        because = f"it is being taken back since {_at(release.returning)}, and part of it may be gone"
        try_ = Hint("go on with that: ", call("release back", str(release.number)))
        return Gate(name="open", is_open=False, because=because, kind="policy", try_=try_)
    if release.state == "open":
        return Gate(name="open", is_open=True, because=f"opened {_at(release.opened)}")
    because = f"it is {release.state}" + (f": {release.because}" if release.because else "")
    return Gate(name="open", is_open=False, because=because, kind="policy", try_="open another release")


def _order(release: Release, step: Step) -> Gate:
    current = release.current
    if current is step or current is None:
        return Gate(name="order", is_open=True, because="it is its turn")
    because = f"{current.name} comes first, and is {_STATES[current.state]}"
    return Gate(name="order", is_open=False, because=because)


_STATES = {
    "waiting": "not taken yet",
    "running": "being taken",
    "failed": "failed",
    "done": "done",
    "skipped": "done",
}


def _alone(release: Release, facts: Facts) -> Gate:
    """Closed while another release is under way, or has carried this one on."""
    for each in facts.others:
        if each.supersedes == release.number and each.state in ("open", "closed"):
            return Gate(
                name="alone",
                is_open=False,
                kind="policy",
                because=f"release {each.number} carries it on",
                try_=Hint("go on with that one: ", call("release next", str(each.number))),
            )
        if each.state == "open" and each.number < release.number and not _is_carried_on(each, release):
            return Gate(
                name="alone",
                is_open=False,
                because=f"release {each.number} was opened before, and is open",
                try_=Hint("take that one to its end: ", call("release next", str(each.number))),
            )
    return Gate(name="alone", is_open=True, because="no other release is under way")


def _is_carried_on(other: Release, by: Release) -> bool:
    return by.supersedes == other.number and not other.step(StepName.CONTRACT).began


def _reasons(release: Release, facts: Facts) -> list[Approval]:
    """Return the approvals of the contract that say why it may go on although something is unknown."""
    counted, _ = sorted_out(release, StepName.CONTRACT, facts)
    return [each for each in counted if each.reason.strip()]


def _changes_something(step: Step, rules: ReleaseRules) -> bool:
    """Return whether taking a step begins a change; one that has begun goes on, and who waits changes nothing."""
    if step.began or step.name not in GATED:
        return False
    return step.name is not StepName.CODE or bool(rules.code.run)


def is_said(rules: ReleaseRules) -> bool:
    """Return whether nothing tells that the new code is everywhere, so that a person has to say it."""
    return not rules.code.run and rules.code.wait in {"", "manual"}


def said(release: Release, facts: Facts) -> list[Approval]:
    """Return who says that the new code is everywhere, where nothing else tells it; the last one first."""
    if not is_said(facts.rules):
        return []
    known = [
        each
        for each in facts.approvals
        if each.number == release.number
        and each.step is StepName.CODE
        and each.digest == release.digest
        and each.at >= release.opened - SKEW
    ]
    return sorted(known, key=lambda each: -each.at)


def _everywhere(release: Release, facts: Facts) -> Gate:
    who = said(release, facts)
    because = f"{named(who)} says so" if who else "it is not said yet that the new code is everywhere"
    try_ = Hint("when it is: ", approve_hint(release, StepName.CODE))
    return Gate(name=NEW_CODE, is_open=bool(who), because=because, try_="" if who else try_)


def _unfrozen(step: Step, facts: Facts) -> Gate:
    found = frozen(facts.rules.freezes, facts.now)
    if found is None:
        return Gate(name="freeze", is_open=True, because="nothing is frozen now")
    until = f"until {_at(found.until)}" if found.until else "for more than a year"
    return Gate(
        name="freeze",
        is_open=False,
        because=f"nothing is changed {until}: {listed(found.by, separator='; ')}",
        opens_at=found.until or 0.0,
    )


def _soaked(release: Release, facts: Facts) -> Gate:
    code = release.step(StepName.CODE)
    found = latest((*code.evidence, *facts.evidence), CODE).get("")
    if code.state == "skipped" or not release.soak:
        return Gate(name="soak", is_open=True, because="there is nothing to wait for")
    if found is None or found.verdict != "good":
        because = found.text if found else "since when the new code is everywhere is not known"
        return Gate(name="soak", is_open=False, because=because)
    ends = found.holds_from + release.soak
    since = f"the new code is everywhere since {_at(found.holds_from)}"
    if facts.now >= ends:
        return Gate(name="soak", is_open=True, because=since)
    because = f"{since}, and soaks until {_at(ends)}"
    return Gate(name="soak", is_open=False, because=because, opens_at=ends)


def _unread(release: Release, facts: Facts) -> Gate:
    """Closed while somebody still reads what the contract removes; where that is not known, a person has to say why."""
    soaked = release.step(StepName.SOAK).ended
    found = latest([each for each in _all(release, facts) if each.at >= soaked], READER)
    bad = [each for each in found.values() if each.verdict == "bad"]
    if bad:
        return Gate(
            name="readers", is_open=False, because=_texts(bad), try_="have those go that still read it"
        )
    unknown = [each for each in found.values() if each.verdict == "unknown"]
    counted = facts.contracted or [""]  # images alone do not tell who reads what stacks lose
    if ("" in found or all(each in found for each in counted)) and not unknown:
        return Gate(name="readers", is_open=True, because=_texts(list(found.values())))
    because = _texts(unknown) or "whether what it removes is still read is not known"
    return _accepted("readers", because, release, facts)


def _accepted(name: str, because: str, release: Release, facts: Facts) -> Gate:
    """Return the gate of what is unknown: open where an approval has the reason, or where none is asked for."""
    if not facts.rules.approvals.get(StepName.CONTRACT, 0):
        return Gate(name=name, is_open=True, because=f"{because}; no approval is asked for here")
    if reasons := _reasons(release, facts):
        said = "; ".join(f"{shown(each.by)}: {each.reason.strip()}" for each in reasons)
        return Gate(name=name, is_open=True, because=f"{because}; accepted by {said}")
    try_ = Hint("have another person run: ", approve_hint(release, StepName.CONTRACT, reason=True))
    return Gate(name=name, is_open=False, because=because, try_=try_)


def _kept(release: Release, facts: Facts) -> Gate:
    """Closed unless each database that the contract changes has a snapshot: good, young, and of all its data."""
    because, unknown = _lacking(release, facts)
    if because:
        found = latest(_all(release, facts), SNAPSHOT)
        try_ = renewed(release.number, [found[each] for each in facts.contracted if each in found])
        return Gate(name="snapshot", is_open=False, because=because, try_=try_)
    if unknown:
        return _accepted("snapshot", _texts(unknown), release, facts)
    found = latest(_all(release, facts), SNAPSHOT)
    said = _texts([found.get(each) or found[""] for each in facts.contracted])
    return Gate(name="snapshot", is_open=True, because=said)


def _lacking(release: Release, facts: Facts) -> tuple[str, list[Evidence]]:
    """Return why another snapshot is needed, empty where none is, and of which databases there can be none."""
    found = latest(_all(release, facts), SNAPSHOT)
    unknown: list[Evidence] = []
    for database in facts.contracted:
        each = found.get(database) or found.get("")
        if each is None:
            return f"there is no snapshot of {database}", unknown
        if each.verdict == "unknown":
            unknown.append(each)
        elif because := _worn(each, release, facts) if each.verdict == "good" else each.text:
            return because, unknown
    return "", unknown


def _worn(each: Evidence, release: Release, facts: Facts) -> str:
    """Return why a snapshot that is good does not do; empty where it does."""
    taken = f"the snapshot of {each.about or 'the databases'} was taken {_at(each.holds_from)}"
    if each.holds_from < _changed(release):
        return f"{taken}, and the data were changed until {_at(_changed(release))}"
    if facts.now - each.holds_from > facts.rules.snapshot_max_age:
        return f"{taken}, more than {whole_hours(facts.rules.snapshot_max_age)} ago"
    return ""


def _verified(release: Release, facts: Facts) -> Gate:
    found = latest(_all(release, facts), VERIFY).get("")
    kind: Literal["wait", "policy"] = "policy"
    if found is None:
        because = "nothing was verified"
    elif found.verdict != "good":
        because = found.text
    elif found.holds_from < _changed(release):
        because = f"it was verified {_at(found.holds_from)}, and changed until {_at(_changed(release))}"
    elif facts.verify_max_age and facts.now - found.holds_from > facts.verify_max_age:
        because = (
            f"it was verified {_at(found.holds_from)}, more than {whole_hours(facts.verify_max_age)} ago"
        )
        kind = "wait"
    else:
        return Gate(name="verify", is_open=True, because=found.text)
    return Gate(name="verify", is_open=False, because=because, kind=kind, try_=_renewed(release))


def renewed(number: int, found: Sequence[Evidence]) -> Hint:
    """Return how snapshots are taken anew: one that cannot be restored keeps the place of the next one of its release.

    `found`: what there is of each.
    """
    bad = [each.about for each in found if each.verdict == "bad" and each.about]
    deleted = [call("snapshot delete", "--release", str(number), about=each) for each in bad]
    first = [part for each in deleted for part in (each, "; ")]
    anew = call("release next", str(number))
    return (
        Hint("delete what cannot be restored: ", *first, "then take it anew: ", anew)
        if bad
        else Hint("look anew: ", anew)
    )


def _renewed(release: Release) -> Hint:
    return Hint("look anew: ", call("release next", str(release.number)))


def worn_out(release: Release, facts: Facts) -> StepName | None:
    """Return the step whose evidence the contract does not take any more, and which has to be taken again: or None.

    Evidence grows old while approvals are waited for, or a freeze ends: it is gathered again once nothing else is
    waited for, and not twice within a minute.
    """
    contract = release.step(StepName.CONTRACT)
    if release.current is not contract or contract.began:
        return None
    closed = {each.name for each in gates(release, StepName.CONTRACT, facts) if not each.is_open}
    if closed - {"verify", "snapshot"}:
        return None
    worn = {
        StepName.VERIFY: "verify" in closed,
        StepName.SNAPSHOT: "snapshot" in closed and bool(_lacking(release, facts)[0]),
    }
    for name, is_worn in worn.items():
        step = release.step(name)
        if is_worn and step.state == "done" and facts.now - step.ended > _RENEWED:
            return name
    return None


def latest(evidence: Sequence[Evidence], kind: str) -> Mapping[str, Evidence]:
    """Return the newest evidence of a kind, by what it is about."""
    found: dict[str, Evidence] = {}
    for each in evidence:
        if each.kind == kind and (each.about not in found or each.at >= found[each.about].at):
            found[each.about] = each
    return found


def _all(release: Release, facts: Facts) -> tuple[Evidence, ...]:
    return (*(one for step in release.steps for one in step.evidence), *facts.evidence)


def _changed(release: Release) -> float:
    """Return when a step of the release last changed data."""
    names = (StepName.EXPAND, StepName.MIGRATE)
    return max(each.ended for each in map(release.step, names))


def _texts(evidence: Sequence[Evidence]) -> str:
    """Return what each of them says: whoever has to give a reason needs all of it."""
    return "; ".join(each.text for each in evidence)


def _at(at: float) -> str:
    return moment(datetime.fromtimestamp(at, UTC))
