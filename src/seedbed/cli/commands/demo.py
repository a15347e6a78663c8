"""`seedbed demo`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedbed.cli.frame import Frame, framed
from seedbed.errors import ExitCode, Irreversible

if TYPE_CHECKING:
    from seedbed.model.outcome import Outcome
    from seedbed.project import Reach

ENV = "sandbox"


@click.command("demo")
@click.option("--keep", is_flag=True, help="Use the project's own sandbox and leave it as it is afterwards.")
@framed
def command(frame: Frame, keep: bool) -> None:
    """Run the whole platform on embedded databases: migrate, seed, revert, apply again, and say what was done.

    \b
    seedbed -C edtech demo
    """
    from seedbed.report.texts import status_text

    began = time.monotonic()
    project = frame.project
    with tempfile.TemporaryDirectory(prefix="seedbed-demo-") as scratch:
        if not keep:
            project.home = Path(scratch)
        with frame.reaching(ENV, project.databases(), wait=60) as reach:
            for error in reach.failed.values():
                raise error
            tour = Tour(frame, reach)
            tour.step("migrate every database", lambda: project.apply(tour.fresh()))
            tour.step("seed reference data and fixtures", tour.seed)
            tour.step("seed again: nothing changes", tour.seed)
            tour.step("revert the last migration of each database", tour.revert_each)
            tour.step("apply again", lambda: project.apply(tour.fresh()))
            frame.out.result(status_text(project.status(tour.fresh()), summary=True))
    frame.out.log(f"done in {time.monotonic() - began:.1f} s: {tour.told}")


class Tour:
    """The steps of the demo, each announced, each checked."""

    def __init__(self, frame: Frame, reach: Reach) -> None:
        self.frame = frame
        self.reach = reach
        self.done: list[str] = []

    @property
    def told(self) -> str:
        return "; ".join(self.done)

    def fresh(self) -> Reach:
        """Return the reach with histories as they are now and no events of earlier steps."""
        self.reach.events.clear()
        for each in self.reach.reached:
            each.history = each.session.history()
        return self.reach

    def step(self, title: str, act: Callable[[], Outcome]) -> None:
        self.frame.out.log(f"\n== {title}")
        outcome = act()
        if outcome.exit_code is not ExitCode.DONE:
            from seedbed.report.texts import outcome_text

            self.frame.out.result(outcome_text(outcome, title))
            self.frame.leave(outcome.exit_code)
        migrations = sum(len(each.finished) for each in outcome.targets)
        rows = sum(each.rows_changed for each in outcome.targets)
        self.done.append(f"{title} ({migrations} migrations)" if migrations else f"{title} ({rows} rows)")

    def seed(self) -> Outcome:
        from seedbed.model.seed import SeedKind
        from seedbed.report.texts import seed_text

        outcome = self.frame.project.seed(self.fresh(), [SeedKind.REFERENCE, SeedKind.FIXTURE])
        self.frame.out.result(seed_text(self.reach.events))
        return outcome

    def revert_each(self) -> Outcome:
        """Revert one migration of each database; one that has no way back says so and stays."""
        reach = self.fresh()
        everything = reach.reached
        for each in everything:
            reach.reached = [each]
            try:
                self.frame.project.revert(reach)
            except Irreversible as error:
                self.frame.out.log(f"{each.id}: {error.what}, because {error.because}")
        reach.reached = everything
        return reach.outcome
