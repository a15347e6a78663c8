"""Releases: how far one is, what each step waits for, what showed that it is done; and which there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.errors import hint_text
from seedbed.model.release import (
    Approval,
    Choice,
    Evidence,
    Gate,
    Identity,
    Release,
    ReleaseState,
    Step,
    StepName,
    StepState,
)

_MOMENT = Meta(tz=True)
Moment = Annotated[datetime, _MOMENT]


class WhoEntry(Part, frozen=True):
    """Who did something."""

    user_id: Annotated[str, says("As the store's own authority tells it: in AWS `aws:userid`.")]
    arn: Annotated[str, says("The same as people read it.")]
    note: Annotated[str, says("What the caller says of himself; no evidence.")]

    @classmethod
    def of(cls, who: Identity) -> WhoEntry:
        return cls(who.user_id, who.arn, who.note)

    def __str__(self) -> str:
        name = self.user_id.partition(":")[2] or self.arn.rpartition("/")[2] or self.user_id
        return f"{self.note} ({name})" if self.note else name


class EvidenceEntry(Part, frozen=True):
    """What shows that something is so."""

    kind: Annotated[str, says("Of what: `apply`, `verify`, `code`, `reader`, `snapshot`.")]
    verdict: Annotated[Literal["good", "bad", "unknown"], says("`unknown` wants a written reason.")]
    about: Annotated[str, says("The database or service; empty for all of them.")]
    text: Annotated[str, says("What was found, in one line.")]
    at: Annotated[Moment, says("When that was looked at.")]
    since: Annotated[Moment | None, says("From when on it is so: when a snapshot was taken; null for `at`.")]
    blob: Annotated[str, says("SHA-256 of the document in the store; empty where the text says all.")]

    @classmethod
    def of(cls, found: Evidence) -> EvidenceEntry:
        return cls(
            found.kind, found.verdict, found.about, found.text, _at(found.at), _maybe(found.since), found.blob
        )


class GateEntry(Part, frozen=True):
    """One thing that a step waits for."""

    name: Annotated[str, says("What: `order`, `approvals`, `freeze`, `soak`, `readers`, `snapshot`, …")]
    is_open: Annotated[bool, says("It is there.")]
    kind: Annotated[
        Literal["wait", "policy"],
        says(
            "Closed, it opens later (`wait`, exit code 6), or the step is forbidden (`policy`, exit code 3)."
        ),
    ]
    because: Annotated[str, says("Why it is closed, or what opened it.")]
    opens_at: Annotated[Moment | None, says("When it opens by itself; null where it does not.")]
    try_: Annotated[str, says("What opens it.")]

    @classmethod
    def of(cls, gate: Gate, environment: str) -> GateEntry:
        try_ = hint_text(gate.try_, environment, "")
        return cls(gate.name, gate.is_open, gate.kind, gate.because, _maybe(gate.opens_at), try_)


class ReleaseStepEntry(Part, frozen=True):
    """One step of a release."""

    name: Annotated[StepName, says("Its name.")]
    state: Annotated[StepState, says("`waiting`, `running`, `failed`, `done` or `skipped`.")]
    because: Annotated[str, says("Why it failed or is skipped; empty otherwise.")]
    began: Annotated[Moment | None, says("When it was begun; null where it was not.")]
    beat: Annotated[Moment | None, says("When whoever takes it was last heard of.")]
    ended: Annotated[Moment | None, says("When it was done, or failed.")]
    by: Annotated[WhoEntry | None, says("Who takes it, or took it last.")]
    plan: Annotated[str, says("SHA-256 of the plan document that it carries out; empty where it has none.")]
    commands: Annotated[tuple[str, ...], says("What was carried out to its end, in order.")]
    evidence: Annotated[tuple[EvidenceEntry, ...], says("What showed how it went, in order.")]
    gates: Annotated[
        tuple[GateEntry, ...], says("What it waits for, open or closed; empty where it is over.")
    ]

    @classmethod
    def of(cls, step: Step, gates: Sequence[Gate], environment: str) -> ReleaseStepEntry:
        return cls(
            step.name,
            step.state,
            step.because,
            _maybe(step.began),
            _maybe(step.beat),
            _maybe(step.ended),
            WhoEntry.of(step.by) if step.by else None,
            step.plan,
            step.commands,
            tuple(map(EvidenceEntry.of, step.evidence)),
            tuple(GateEntry.of(each, environment) for each in gates),
        )

    @property
    def closed(self) -> tuple[GateEntry, ...]:
        return tuple(each for each in self.gates if not each.is_open)


class ApprovalEntry(Part, frozen=True):
    """The approval of a step."""

    step: Annotated[StepName, says("The step.")]
    by: Annotated[WhoEntry, says("Who approved, as the store's own authority tells it.")]
    at: Annotated[Moment, says("When, as the store tells it.")]
    digest: Annotated[str, says("The digest of the release that was approved.")]
    reason: Annotated[str, says("Why the step may be taken although something is unknown.")]
    evidence: Annotated[str, says("Where it was reviewed, as who approved says; no evidence.")]
    counts: Annotated[bool, says("It counts now.")]
    because: Annotated[str, says("Why it does not count; empty where it does.")]

    @classmethod
    def of(cls, approval: Approval, because: str) -> ApprovalEntry:
        return cls(
            approval.step,
            WhoEntry.of(approval.by),
            _at(approval.at),
            approval.digest,
            approval.reason,
            approval.evidence,
            not because,
            because,
        )


class ChoiceEntry(Part, frozen=True):
    """What can be done with a release now."""

    verb: Annotated[str, says("The command: `next`, `approve`, `back`, `abandon`.")]
    what: Annotated[str, says("What comes of it.")]
    command: Annotated[str, says("What to type.")]
    because: Annotated[str, says("Why it cannot be done now; empty where it can.")]

    @classmethod
    def of(cls, choice: Choice, environment: str) -> ChoiceEntry:
        command = hint_text(choice.hint, environment, "")
        return cls(choice.verb, choice.what, command, choice.because)


class ImageEntry(Part, frozen=True):
    """A container image of a release."""

    name: Annotated[str, says("Its name.")]
    digest: Annotated[str, says("Its digest.")]


class ReleaseDocument(Document, frozen=True, kw_only=True, tag="seedbed/release/1"):
    """A release: how far it is, what its steps wait for, and what can be done with it now."""

    commands: ClassVar = (
        "release open",
        "release next",
        "release show",
        "release back",
        "release abandon",
        "release close",
        "release drill",
    )

    environment: Annotated[str, says("The environment's name.")]
    number: Annotated[int, says("Its number.")]
    state: Annotated[
        ReleaseState, says("`open`, or how it ended: `closed`, `abandoned`, `returned`, `superseded`.")
    ]
    because: Annotated[str, says("Why it ended, as who ended it says.")]
    digest: Annotated[
        str, says("What is approved: SHA-256 of its bundle, its plans and what surrounds them.")
    ]
    bundle: Annotated[str, says("SHA-256 of its bundle.")]
    platform_digest: Annotated[str, says("The digest of the platform's files in it.")]
    commit: Annotated[str, says("The commit that it was built from.")]
    images: Annotated[tuple[ImageEntry, ...], says("Container images that belong to it.")]
    opened: Annotated[Moment, says("When it was opened.")]
    opened_by: Annotated[WhoEntry, says("Who opened it.")]
    soak: Annotated[float, says("Seconds between the new code being everywhere and the contract.")]
    supersedes: Annotated[int, says("The release that it carries on; 0: none.")]
    looser: Annotated[
        tuple[str, ...],
        says(
            "Where its rules ask for less than those of the release before it, which then wants an approval."
        ),
    ]
    ended: Annotated[Moment | None, says("When it ended; null where it is open.")]
    ended_by: Annotated[WhoEntry | None, says("Who ended it.")]
    returning: Annotated[
        Moment | None, says("Since when it is being taken back, or when that began; null where it never was.")
    ]
    revision: Annotated[int, says("How often its record was changed.")]
    steps: Annotated[tuple[ReleaseStepEntry, ...], says("Its steps, in order.")]
    approvals: Annotated[tuple[ApprovalEntry, ...], says("All approvals of it, those that do not count too.")]
    choices: Annotated[tuple[ChoiceEntry, ...], says("What can be done with it now.")]
    opens_at: Annotated[
        Moment | None,
        says("When all that the current step waits for is there by itself; null where something is not."),
    ]

    @classmethod
    def of(
        cls,
        release: Release,
        command: str,
        *,
        gates: Mapping[StepName, Sequence[Gate]],
        approvals: Iterable[tuple[Approval, str]] = (),
        choices: Iterable[Choice] = (),
        opens_at: float = 0.0,
        looser: Sequence[str] = (),
    ) -> ReleaseDocument:
        """Return `release` as a document. `approvals`: each with why it does not count, empty where it does."""
        return cls(
            seedbed=VERSION,
            command=command,
            environment=release.environment,
            number=release.number,
            state=release.state,
            because=release.because,
            digest=release.digest,
            bundle=release.bundle,
            platform_digest=release.platform_digest,
            commit=release.commit,
            images=tuple(ImageEntry(*each) for each in sorted(release.images.items())),
            opened=_at(release.opened),
            opened_by=WhoEntry.of(release.opened_by),
            soak=release.soak,
            supersedes=release.supersedes,
            looser=tuple(looser),
            ended=_maybe(release.ended),
            ended_by=WhoEntry.of(release.ended_by) if release.ended_by else None,
            returning=_maybe(release.returning),
            revision=release.revision,
            steps=tuple(
                ReleaseStepEntry.of(each, gates.get(each.name, ()), release.environment)
                for each in release.steps
            ),
            approvals=tuple(ApprovalEntry.of(*each) for each in approvals),
            choices=tuple(ChoiceEntry.of(each, release.environment) for each in choices),
            opens_at=_maybe(opens_at),
        )

    @property
    def current(self) -> ReleaseStepEntry | None:
        """The first step that is not over; None where all are, and where the release has ended."""
        if self.state != "open":
            return None
        return next((each for each in self.steps if each.state not in ("done", "skipped")), None)


class ListedReleaseEntry(Part, frozen=True):
    """One release of an environment."""

    number: Annotated[int, says("Its number.")]
    state: Annotated[ReleaseState, says("`open`, or how it ended.")]
    step: Annotated[StepName | None, says("The step whose turn it is; null where none is.")]
    step_state: Annotated[StepState | None, says("How far that step is.")]
    commit: Annotated[str, says("The commit that it was built from.")]
    digest: Annotated[str, says("What is approved.")]
    opened: Annotated[Moment, says("When it was opened.")]
    opened_by: Annotated[WhoEntry, says("Who opened it.")]
    ended: Annotated[Moment | None, says("When it ended; null where it is open.")]
    because: Annotated[str, says("Why it ended, as who ended it says.")]

    @classmethod
    def of(cls, release: Release) -> ListedReleaseEntry:
        current = release.current if release.state == "open" else None
        return cls(
            release.number,
            release.state,
            current.name if current else None,
            current.state if current else None,
            release.commit,
            release.digest,
            _at(release.opened),
            WhoEntry.of(release.opened_by),
            _maybe(release.ended),
            release.because,
        )


class ReleasesDocument(Document, frozen=True, kw_only=True, tag="seedbed/releases/1"):
    """The newest releases of an environment; of `release next` and `release check` where there never was one."""

    commands: ClassVar = ("release list", "release next", "release check")

    environment: Annotated[str, says("The environment's name.")]
    releases: Annotated[tuple[ListedReleaseEntry, ...], says("The newest first.")]

    @classmethod
    def of(cls, environment: str, releases: Iterable[Release], command: str) -> ReleasesDocument:
        entries = tuple(map(ListedReleaseEntry.of, releases))
        return cls(seedbed=VERSION, command=command, environment=environment, releases=entries)


class ReadinessDocument(Document, frozen=True, kw_only=True, tag="seedbed/readiness/1"):
    """What the next step of a release waits for, and whether what has to hold by now does."""

    commands: ClassVar = ("release check",)

    environment: Annotated[str, says("The environment's name.")]
    number: Annotated[int, says("The release's number.")]
    digest: Annotated[str, says("What is approved.")]
    step: Annotated[
        StepName | None,
        says("The step whose turn it is; null where all are over, and where the release has ended."),
    ]
    gates: Annotated[tuple[GateEntry, ...], says("What it waits for, open or closed.")]
    checks: Annotated[tuple[EvidenceEntry, ...], says("What was asked of `[[release.checks]]`.")]
    is_ready: Annotated[bool, says("Every gate is open, and every check holds.")]

    @classmethod
    def of(
        cls, release: Release, gates: Sequence[Gate], checks: Sequence[Evidence], command: str
    ) -> ReadinessDocument:
        current = release.current if release.state == "open" else None
        return cls(
            seedbed=VERSION,
            command=command,
            environment=release.environment,
            number=release.number,
            digest=release.digest,
            step=current.name if current else None,
            gates=tuple(GateEntry.of(each, release.environment) for each in gates),
            checks=tuple(map(EvidenceEntry.of, checks)),
            is_ready=all(each.is_open for each in gates) and all(each.verdict == "good" for each in checks),
        )


class ApprovalDocument(Document, frozen=True, kw_only=True, tag="seedbed/approval/1"):
    """An approval as it was given. Whether it counts says `release show`."""

    commands: ClassVar = ("release approve",)

    environment: Annotated[str, says("The environment's name.")]
    number: Annotated[int, says("The release's number.")]
    step: Annotated[StepName, says("The step.")]
    digest: Annotated[str, says("The digest of the release that was approved.")]
    by: Annotated[WhoEntry, says("Who approved, as the store's own authority tells it.")]
    reason: Annotated[str, says("Why the step may be taken although something is unknown.")]
    evidence: Annotated[str, says("Where it was reviewed, as who approved says; no evidence.")]

    @classmethod
    def of(cls, environment: str, approval: Approval, command: str) -> ApprovalDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            number=approval.number,
            step=approval.step,
            digest=approval.digest,
            by=WhoEntry.of(approval.by),
            reason=approval.reason,
            evidence=approval.evidence,
        )


def _at(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _maybe(at: float) -> datetime | None:
    return _at(at) if at else None
