"""Carrying out a step of a release: its commands, one after the other, behind those that ended before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from seedbed.errors import (
    Command,
    ExitCode,
    Hint,
    Interrupted,
    LeaseLost,
    OutcomeUnknown,
    Refused,
    SeedbedError,
    StepFailed,
    Unavailable,
    UsageError,
    ViolationsFound,
    call,
    exit_code,
)
from seedbed.model.release import (
    CODE,
    VERIFY,
    Evidence,
    Release,
    StepName,
)
from seedbed.planning.release_facts import Facts
from seedbed.planning.release_gates import renewed, said
from seedbed.project.releasing import commands, looking
from seedbed.project.releasing.children import Ended
from seedbed.project.releasing.claim import Claim, claimed
from seedbed.project.releasing.code import fetched
from seedbed.project.releasing.commands import StepCommand
from seedbed.project.releasing.operator import Operator
from seedbed.project.releasing.readers import CLOSES, LOOK, OPENS, looked
from seedbed.project.releasing.snapshots import taken
from seedbed.project.releasing.unpacked import Unpacked

CHECK = "check"  # of evidence
_VERIFY = "verify"
_RAISED: dict[ExitCode, type[SeedbedError]] = {
    ExitCode.USAGE: UsageError,
    ExitCode.REFUSED: Refused,
    ExitCode.UNAVAILABLE: Unavailable,
    ExitCode.PARTIAL: OutcomeUnknown,
    ExitCode.FOUND: ViolationsFound,
    ExitCode.FAILED: StepFailed,
    ExitCode.INTERRUPTED: Interrupted,
    ExitCode.TERMINATED: Interrupted,
}


class Steps:
    """The steps of one release, on its unpacked bundle."""

    def __init__(self, operator: Operator, unpacked: Unpacked) -> None:
        self._operator = operator
        self._unpacked = unpacked
        self._rules = unpacked.rules
        self._changed = False
        self._failed: tuple[Evidence, ...] = ()

    def take(self, release: Release, facts: Facts) -> Release:
        """Take the current step of `release`, and return the release after it.

        A step that was begun and not ended goes on behind its last command. Raises GateClosed and Refused while a gate
        is closed, Busy where another operator takes it; what fails, with the exit code of all that the step did.
        """
        step = release.current
        assert step is not None
        operator = self._operator
        with claimed(operator.store, release, step.name, facts, beat=operator.beat) as claim:
            done = [
                each for each in claim.step.commands if not each.startswith(LOOK)
            ]  # a look changes nothing
            self._changed, self._failed = bool(done), ()
            again = f", behind {', '.join(done)}" if done else ""
            operator.tell(f"== {step.name} of release {release.number} of {release.environment}{again}")
            try:
                evidence = self._apart(claim, facts)
            except LeaseLost:
                raise
            except SeedbedError as error:
                stopped = isinstance(error, Interrupted)
                claim.fail(f"stopped by {error.because}" if stopped else error.what, self._failed)
                if not stopped:
                    error.try_ = Hint(error.try_, *ways_out(claim.release))
                error.exit_code = exit_code([error], changed=self._changed)
                raise
            return claim.finish(evidence)

    def _apart(self, claim: Claim, facts: Facts) -> Sequence[Evidence]:
        """Take a step, with looks around it where it reads what the contract removes: that is no use by others."""
        name = claim.name
        watched = bool(facts.contracted) and name in _LOOKS
        if watched and name is not StepName.CODE:
            self._look(claim, CLOSES)
        evidence = _TAKEN[name](self, claim, facts)
        if watched:
            self._look(claim, OPENS)
        return evidence

    def _look(self, claim: Claim, what: str) -> None:
        command = f"{LOOK} {'opens' if what == OPENS else 'closes'}"
        if command in claim.step.commands:
            return
        claim.confirm()
        operator = self._operator
        data = looked(self._unpacked, operator.stop)
        blob = operator.store.put(data) if data else ""
        claim.carried_out(command, (Evidence(LOOK, "good", what, operator.store.now(), blob),))

    # --- each step returns the evidence that it ends with

    def _phase(self, claim: Claim, facts: Facts) -> Sequence[Evidence]:
        name, unpacked = claim.name, self._unpacked
        plan = unpacked.plan(name)
        is_first = name is StepName.EXPAND
        seeds = is_first and (
            any(each.seeds for each in plan.databases)
            or (not unpacked.environment.protected and looking.has_reference_data(unpacked.project))
        )
        for each in commands.of_phase(plan, unpacked.plan_file(name), unpacked.assembly, seeds=seeds):
            self._run(claim, each)
        return facts.evidence if name is StepName.CONTRACT else ()

    def _code(self, claim: Claim, facts: Facts) -> Sequence[Evidence]:
        if CODE not in claim.step.commands:
            claim.confirm()
            found = said(claim.release, facts)
            evidence = (
                Evidence(
                    CODE,
                    "good",
                    f"{found[0].by.arn or found[0].by.user_id} says so",
                    facts.now,
                    since=max(found[0].at, claim.release.step(StepName.EXPAND).ended),  # it may be said ahead
                )
                if found
                else looking.bringing(
                    claim.release,
                    self._rules.code,
                    self._unpacked,
                    self._operator.stop,
                    self._operator.tell,
                    self._operator.store.now,
                ).brought()
            )
            self._changed = True
            self._operator.tell(f"the new code is everywhere: {evidence.text}")
            claim.carried_out(CODE, (evidence,))
        self._checks(claim, StepName.CODE)
        return ()

    def _verify(self, claim: Claim, _: Facts) -> Sequence[Evidence]:
        platform, there = self._unpacked.project.platform, ("-e", self._unpacked.environment.name)
        if platform.references or platform.expectations:
            self._run(claim, StepCommand(_VERIFY, (_VERIFY, *there, "--json")), kind=VERIFY)
        elif _VERIFY not in claim.step.commands:
            text = "the manifest declares no reference and no expectation"
            claim.carried_out(_VERIFY, (Evidence(VERIFY, "good", text, self._operator.store.now()),))
        self._checks(claim, StepName.MIGRATE)
        return ()

    def _checks(self, claim: Claim, after: StepName) -> None:
        """Ask what has to hold after a step. Raises ViolationsFound for what does not."""
        checks = [each for each in self._rules.checks if each.after is after]
        for each in checks:
            if each.url:
                self._url(claim, each.name, each.url)
        if any(each.expectation for each in checks):
            words = (_VERIFY, "-e", self._unpacked.environment.name, "--after", after.value, "--json")
            self._run(claim, StepCommand(f"{_VERIFY} --after {after.value}", words), kind=CHECK)

    def _url(self, claim: Claim, name: str, url: str) -> None:
        command = f"{CHECK} {name}"
        if command in claim.step.commands:
            return
        answer, now = fetched(url), self._operator.store.now()
        if isinstance(answer, str):
            self._failed = (Evidence(CHECK, "bad", f"{name}: {answer}", now, about=name),)
            raise ViolationsFound(
                f"{name} does not hold", because=answer, try_=Hint("fix it; then: ", call("release next"))
            )
        claim.carried_out(command, (Evidence(CHECK, "good", f"{name}: {url} answers", now, about=name),))

    def _soak(self, _claim: Claim, _facts: Facts) -> Sequence[Evidence]:
        return ()  # the gate was all of it

    def _snapshot(self, claim: Claim, facts: Facts) -> Sequence[Evidence]:
        claim.confirm()
        changed = max(claim.release.step(each).ended for each in (StepName.EXPAND, StepName.MIGRATE))
        # A snapshot from before data changed last is not of all of them.
        since = max(changed, self._operator.store.now() - self._rules.snapshot_max_age)
        found = taken(self._operator, self._unpacked, facts.contracted, claim.release.number, since)
        for each in found:
            self._operator.tell(each.text)
        bad = [each.text for each in found if each.verdict == "bad"]
        if bad:
            self._failed = tuple(found)
            raise StepFailed(
                "not every database has a snapshot that can be restored",
                because="; ".join(bad),
                try_=renewed(claim.release.number, found),
            )
        return found

    def _close(self, _claim: Claim, _facts: Facts) -> Sequence[Evidence]:
        return ()  # what ends with it is the release

    # --- a command

    def _run(self, claim: Claim, command: StepCommand, *, kind: str = "") -> None:
        """Run a command that was not carried out yet, and keep what it wrote. Raises what its exit code means."""
        if command.name in claim.step.commands:
            return
        operator = self._operator
        claim.confirm()
        operator.tell(f"$ {' '.join(('seedbed', *map(self._short, command.words)))}")
        began = operator.store.now()
        ended = self._unpacked.seedbed(command.words, operator.stop)
        evidence = self._evidence(kind or command.name, ended, began)
        if not ended.code:
            claim.carried_out(command.name, (evidence,))
            operator.tell(f"{command.name}: {evidence.text}")
            return
        self._failed = (evidence,)
        operator.stop.check()
        raise failure(command.name, ended, f"{claim.name} of release {claim.release.number}")

    def _short(self, word: str) -> str:
        """Return a word as a person would type it in the directory of the bundle."""
        return word.removeprefix(f"{self._unpacked.directory}/")

    def _evidence(self, kind: str, ended: Ended, began: float) -> Evidence:
        store, document = self._operator.store, document_of(ended)
        self._changed = self._changed or bool(document.get("changed"))
        blob = store.put(ended.output) if ended.output else ""
        text = looking.told(document) or f"ended with exit code {ended.code}"
        return Evidence(kind, "bad" if ended.code else "good", text, store.now(), blob, since=began)


_TAKEN: dict[StepName, Callable[[Steps, Claim, Facts], Sequence[Evidence]]] = {
    StepName.EXPAND: Steps._phase,
    StepName.CODE: Steps._code,
    StepName.MIGRATE: Steps._phase,
    StepName.VERIFY: Steps._verify,
    StepName.SOAK: Steps._soak,
    StepName.SNAPSHOT: Steps._snapshot,
    StepName.CONTRACT: Steps._phase,
    StepName.CLOSE: Steps._close,
}


_LOOKS = (
    StepName.CODE,
    StepName.MIGRATE,
    StepName.VERIFY,
)  # once the new code is there, old readers are to go


def ways_out(release: Release) -> tuple[str | Command, ...]:
    """Return what can be done with a release whose step failed, beside going on: in a hint, behind that."""
    number = str(release.number)
    abandon = call("release abandon", number, "--because", "REASON")
    if release.step(StepName.CONTRACT).began:
        return ("; or end it as it is: ", abandon)
    return ("; or go back: ", call("release back", number), "; or end it as it is: ", abandon)


def document_of(ended: Ended) -> dict[str, Any]:
    """Return the document that a command wrote; empty where it is none."""
    try:
        found = json.loads(ended.output)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def failure(name: str, ended: Ended, what: str, again: Command | None = None) -> SeedbedError:
    """Return what the exit code of a command means for what it is a part of; it said itself what happened.

    `again`: goes on once it is fixed.
    """
    code = ended.exit_code
    kind = _RAISED.get(code, SeedbedError)
    died = f"by signal {-ended.code}" if ended.code < 0 else f"with exit code {ended.code}"
    error = kind(
        f"{what}: {name} ended {died}",
        because="it says above what happened",
        try_=Hint("fix that, and go on: ", again or call("release next")),
    )
    error.exit_code = code
    return error
