"""A release as Markdown: for a comment on a pull request, for the summary of a job."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.documents.release import ReleaseDocument, ReleaseStepEntry
from seedbed.report.markdown import code, table_row
from seedbed.report.styles import Lines, line
from seedbed.report.text.release import (
    SIGNS,
    evidence_words,
    opens_words,
    state_words,
    waits_for,
    when,
    where_it_stands,
)
from seedbed.support.phrases import moment, whole_hours


def release_markdown(release: ReleaseDocument) -> Lines:
    """Return a release as a table of its steps, its approvals, and what comes next."""
    where = where_it_stands(release)
    texts = [f"### release {release.number} of {code(release.environment)}: {where}", ""]
    texts += [
        f"commit {code(release.commit)}, opened {moment(release.opened)} by {code(str(release.opened_by))},"
        f" digest {code(release.digest)}" + (f", soaks {whole_hours(release.soak)}" if release.soak else ""),
        "",
        "| | step | state | when | evidence | waits for |",
        "|---|---|---|---|---|---|",
        *(_step(each, release) for each in release.steps),
    ]
    if release.approvals:
        texts += ["", "| | approval of | by | when | |", "|---|---|---|---|---|", *_approvals(release)]
    if after := list(_what_next(release)):
        texts += ["", *after]
    return [line(each) for each in texts]


def _step(step: ReleaseStepEntry, release: ReleaseDocument) -> str:
    waits = [step.because] if step.state == "skipped" else list(waits_for(step, release))
    return table_row(
        SIGNS[step.state][0],
        step.name,
        state_words(step),
        code(when(step)) if when(step) else "",
        "<br>".join(code(evidence_words(each)) for each in step.evidence),
        "<br>".join(map(code, waits)),
    )


def _approvals(release: ReleaseDocument) -> Iterator[str]:
    for each in release.approvals:
        said = "; ".join(filter(None, (each.because, each.reason, each.evidence)))
        sign = "✓" if each.counts else "✗"
        yield table_row(sign, each.step, code(str(each.by)), moment(each.at), code(said) if said else "")


def _what_next(release: ReleaseDocument) -> Iterator[str]:
    if release.because:
        yield f"- {release.state}: {code(release.because)}"
    if said := opens_words(release):
        yield f"- {said}"
    for each in release.choices:
        if not each.because:
            yield f"- to {each.what}: {code(each.command or f'release {each.verb}')}"
        elif each.verb != "next":  # what that waits for stands at its step
            yield f"- release {each.verb} is refused: {code(each.because)}"
