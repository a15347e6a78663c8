"""The commands of a step: those that a person would type with the bundle unpacked."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from seedbed.documents.plan import PlanDocument
from seedbed.model.migration import Phase


class StepCommand(Struct, frozen=True):
    """A command of a step: its name, by which the record knows that it was carried out, and all of its words."""

    name: str
    words: tuple[str, ...]


def planning(environment: str, number: int, phase: Phase, out: Path, assembly: Path | None) -> StepCommand:
    """Return the command that makes the plan of a release through a phase."""
    words = ["plan", "-e", environment, "--through", phase.value, "--release", str(number), "--out", str(out)]
    if assembly is not None:
        words += ["--assembly", str(assembly)]
    return StepCommand(
        "plan", (*words, "--json", "--quiet")
    )  # where it lies is gone before anybody could read it


def of_phase(plan: PlanDocument, file: Path, assembly: Path | None, *, seeds: bool) -> list[StepCommand]:
    """Return the commands of a step that carries out a plan. `seeds`: reference data is loaded as well, by the plan
    where that shows it.
    """
    there = ("-e", plan.environment)
    commands = []
    if plan.stacks or any(each.changes for each in plan.databases):
        more = ("--assembly", str(assembly)) if assembly is not None else ()
        commands.append(StepCommand("deploy", ("deploy", *there, "--yes", *more, "--json", str(file))))
    commands.append(StepCommand("apply", ("apply", *there, "--json", str(file))))
    if seeds and any(each.seeds for each in plan.databases):
        commands.append(StepCommand("seed", ("seed", *there, "--json", str(file))))
    elif seeds:
        commands.append(StepCommand("seed", ("seed", *there, "--kind", "reference", "--json")))
    return commands
