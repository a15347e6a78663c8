"""`seedbed plan`."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
from msgspec.structs import replace

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode, Hint, Location, UsageError, call, hint_text


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
    fresh: bool,
) -> None:
    """Show what apply would do, and deploy; change nothing.

    \b
    seedbed plan -e staging
    seedbed plan -e staging -s user --sql     every statement, for a DBA
    seedbed plan -e prod --through expand --out plan.json
    seedbed plan -e staging --sample 1000     what data migrations will cost
    seedbed plan -e dev-ana --exit-code       in a pipeline: 6 if any are pending
    """
    from seedbed.cli.looking import look, require_asked
    from seedbed.cli.planning import StacksAsked, plan_document, request, require_accepted, with_stacks
    from seedbed.documents.document import text
    from seedbed.report.text.plan import plan_text
    from seedbed.report.text.script import script_text

    wanted, databases = request(context, None, env, services, engines, to, through, allow_out_of_order, False)
    require_asked(context, fresh=fresh, sample=sample, stacks=bool(stacks or drop))
    with look(context, env, databases, fresh=fresh) as run:
        run.require_connected()
        plan = run.with_seeds(run.estimate(run.plan(wanted), sample=sample))
        asked = StacksAsked(stacks, bool(out), Path(assembly).absolute() if assembly else None, drop)
        chosen = {each.service for each in databases} if services or engines else ()
        plan = with_stacks(context, run, plan, asked, tuple(sorted(chosen)))
        plan = replace(plan, release=release or 0)
    document = plan_document(context, plan)
    if out:
        _write(Path(out), text(document))
    context.show(document, script_text if script else partial(plan_text, summary=summary))
    if out:
        waits = any(each.unverified for each in document.databases)
        hint = Hint(
            "apply it with: " if not waits else "once verify passed, apply it with: ", call("apply", out)
        )
        if any(each.seeds for each in document.databases):
            hint = Hint(hint, "; then load its seeds with: ", call("seed", out))
        context.out.log(f"written to {out} (digest {document.digest}); {hint_text(hint, env, '')}")
    require_accepted(context, document)
    if exit_code and not plan.is_empty:
        context.leave(ExitCode.FOUND)


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
