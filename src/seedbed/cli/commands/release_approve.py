"""`seedbed release approve`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Hint, Refused, UsageError, call
from seedbed.model.release import StepName
from seedbed.model.release_rules import GATED

if TYPE_CHECKING:
    from seedbed.model.release import Identity, Release

SHORTEST = 12  # characters of a digest


@click.command("approve", short_help="Approve a step, as it was shown.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@click.option(
    "--step",
    required=True,
    type=click.Choice([each.value for each in GATED]),
    help="The step: one that changes something.",
)
@click.option(
    "--digest",
    required=True,
    metavar="DIGEST",
    help="The release's digest as `release show` has it, 12 characters of it at least; not the bundle's.",
)
@click.option(
    "--reason", default="", metavar="TEXT", help="Why it may be taken although something is unknown."
)
@click.option("--evidence", default="", metavar="URL", help="Where it was reviewed; shown, and no evidence.")
@options.said_by
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    number: int | None,
    env: str,
    step: str,
    digest: str,
    reason: str,
    evidence: str,
    note: str,
) -> None:
    """Approve a step of release NUMBER (default: the open one), as the one that you are to the store.

    The approval is of the release as it is: of its bundle and of its plans. Who opened a release does not approve it.
    Where the manifest has a person say that the new code is everywhere, approving the step `code` says that.

    \b
    seedbed release approve -e prod --step expand --digest 3f9a0c7d21b8
    seedbed release approve -e prod --step code --digest 3f9a0c7d21b8
    """
    from seedbed.cli.releasing import store_of
    from seedbed.documents.release import ApprovalDocument
    from seedbed.model.release import Approval
    from seedbed.project.releasing.facts import chosen, require_open
    from seedbed.report.text.release import approval_text

    store = store_of(context, env)
    release = chosen(store, env, number)
    require_open(release)
    name, who = StepName(step), store.caller(note)
    _require_digest(release, digest)
    if release.step(name).is_over:
        raise Refused(
            f"{name} of release {release.number} is {release.step(name).state}", because="it is over"
        )
    if not _is_statement(context, env, name):
        left = store.openings(release.number)
        _require_other(release, who, [each.by for each in left if each.digest == release.digest])
    approval = Approval(
        number=release.number,
        step=name,
        digest=release.digest,
        by=who,
        at=store.now(),
        reason=reason,
        evidence=evidence,
    )
    store.approve(approval)
    context.show(ApprovalDocument.of(env, approval, context.command), approval_text)


def _require_digest(release: Release, digest: str) -> None:
    if len(digest) < SHORTEST:
        raise UsageError(
            f"{digest!r} is too short for a digest",
            because=f"what is approved is told from anything else by {SHORTEST} characters at least",
            try_="take it from what `release open` printed",
        )
    if release.bundle.startswith(digest):
        raise Refused(
            f"{digest} is the digest of the bundle, and not of release {release.number}",
            because="an approval is of the release: of its bundle, and of the plans that were made for it here",
            try_=Hint("review it, and take the digest from: ", call("release show", str(release.number))),
        )
    if not release.digest.startswith(digest):
        raise Refused(
            f"release {release.number} has another digest than the one that is approved",
            because=f"it is {release.digest[:SHORTEST]}…, and not {digest}",
            try_="review what it is now",
        )


def _is_statement(context: CommandContext, env: str, name: StepName) -> bool:
    """Return whether it is said that the new code is everywhere, which whoever opened the release may know as well."""
    rules = context.catalog.environment(env).releases
    asked = rules.approvals.get(name, 0) if rules else 0
    return name is StepName.CODE and not asked


def _require_other(release: Release, who: Identity, openers: Sequence[Identity]) -> None:
    from seedbed.planning.people import same_person, shown

    if any(same_person(who, each) for each in (release.opened_by, *openers)):
        raise Refused(
            f"{shown(who)} opened release {release.number}, and does not approve it",
            because="an approval is another person's",
            try_="have another person approve it",
        )
