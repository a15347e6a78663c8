"""Reports for people, compared with golden files: plain, in colour, and in ASCII."""

from __future__ import annotations

import pytest

from seedbed.errors import Location, SeedbedError, UsageError
from seedbed.model.outcome import fold
from seedbed.report.deployments import deployment_text
from seedbed.report.styles import Look, Page, render
from seedbed.report.texts import doctor_text, error_text, outcome_text, plan_text, seed_text, status_text
from tests.unit.golden.report import samples
from tests.unit.golden.report.files import same_as

PAGES: dict[str, Page] = {
    "plan": plan_text(samples.plan()),
    "plan-down": plan_text(samples.plan_down()),
    "plan-held": plan_text(samples.plan_held()),
    "plan-empty": plan_text(samples.plan_empty()),
    "status": status_text(samples.status()),
    "status-summary": status_text(samples.status(), summary=True),
    "status-up-to-date": status_text(samples.status_up_to_date()),
    "outcome-applied": outcome_text(fold(samples.applied()), "apply"),
    "outcome-eventful": outcome_text(fold(samples.eventful()), "apply"),
    "outcome-seeded": outcome_text(fold(samples.seeded()), "seed"),
    "outcome-untouched": outcome_text(fold(samples.failed_untouched()), "apply"),
    "outcome-interrupted": outcome_text(fold(samples.interrupted()), "apply"),
    "outcome-unknown": outcome_text(fold(samples.unknown()), "apply"),
    "outcome-deployed": outcome_text(fold(samples.deployed()), "deploy"),
    "outcome-destroyed": outcome_text(fold(samples.destroyed()), "destroy"),
    "outcome-nothing-deployed": outcome_text(
        fold(samples.deployed()[:1] + samples.deployed()[-1:]), "deploy"
    ),
    "deployment": deployment_text(samples.deployment()),
    "deployment-empty": deployment_text(samples.deployment_empty()),
    "plan-to-deploy": plan_text(samples.plan_to_deploy()),
    "outcome-nothing": outcome_text(fold(()), "revert"),
    "seed": seed_text(samples.seeded()),
    "seed-again": seed_text(samples.seeded_again()),
    "seed-none": seed_text(()),
    "error": error_text(samples.error()),
    "doctor": doctor_text([("Python", "3.11.7"), ("PostgreSQL", "18.6, embedded")]),
}
LOOKS = {
    "txt": Look(),
    "ansi": Look(color=True),
    "ascii": Look(unicode=False),
    "narrow": Look(width=60),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_report_reads_as_its_golden_file(name: str, look: str) -> None:
    assert same_as(f"{name}.{look}", render(PAGES[name], LOOKS[look]))


@pytest.mark.parametrize("name", PAGES)
def test_colour_changes_nothing_but_colour(name: str) -> None:
    import re

    painted = render(PAGES[name], LOOKS["ansi"])
    assert re.sub(r"\x1b\[\d*m", "", painted) == render(PAGES[name], LOOKS["txt"])


@pytest.mark.parametrize("name", PAGES)
def test_no_line_of_a_report_ends_in_a_blank(name: str) -> None:
    lines = render(PAGES[name], LOOKS["txt"]).splitlines()
    assert lines == [each.rstrip() for each in lines]


@pytest.mark.parametrize("name", ["plan", "status", "outcome-eventful"])
def test_what_we_draw_with_has_an_ascii_twin(name: str) -> None:
    drawn = render(PAGES[name], LOOKS["ascii"])
    assert {each for each in drawn if not each.isascii()} <= set("«»")  # a server's own words


def test_an_error_is_told_as_the_exception_tells_it_itself() -> None:
    error = UsageError("no such service", because="the manifest has none", try_="seedbed status")
    assert render(error_text(error), Look()) == f"error: {error}\n"


def test_a_location_stands_first_and_lines_of_a_reason_stay_below_each_other() -> None:
    error = SeedbedError("what", because="one\ntwo", at=Location("a.sql", 3))
    assert render(error_text(error), Look()) == "a.sql:3: error: what\n  because: one\n           two\n"
