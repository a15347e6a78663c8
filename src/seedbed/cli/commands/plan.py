"""`seedbed plan`."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode, Hint, Location, UsageError, call, hint_text

if TYPE_CHECKING:
    from seedbed.documents.plan import PlanDocument
    from seedbed.report.styles import Page


@click.command("plan")
@options.environment
@options.selection
@options.to("Stop after this version (one database only).")
@options.gate("The gate: the last phase of a release to run")
@click.option("--allow-out-of-order", is_flag=True, help="Plan migrations that are out of order as well.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True),
    help="Write the plan to a file, for review and apply.",
)
@click.option(
    "--sample",
    cls=options.NumberOption,
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Try data migrations on N items, in memory, to estimate their cost (default: 0, by sizes only).",
)
@click.option("--exit-code", is_flag=True, help="Exit with 6 if anything is pending.")
@click.option(
    "--stacks/--no-stacks",
    default=None,
    help="Show what deploy would change in stacks (default: with --out, where there is a CDK app).",
)
@options.assembly("Compare this cloud assembly, instead of synthesising the CDK app.")
@options.drop
@click.option(
    "--release",
    type=click.IntRange(1),
    cls=options.NumberOption,
    default=None,
    metavar="NUMBER",
    help="Bind the plan to this release: its steps alone may carry it out.",
)
@click.option("--sql", "script", is_flag=True, help="Show every statement or request, whole, as a script.")
@click.option("--summary", is_flag=True, help="Show one line per database.")
@click.option(
    "--markdown", is_flag=True, help="Write the plan as Markdown, for a comment or a job's summary."
)
@options.fresh
@options.as_json
@command_context(CommandKind.READS)
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    to: str | None,
    through: str,
    allow_out_of_order: bool,
    out: str | None,
    sample: int,
    exit_code: bool,
    stacks: bool | None,
    assembly: str | None,
    drop: tuple[str, ...],
    release: int | None,
    script: bool,
    summary: bool,
    markdown: bool,
    fresh: bool,
) -> None:
    """Show what apply would do, and deploy; change nothing.

    \b
    seedbed plan -e staging
    seedbed plan -e staging -s user --sql     every statement, for a DBA
    seedbed plan -e prod --through expand --out plan.json
    seedbed plan -e staging --sample 1000     what data migrations will cost
    seedbed plan -e dev-ana --exit-code       in a pipeline: 6 if any are pending
    seedbed plan -e staging --markdown        for a comment on a pull request
    """
    from seedbed.cli.looking import look, require_asked
    from seedbed.cli.planning import (
        StacksAsked,
        plan_document,
        request,
        require_accepted,
        with_stacks,
        with_terms,
    )
    from seedbed.documents.document import text

    _require_one(context, script=script, summary=summary, markdown=markdown)
    wanted, databases = request(context, None, env, services, engines, to, through, allow_out_of_order, False)
    require_asked(context, fresh=fresh, sample=sample, stacks=bool(stacks or drop))
    with look(context, env, databases, fresh=fresh) as run:
        run.require_connected()
        plan = run.with_seeds(run.estimate(run.plan(wanted), sample=sample))
        asked = StacksAsked(stacks, bool(out), Path(assembly).absolute() if assembly else None, drop)
        chosen = {each.service for each in databases} if services or engines else ()
        plan = with_stacks(context, run, plan, asked, tuple(sorted(chosen)))
        plan = with_terms(context, replace(plan, release=release or 0))
    document = plan_document(context, plan)
    if out:
        _write(Path(out), text(document))
    context.show(document, _page(script=script, summary=summary, markdown=markdown))
    if out:
        _tell_written(context, out, document)
    require_accepted(context, document)
    if exit_code and not plan.is_empty:
        context.leave(ExitCode.FOUND)


def _tell_written(context: CommandContext, out: str, document: PlanDocument) -> None:
    """Say where the plan is now, and how it is carried out."""
    waits = any(each.unverified for each in document.databases)
    hint = Hint("apply it with: " if not waits else "once verify passed, apply it with: ", call("apply", out))
    if any(each.seeds for each in document.databases):
        hint = Hint(hint, "; then load its seeds with: ", call("seed", out))
    said = hint_text(hint, document.environment, "")
    context.out.log(f"written to {out} (digest {document.digest}); {said}")


def _page(*, script: bool, summary: bool, markdown: bool) -> Callable[[PlanDocument], Page]:
    """Return what makes the page that was asked for."""
    if markdown:
        from seedbed.report.markdown_plan import plan_markdown

        return plan_markdown
    if script:
        from seedbed.report.text.script import script_text

        return script_text
    from seedbed.report.text.plan import plan_text

    return partial(plan_text, summary=summary)


def _require_one(context: CommandContext, *, script: bool, summary: bool, markdown: bool) -> None:
    """Raise UsageError where Markdown and another form of the result were asked for."""
    others = (("--json", context.as_json), ("--sql", script), ("--summary", summary))
    if markdown and (asked := [name for name, is_asked in others if is_asked]):
        raise UsageError(
            f"--markdown and {asked[0]} cannot be combined", because="there is one result", try_="one of them"
        )


def _write(path: Path, written: str) -> None:
    """Write the plan file, whole or not at all. Raises UsageError where that is not possible."""
    is_device = path.exists() and not path.is_file()
    draft = path if is_device else path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(written, encoding="utf-8")
        if not is_device:
            draft.replace(path)
    except OSError as error:
        if not is_device:
            with suppress(OSError):
                draft.unlink()
        raise UsageError(
            "the plan file cannot be written",
            because=error.strerror or str(error),
            try_=f"check the disk, and who may write to {path.absolute().parent}",
            at=Location(str(path)),
        ) from None
