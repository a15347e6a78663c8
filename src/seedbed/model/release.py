"""A release: what goes into an environment, the steps it takes, and the evidence of each.

Pure: times are seconds of the epoch, by the clock of the store that keeps the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import Struct, field

from seedbed.model.migration import Phase

ReleaseState = Literal["open", "closed", "abandoned", "returned", "superseded"]
StepState = Literal["waiting", "running", "failed", "done", "skipped"]


class StepName(StrEnum):
    """The steps of a release, in the order in which they are taken."""

    EXPAND = "expand"
    CODE = "code"
    MIGRATE = "migrate"
    VERIFY = "verify"
    SOAK = "soak"
    SNAPSHOT = "snapshot"
    CONTRACT = "contract"
    CLOSE = "close"


STEPS = tuple(StepName)
PHASES: Mapping[StepName, Phase] = {
    StepName.EXPAND: Phase.EXPAND,
    StepName.MIGRATE: Phase.MIGRATE,
    StepName.CONTRACT: Phase.CONTRACT,
}


class Identity(Struct, frozen=True):
    """Who did something: `user_id` and `arn` as the store's own authority tells them, which the caller does not choose.

    In AWS `user_id` is `ROLE-ID:SESSION`, or the id of a user. `note`: what the caller says of himself
    (`github:ana`): shown, and no evidence.
    """

    user_id: str
    arn: str
    note: str = ""


class Evidence(Struct, frozen=True):
    """What shows that something is so. `kind`: of what, one of those below.

    `verdict`: "unknown" wants a written reason. `text`: one line for people. `blob`: SHA-256 of the document in the
    store; empty where the text says all. `about`: the database or service; empty for all of them. `since`: from when
    on it is so: when a snapshot was taken, when `verify` began to read, when the new code was everywhere; 0 for `at`.
    """

    kind: str
    verdict: Literal["good", "bad", "unknown"]
    text: str
    at: float
    blob: str = ""
    about: str = ""
    since: float = 0.0

    @property
    def holds_from(self) -> float:
        return self.since or self.at


# Kinds of evidence that gates ask for.
CODE, VERIFY, READER, SNAPSHOT, DRILL = "code", "verify", "reader", "snapshot", "drill"


class Step(Struct, frozen=True, kw_only=True):
    """One step as it stands.

    `plan`: SHA-256 of the plan document that it carries out, in the store; empty where it has none. `token`: of who
    carries it out now, `by` who that is, `beat` when that was last heard of. `commands`: what has been carried out to
    its end, in order, so that a resumed step begins behind it. `because`: why it failed, or was skipped.
    """

    name: StepName
    state: StepState = "waiting"
    plan: str = ""
    token: str = ""
    by: Identity | None = None
    began: float = 0.0
    beat: float = 0.0
    ended: float = 0.0
    commands: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    because: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "skipped")


class Release(Struct, frozen=True, kw_only=True):
    """A release of one environment, as its record has it now. `revision` counts its changes.

    `bundle`: SHA-256 of the bundle; `commit`, `images` (digests by name) and `platform_digest` are what that says.
    `manifest`: SHA-256 of the bundle's manifest, which says what the release keeps to; in the store, as plans are.
    `soak`: seconds between the new code being everywhere and the contract. `supersedes`: the release that this one
    carries on; 0: none. `ended_by`, `because`: who closed, abandoned or returned it, and why. `returning`: since
    when it is being taken back, 0: it is not; from then on nothing leads forward.
    """

    environment: str
    number: int
    bundle: str
    platform_digest: str
    commit: str
    opened_by: Identity
    opened: float
    soak: float
    steps: tuple[Step, ...]
    images: Mapping[str, str] = field(default_factory=dict)
    manifest: str = ""
    state: ReleaseState = "open"
    revision: int = 0
    supersedes: int = 0
    ended: float = 0.0
    ended_by: Identity | None = None
    because: str = ""
    returning: float = 0.0

    def step(self, name: StepName) -> Step:
        return next(each for each in self.steps if each.name is name)

    @property
    def current(self) -> Step | None:
        """The first step that is not over; None where all are."""
        return next((each for each in self.steps if not each.is_over), None)

    @property
    def digest(self) -> str:
        """What is approved: the SHA-256 of the bundle, of the plans, of the rules, and of what surrounds them.

        It stays the same from the opening to the end, whatever happens in the steps.
        """
        plans = [(each.name, each.plan) for each in self.steps]
        parts = [self.environment, self.number, self.bundle, plans, self.soak, self.supersedes]
        parts += [self.manifest] if self.manifest else []  # records of before have none
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class Opening(Struct, frozen=True, kw_only=True):
    """That a caller opened a release, as its digest says. `by` and `at` are told by the store's own authority."""

    number: int
    digest: str
    by: Identity
    at: float


class Approval(Struct, frozen=True, kw_only=True):
    """The approval of a step of a release, as it was when its digest was `digest`.

    `by` and `at` are told by the store's own authority, not by the caller. `reason`: why the step may be taken although
    something about it is unknown; empty where nothing was accepted. `evidence`: a URL, shown and no evidence to us.
    """

    number: int
    step: StepName
    digest: str
    by: Identity
    at: float
    reason: str = ""
    evidence: str = ""


class Gate(Struct, frozen=True, kw_only=True):
    """One thing that a step waits for. `kind`: what is closed opens later ("wait"), or is forbidden ("policy").

    `because`: why it is closed, or what opened it. `opens_at`: when it opens by itself, 0 where it does not. `try_`:
    what opens it.
    """

    name: str
    is_open: bool
    because: str
    kind: Literal["wait", "policy"] = "wait"
    opens_at: float = 0.0
    try_: str = ""


NEW_CODE = "new code"  # the gate that a person opens by saying that it is everywhere


class Choice(Struct, frozen=True, kw_only=True):
    """What can be done with a release now. `verb`: the command of `seedbed release`; `what`: what comes of it.

    `hint`: what to type. `because`: why it cannot be done; empty where it can.
    """

    verb: str
    what: str
    hint: str
    because: str = ""
