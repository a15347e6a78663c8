"""Releases, as pages: one with its steps and what they wait for, and all of an environment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from seedbed.documents.release import (
    ApprovalDocument,
    ApprovalEntry,
    EvidenceEntry,
    ListedReleaseEntry,
    ReadinessDocument,
    ReleaseDocument,
    ReleasesDocument,
    ReleaseStepEntry,
)
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.changes import note
from seedbed.support.phrases import duration, moment, shorten, whole_hours

SIGNS = {
    "waiting": ("○", Style.DIM),
    "running": ("▸", Style.CHANGE),
    "failed": ("✗", Style.BAD),
    "done": ("✓", Style.GOOD),
    "skipped": ("–", Style.DIM),
}
STATES = {
    "open": Style.CHANGE,
    "closed": Style.GOOD,
    "abandoned": Style.WARN,
    "returned": Style.WARN,
    "superseded": Style.DIM,
}
_VERDICTS = {"good": Style.DIM, "bad": Style.BAD, "unknown": Style.WARN}
_DIGEST = 12  # characters of a digest that people read


def release_text(release: ReleaseDocument) -> Lines:
    """Return a release: where it stands, its steps with what they wait for, its approvals, and what comes next."""
    page: Lines = [*_head(release), line()]
    rows: list[Row | Line] = []
    for each in release.steps:
        rows += _step(each, release)
    page += [Table(tuple(rows), indent=2), line()]
    if release.approvals:
        page += [line("approvals"), Table(tuple(map(_approval, release.approvals)), indent=2), line()]
    page += _what_next(release)
    return page[:-1] if page[-1] == line() else page


def releases_text(document: ReleasesDocument) -> Lines:
    """Return the releases of an environment, one row each."""
    if not document.releases:
        return [line(f"no release of {document.environment}")]
    return [Table(tuple(map(_listed, document.releases)), flex=6)]


def readiness_text(document: ReadinessDocument) -> Lines:
    """Return what the next step of a release waits for, and what its checks found."""
    gates = [
        line(
            ("open  ", Style.GOOD) if each.is_open else ("closed", Style.WARN),
            f"  {each.name}: {each.because}",
            indent=2,
        )
        for each in document.gates
    ]
    checks = [
        line(
            ("holds ", Style.GOOD) if each.verdict == "good" else ("broken", Style.BAD),
            f"  {each.text}",
            indent=2,
        )
        for each in document.checks
    ]
    step = document.step or "nothing"
    return [line(f"release {document.number} of {document.environment}, next: {step}"), *gates, *checks]


def approval_text(document: ApprovalDocument) -> Lines:
    """Return what was approved."""
    what = f"{document.step} of release {document.number} of {document.environment}"
    return [line(f"{what} is approved, at digest {document.digest[:_DIGEST]}")]


def where_it_stands(release: ReleaseDocument) -> str:
    """Return where a release stands, in a few words."""
    current = release.current
    if current is None:
        return release.state
    if release.returning:
        return "is being taken back"
    if current.state == "waiting":
        return f"{current.name} {'waits' if current.closed else 'is next'}"
    return f"{current.name} {'is being taken' if current.state == 'running' else 'failed'}"


def waits_for(step: ReleaseStepEntry, release: ReleaseDocument) -> tuple[str, ...]:
    """Return what to say of a step that is not over: of later steps only what can be done ahead, an approval."""
    current = release.current
    if step is current and step.state == "running":
        return ()
    if step is current:
        failed = () if any(each.verdict == "bad" for each in step.evidence) else (step.because,)
        return (*(failed if step.state == "failed" else ()), *_closed(step))
    return _closed(step, "approvals")


def _closed(step: ReleaseStepEntry, *names: str) -> tuple[str, ...]:
    """Return why gates are closed, of those with `names` or of all of them."""
    return tuple(f"{each.name}: {each.because}" for each in step.closed if not names or each.name in names)


def _head(release: ReleaseDocument) -> Iterator[Line]:
    yield line(
        (f"release {release.number} of {release.environment}", Style.BOLD),
        ": ",
        (where_it_stands(release), STATES[release.state]),
        f" ({release.because})" if release.because else "",
    )
    opened = f"opened {moment(release.opened)} by {release.opened_by}"
    carries_on = f", carries on release {release.supersedes}" if release.supersedes else ""
    soaks = f", soaks {whole_hours(release.soak)}" if release.soak else ""
    commit = f"{'commit ' if release.commit else ''}{commit_words(release.commit)}"
    yield line((f"{commit}, {opened}{carries_on}{soaks}", Style.DIM), indent=2)
    yield line((f"digest {release.digest}", Style.DIM), indent=2)
    for each in release.looser:
        yield line((f"looser than before: {each}", Style.WARN), indent=2)
    if release.ended and release.ended_by:
        ended = f"{release.state} {moment(release.ended)} by {release.ended_by}"
        yield line((ended, Style.DIM), indent=2)


def commit_words(commit: str) -> str:
    """Return a commit, shortened, with what stands behind it: that files differed from it."""
    if not commit:
        return "no commit"
    name, dash, differed = commit.partition("-")
    return f"{shorten(name, _DIGEST + 1)}{dash}{differed}"


def _step(step: ReleaseStepEntry, release: ReleaseDocument) -> Iterator[Row | Line]:
    sign, style = SIGNS[step.state]
    yield row((sign, style), (step.name, Style.BOLD), (state_words(step), style), (when(step), Style.DIM))
    for each in step.evidence:
        yield note(evidence_words(each), _VERDICTS[each.verdict])
    if step.state == "skipped":
        yield note(step.because)
    for words in waits_for(step, release):
        yield note(words, Style.BAD if step.state == "failed" else Style.WARN)


def state_words(step: ReleaseStepEntry) -> str:
    return "being taken" if step.state == "running" else step.state


def when(step: ReleaseStepEntry) -> str:
    """Return when a step ended, or was begun, how long it took, and who took it."""
    at = step.ended or step.began
    if at is None or step.state == "waiting":
        return ""
    took = ""
    if step.ended and step.began and step.ended > step.began:
        took = f" in {duration((step.ended - step.began).total_seconds())}"
    return f"{moment(at)}{took}" + (f" by {step.by}" if step.by else "")


def evidence_words(each: EvidenceEntry) -> str:
    """Return what was found, behind what kind it is of; a command's own line begins with its name."""
    return each.text if each.text.startswith(f"{each.kind}:") else f"{each.kind}: {each.text}"


def _approval(each: ApprovalEntry) -> Row:
    sign, style = ("✓", Style.GOOD) if each.counts else ("✗", Style.WARN)
    said = "; ".join(filter(None, (each.because, each.reason, each.evidence)))
    return row((sign, style), each.step, str(each.by), moment(each.at), (said, Style.DIM))


def _what_next(release: ReleaseDocument) -> Iterator[Line]:
    if said := opens_words(release):
        yield line((said, Style.CHANGE))
    for each in release.choices:
        if not each.because:
            yield line(f"to {each.what}: ", (each.command or f"release {each.verb}", Style.BOLD))
        elif each.verb != "next":  # what that waits for stands at its step
            yield line((f"release {each.verb} is refused: {each.because}", Style.DIM), wrap=True)


def opens_words(release: ReleaseDocument) -> str:
    """Return when the step whose turn it is can be taken without anything being done for it; empty for never."""
    current = release.current
    if current is None or release.opens_at is None:
        return ""
    return f"{current.name} can be taken from {moment(release.opens_at)} on"


def _listed(each: ListedReleaseEntry) -> Row:
    step = f"{each.step} {each.step_state}" if each.step else ""
    return row(
        (str(each.number), Style.BOLD),
        (each.state, STATES[each.state]),
        step,
        commit_words(each.commit),
        f"{_minute(each.opened)} UTC",
        str(each.opened_by),
        (each.because, Style.DIM),
    )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
