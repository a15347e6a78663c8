"""`seedbed apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.frame import Frame, framed

if TYPE_CHECKING:
    pass


@click.command("apply")
@click.argument("plan", required=False, type=click.Path(exists=True, dir_okay=False), metavar="[PLAN]")
@options.environment
@options.selection
@click.option("--to", metavar="VERSION", help="Stop after this version (one database).")
@click.option(
    "--through",
    type=click.Choice(["expand", "migrate", "contract"]),
    default="contract",
    show_default=True,
    help="The gate: how far along a release to go.",
)
@click.option("--allow-out-of-order", is_flag=True, help="Apply versions that were merged late.")
@click.option("--unreviewed", is_flag=True, help="Go on in a protected environment without a plan file.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@options.wait
@options.as_json
@framed
def command(
    frame: Frame,
    plan: str | None,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    to: str | None,
    through: str,
    allow_out_of_order: bool,
    unreviewed: bool,
    dry_run: bool,
    wait: float,
) -> None:
    """Carry out what is pending, on every database that is selected.

    PLAN is a file that `seedbed plan --out` wrote and somebody has read. It is refused if anything has changed
    since, but a run of it that was interrupted goes on.

    \b
    seedbed apply -e sandbox
    seedbed apply -e dev-ana -s user -s payment
    seedbed apply -e staging --through expand      before the new code is deployed
    seedbed apply -e prod plan.json
    """
    from seedbed.cli.planning import request, show_plan

    wanted, databases = request(
        frame, plan, env, services, engines, to, through, allow_out_of_order, unreviewed
    )
    if not dry_run:
        frame.project.insist_on_review(env, wanted)
    with frame.reaching(env, databases, wait=wait, silent=dry_run) as reach:
        if dry_run:
            show_plan(frame, frame.project.plan(reach, wanted))
            return
        frame.expect(lambda: frame.project.plan(reach, wanted))
        outcome = frame.project.apply(reach, wanted)
    frame.finish(reach, outcome)
