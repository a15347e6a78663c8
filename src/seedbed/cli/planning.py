"""What `plan` and `apply` share: from options to a request, and a plan on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from seedbed.cli.context import CommandContext
from seedbed.errors import (
    Command,
    ExitCode,
    Hint,
    Interrupted,
    Location,
    SeedbedError,
    UsageError,
    call,
)
from seedbed.report.github import Annotation
from seedbed.support.phrases import listed, number

if TYPE_CHECKING:
    from seedbed.deployment.request import DeployRequest
    from seedbed.documents.plan import PlanDocument
    from seedbed.model.plan import Plan
    from seedbed.model.platform import Database
    from seedbed.planning.reviewed import ReviewedPlan
    from seedbed.project import Request
    from seedbed.project.run import Run
    from seedbed.report.styles import Page

_LARGEST = 1_000_000_000  # bytes of a plan file
_IN_TASK = "a task has no CDK app; the same command without --fresh looks at them from where it is called"


def request(
    context: CommandContext,
    plan: str | None,
    env: str,
    services: Sequence[str],
    engines: Sequence[str],
    to: str | None,
    through: str,
    out_of_order: bool,
    unreviewed: bool,
) -> tuple[Request, tuple[Database, ...]]:
    """Return what is asked for, and the databases it is about. Raises UsageError."""
    from seedbed.model.migration import Phase
    from seedbed.project import Request

    if plan is not None:
        says_more = services or engines or to or out_of_order or through != "contract"
        return _reviewed(context, plan, env, bool(says_more), call("apply", plan))
    databases = context.databases(services, engines)
    context.catalog.require_files(databases)
    if to is not None and len(databases) != 1:
        raise UsageError(
            f"--to names a version, and {len(databases)} databases are selected",
            because="each database has versions of its own",
            try_="narrow the selection with --service and --engine",
        )
    return Request(Phase(through), to, out_of_order, unreviewed=unreviewed), databases


def say_unreviewed(context: CommandContext, env: str, unreviewed: bool) -> None:
    """Say that a protected environment is changed without a review."""
    if unreviewed and context.catalog.environment(env).protected:
        context.out.log(
            f"{env} is protected, and this was not reviewed: what is written down says so", level=-1
        )


def seed_request(
    context: CommandContext,
    plan: str | None,
    env: str,
    services: Sequence[str],
    engines: Sequence[str],
    kinds: Sequence[str],
    unreviewed: bool,
) -> tuple[Request, tuple[Database, ...]]:
    """Return what is asked for, and the databases it is about. Raises UsageError."""
    from seedbed.project import Request

    if plan is not None:
        return _reviewed(context, plan, env, bool(services or engines or kinds), call("seed", plan))
    return Request(unreviewed=unreviewed), context.databases(services, engines)


def _reviewed(
    context: CommandContext, plan: str, env: str, says_more: bool, alone: Command
) -> tuple[Request, tuple[Database, ...]]:
    """Return what a plan file asks for. Raises UsageError; `says_more`: the command line says what the plan does."""
    from seedbed.project import Request
    from seedbed.project.protection import require_plan_of

    reviewed = _read(plan)
    if says_more:
        raise UsageError(
            "a plan file contains the selection and the gate",
            because="options could contradict what was reviewed",
            try_=Hint(alone),
        )
    require_plan_of(env, reviewed)
    return Request.of(reviewed), context.catalog.reviewed_databases(reviewed)


def deploy_request(
    context: CommandContext,
    plan: str | None,
    env: str,
    services: Sequence[str],
    through: str,
    *,
    unreviewed: bool,
    follow: bool,
) -> tuple[DeployRequest, tuple[Database, ...]]:
    """Return what is asked for, and the databases it is about. Raises UsageError, Refused."""
    from seedbed.deployment.request import DeployRequest
    from seedbed.project.protection import require_databases, require_reviewed

    environment = context.catalog.environment(env)
    if services:
        require_databases(context.project.platform, environment)
    asked, databases = request(context, plan, env, services, (), None, through, False, unreviewed)
    require_reviewed(environment, asked, verb="deploy")
    wanted = DeployRequest(asked.gate, tuple(services), asked.reviewed, asked.unreviewed, follow=follow)
    if environment.is_base:
        return wanted, ()
    return wanted, context.catalog.deployable(databases)


class StacksAsked(Struct, frozen=True):
    """Whether a plan is to show stacks: None where that was not said. `to_file`: the plan is written to one, so that
    `deploy` can read it. `assembly`, `drop` as in a `DeployRequest`.
    """

    wanted: bool | None
    to_file: bool
    assembly: Path | None
    drop: tuple[str, ...]


def with_stacks(
    context: CommandContext, run: Run, plan: Plan, asked: StacksAsked, services: tuple[str, ...]
) -> Plan:
    """Return `plan` with what a deployment would change in stacks, or with the reason why they were not looked at.

    Raises what hinders to look where that was asked for.
    """
    from seedbed.deployment.synthesis import has_app

    insists = asked.wanted or asked.assembly is not None or bool(asked.drop)
    is_in_task = context.recorder is not None
    if run.environment.is_sandbox or not (insists or is_in_task or has_app(context.project.platform.root)):
        return plan
    if asked.wanted is False:
        return replace(plan, stacks_unseen="--no-stacks says so")
    if is_in_task:
        return replace(plan, stacks_unseen=_IN_TASK)
    if not insists and not asked.to_file:
        return replace(plan, stacks_unseen="--stacks does, and so does --out")
    from seedbed.deployment.request import DeployRequest
    from seedbed.project import deploying

    request = DeployRequest(
        plan.gate,
        services,
        assembly=asked.assembly,
        drop=asked.drop,
        follow=False,
        fetch=bool(asked.wanted),
    )
    try:
        return deploying.with_stacks(run, plan, request, context.project.targets)
    except Interrupted:
        raise
    except SeedbedError as error:
        if insists:
            raise
        because = error.because.partition("\n")[0]
        return replace(plan, stacks_unseen=f"{error.what}: {because}" if because else error.what)


def with_terms(context: CommandContext, plan: Plan) -> Plan:
    """Return `plan` with what it is carried out under, as the manifest says it."""
    from seedbed.model.environment import IMAGE
    from seedbed.model.plan import Terms

    environment = context.catalog.environment(plan.environment)
    rules = environment.releases
    approvals = [(step.value, many) for step, many in rules.approvals.items()] if rules else []
    return replace(plan, terms=Terms(environment.context.get(IMAGE, ""), tuple(approvals)))


def _read(path: str) -> ReviewedPlan:
    from seedbed.planning.reviewed import read

    file = Path(path)
    try:
        if not file.is_file():
            raise OSError("it is no regular file, and seedbed reads a plan only where it can be read twice")
        if file.stat().st_size > _LARGEST:
            raise OSError(f"it has more than {number(_LARGEST)} bytes")
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(
            "the plan file cannot be read",
            because=str(error),
            try_=Hint("name the file that this writes: ", call("plan", "--out", "plan.json")),
            at=Location(path),
        ) from None
    return read(data, path)


def show_plan(context: CommandContext, plan: Plan, *, script: bool = False) -> None:
    """Write to standard output what a dry run would do; with `script`, what it would send."""
    document = plan_document(context, plan)
    context.show(document, _script if script else _page)
    require_accepted(context, document)


def require_accepted(context: CommandContext, document: PlanDocument) -> None:
    """Leave with 3 where a target rejects something of the plan as it is now, or `deploy` would refuse a stack.

    Whatever form it was shown in.
    """
    failing = [each.label for each in document.failing]
    if failing:
        context.out.log(f"error: this would fail as things are: {listed(failing)}", level=-1)
        for each in document.rejections:
            context.out.annotate(Annotation.of(each))
    if refused := document.refused_stacks:
        context.out.log(f"error: deploy would refuse this: {refused[0].what}", level=-1)
    if failing or refused:
        context.leave(ExitCode.REFUSED)


def plan_document(context: CommandContext, plan: Plan) -> PlanDocument:
    """Return `plan` as a document, with the texts of its steps."""
    from seedbed.documents.plan import PlanDocument
    from seedbed.documents.texts import masked

    text_of = masked(context.catalog.step_text, context.redactor)
    return PlanDocument.of(plan, context.command, text_of, context.redactor)


def _script(document: PlanDocument) -> Page:
    from seedbed.report.text.script import script_text

    return script_text(document)


def _page(document: PlanDocument) -> Page:
    from seedbed.report.text.plan import plan_text

    return plan_text(document)
