"""Reports for people, compared with golden files: plain, in colour, and in ASCII."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from seedbed.documents.coming_up import UpDocument
from seedbed.documents.deployment import DeploymentDocument
from seedbed.documents.doctor import DoctorDocument
from seedbed.documents.environments import ConnectionsDocument, EnvironmentsDocument
from seedbed.documents.errors import entries
from seedbed.documents.init import InitDocument
from seedbed.documents.inventory import CollectedEntry, CollectionDocument
from seedbed.documents.lifetimes import LifetimeDocument
from seedbed.documents.outcome import OutcomeDocument
from seedbed.documents.plan import PlanDocument
from seedbed.documents.reading import ReadingDocument
from seedbed.documents.release import ReleasesDocument
from seedbed.documents.runs import RunsDocument
from seedbed.documents.sharing import SharesDocument
from seedbed.documents.snapshot import CopyDocument, DrillDocument, SnapshotsDocument, SwapDocument
from seedbed.documents.status import StatusDocument
from seedbed.documents.usage import UsageDocument
from seedbed.documents.verification import VerificationDocument
from seedbed.documents.verified import VerifiedDocument
from seedbed.errors import ExitCode, LeaseLost, Location, SeedbedError, UsageError
from seedbed.model.deployment import Change, Deployment
from seedbed.model.event import Event, failure
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.model.migration import Direction, Phase
from seedbed.model.outcome import fold
from seedbed.model.plan import DatabasePlan, Plan
from seedbed.model.platform import DatabaseId, Expectation, Field, Query, Reference
from seedbed.model.seed import SeedKind
from seedbed.model.status import Status
from seedbed.model.verification import (
    ExpectationResult,
    Holders,
    Orphan,
    ReferenceResult,
    Verdict,
    Verification,
)
from seedbed.report.markdown import verification_markdown
from seedbed.report.markdown_plan import plan_markdown
from seedbed.report.markdown_release import release_markdown
from seedbed.report.styles import Look, Page, render
from seedbed.report.text.bundle import bundle_text
from seedbed.report.text.coming_up import up_text
from seedbed.report.text.cost import cost_text
from seedbed.report.text.deployment import deployment_text
from seedbed.report.text.doctor import doctor_text
from seedbed.report.text.environments import connections_text, environments_text
from seedbed.report.text.errors import error_text
from seedbed.report.text.going_down import down_text
from seedbed.report.text.image import image_text
from seedbed.report.text.init import init_text
from seedbed.report.text.inventory import collection_text
from seedbed.report.text.lifetimes import lifetime_text
from seedbed.report.text.outcome import outcome_text
from seedbed.report.text.plan import plan_text
from seedbed.report.text.reading import reading_text
from seedbed.report.text.release import release_text, releases_text
from seedbed.report.text.runs import runs_text
from seedbed.report.text.script import script_text
from seedbed.report.text.seeds import seed_text
from seedbed.report.text.sharing import shares_text
from seedbed.report.text.snapshots import copy_text, drill_text, snapshots_text, swap_text
from seedbed.report.text.status import status_text
from seedbed.report.text.usage import usage_text
from seedbed.report.text.verification import verification_text
from seedbed.report.text.verified import verified_text
from tests.unit.golden.report import release_samples, samples
from tests.unit.golden.report.files import same_as


def _plan(plan: Plan) -> Page:
    return plan_text(PlanDocument.of(plan, "plan"))


def _status(status: Status, *, summary: bool = False) -> Page:
    return status_text(StatusDocument.of(status, "status"), summary=summary)


def _verification(found: Verification) -> Page:
    return verification_text(VerificationDocument.of(found, "verify"))


def _outcome(events: Sequence[Event], command: str = "apply") -> Page:
    return outcome_text(OutcomeDocument.of(fold(events), events, command))


def _deployment(deployment: Deployment) -> Page:
    return deployment_text(DeploymentDocument.of(deployment, "deploy"))


def _error(error: SeedbedError) -> Page:
    return [each for entry in entries(error) for each in error_text(entry)]


FINDINGS = [("Python", "3.11.7"), ("PostgreSQL", "18.6, embedded")]
PAGES: dict[str, Page] = {
    "release-soaking": release_text(release_samples.soaking()),
    "release-failed": release_text(release_samples.failed()),
    "release-running": release_text(release_samples.running()),
    "release-ended": release_text(release_samples.ended()),
    "releases": releases_text(release_samples.listed()),
    "releases-none": releases_text(ReleasesDocument.of("prod", (), "release list")),
    "release-soaking-markdown": release_markdown(release_samples.soaking()),
    "release-failed-markdown": release_markdown(release_samples.failed()),
    "release-ended-markdown": release_markdown(release_samples.ended()),
    "plan": _plan(samples.plan()),
    "plan-markdown": plan_markdown(PlanDocument.of(samples.plan(), "plan")),
    "plan-of-a-release": _plan(samples.plan_of_a_release()),
    "plan-of-a-release-markdown": plan_markdown(PlanDocument.of(samples.plan_of_a_release(), "plan")),
    "plan-seeds-markdown": plan_markdown(PlanDocument.of(samples.plan_seeds(), "plan")),
    "plan-recalled": _plan(samples.plan_recalled()),
    "plan-recalled-script": script_text(PlanDocument.of(samples.plan_recalled(), "plan")),
    "plan-down": _plan(samples.plan_down()),
    "plan-deferred": _plan(samples.plan_deferred()),
    "plan-empty": _plan(samples.plan_empty()),
    "plan-unverified": _plan(samples.plan_unverified()),
    "plan-summary": plan_text(PlanDocument.of(samples.plan(), "plan"), summary=True),
    "plan-script": script_text(PlanDocument.of(samples.plan(), "plan")),
    "plan-seeds": _plan(samples.plan_seeds()),
    "plan-seeds-script": script_text(PlanDocument.of(samples.plan_seeds(), "plan")),
    "plan-seeds-summary": plan_text(PlanDocument.of(samples.plan_seeds(), "plan"), summary=True),
    "plan-script-empty": script_text(PlanDocument.of(samples.plan_empty(), "plan")),
    "plan-to-deploy": _plan(samples.plan_to_deploy()),
    "status": _status(samples.status()),
    "status-summary": _status(samples.status(), summary=True),
    "status-recalled": _status(samples.status_recalled()),
    "status-up-to-date": _status(samples.status_up_to_date()),
    "verification": _verification(samples.verification()),
    "verified": verified_text(VerifiedDocument.of("staging", *samples.verified(), "verify")),
    "usage": usage_text(UsageDocument.of("staging", samples.usage(), {}, "verify")),
    "verification-passed": _verification(samples.verification_passed()),
    "reading": reading_text(ReadingDocument.of(samples.reading(), "verify")),
    "verification-markdown": verification_markdown(VerificationDocument.of(samples.verification(), "verify")),
    "outcome-applied": _outcome(samples.applied()),
    "outcome-eventful": _outcome(samples.eventful()),
    "outcome-seeded": _outcome(samples.seeded(), "seed"),
    "outcome-untouched": _outcome(samples.failed_untouched()),
    "outcome-interrupted": _outcome(samples.interrupted()),
    "outcome-unknown": _outcome(samples.unknown()),
    "outcome-deployed": _outcome(samples.deployed(), "deploy"),
    "outcome-destroyed": _outcome(samples.destroyed(), "destroy"),
    "outcome-nothing-deployed": _outcome(samples.deployed()[:1] + samples.deployed()[-1:], "deploy"),
    "outcome-nothing": _outcome((), "revert"),
    "deployment": _deployment(samples.deployment()),
    "deployment-empty": _deployment(samples.deployment_empty()),
    "seed": seed_text(samples.seeded()),
    "seed-again": seed_text(samples.seeded_again()),
    "seed-none": seed_text(()),
    "seed-other": seed_text((), [SeedKind.VOLUME], [SeedKind.REFERENCE, SeedKind.FIXTURE]),
    "error": _error(samples.error()),
    "errors": _error(samples.errors()),
    "doctor": doctor_text(DoctorDocument.of(FINDINGS, (), "doctor")),
    "image": image_text(samples.image()),
    "bundle": bundle_text(samples.bundle()),
    "init": init_text(InitDocument.of(*samples.started(), "init")),
    "doctor-failed": doctor_text(DoctorDocument.of(FINDINGS, samples.errors().errors, "doctor")),
    "runs": runs_text(RunsDocument.of("staging", samples.runs(), "runs list")),
    "runs-none": runs_text(RunsDocument.of("staging", (), "runs list")),
    "environments-there": environments_text(
        EnvironmentsDocument.of([], samples.environments(), "env list", samples.looks())
    ),
    "collection": collection_text(
        CollectionDocument.of(
            samples.collected(),
            [samples.errors().errors[0]],
            most=5,
            dry_run=False,
            command="env gc",
            told=["arn:aws:sns:eu-central-1:111111111111:dev-environments"],
            warnings=[samples.errors().errors[0]],
        )
    ),
    "collection-dry": collection_text(
        CollectionDocument.of(
            [CollectedEntry.of(each, "", None) for each in samples.there()],
            (),
            most=5,
            dry_run=True,
            command="env gc",
        )
    ),
    "lifetime": lifetime_text(LifetimeDocument.of("dev-ana", samples.record(), 259_200.0, "env touch")),
    "lifetime-kept": lifetime_text(
        LifetimeDocument.of("dev-ana", replace(samples.record(), keep=True), 259_200.0, "env keep")
    ),
    "lifetime-unknown": lifetime_text(
        LifetimeDocument.of("dev-ana", EnvironmentRecord(name="dev-ana"), 0.0, "env keep")
    ),
    "environments": environments_text(EnvironmentsDocument.of([], samples.environments(), "env list")),
    "environments-kept": environments_text(
        EnvironmentsDocument.of(["ai/x", "user/x"], samples.environments(), "env list")
    ),
    "costs": cost_text(samples.costs()),
    "costs-none": cost_text(samples.costs_none()),
    "costs-unpriced": cost_text(samples.costs_unpriced()),
    "up_in_part": up_text(UpDocument.of(samples.arrival(), "env up")),
    "shares": shares_text(SharesDocument.of("shared-dev", samples.shares(), "share make")),
    "snapshots": snapshots_text(
        SnapshotsDocument.of(
            "prod",
            samples.snapshots(),
            samples.errors().errors,
            "snapshot take",
            copies=[samples.restored().copy],
            evidence=[each.evidence(0.0) for each in samples.snapshots()],
            is_judged=True,
        )
    ),
    "snapshots_listed": snapshots_text(
        SnapshotsDocument.of("prod", samples.snapshots(), (), "snapshot list", kept=samples.kept())
    ),
    "snapshots_none": snapshots_text(SnapshotsDocument.of("prod", (), (), "snapshot list")),
    "copy": copy_text(
        CopyDocument.of("prod", "user/postgres", "r12", "snapshot restore", restored=samples.restored())
    ),
    "swap_planned": swap_text(SwapDocument.of("prod", samples.swap(), "snapshot swap", dry_run=True)),
    "swap": swap_text(SwapDocument.of("prod", samples.swapped(), "snapshot swap")),
    "copy_dropped": copy_text(CopyDocument.of("prod", "user/postgres", "r12", "snapshot drop")),
    "drill": drill_text(
        DrillDocument.of(
            "prod", 12, [samples.drill()], samples.errors().errors, samples.DRILLED, "snapshot drill"
        )
    ),
    "shares_none": shares_text(SharesDocument.of("shared-dev", [], "share list")),
    "down": down_text(samples.gone()),
    "down_in_part": down_text(samples.gone(ExitCode.PARTIAL)),
    "up": up_text(UpDocument.of(samples.arrived(), "env up")),
    "up_stopped": up_text(UpDocument.of(samples.stopped_on_the_way(), "env up")),
    "connections": connections_text(ConnectionsDocument.of("sandbox", samples.connections(), "env up")),
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


def test_a_change_that_cannot_be_made_is_not_counted_among_those_to_deploy() -> None:
    never = Change(
        Phase.EXPAND, "courses: change the key", refused="DynamoDB never changes a key", try_="a new one"
    )
    new = Change(Phase.EXPAND, "courses: add index by_slug")

    def last(environment: str, *changes: Change) -> str:
        database = DatabasePlan("courses/dynamodb", (), changes=changes)
        page = render(_plan(Plan(environment, Direction.UP, (database,), ())), Look())
        return page.splitlines()[-1]

    assert last("staging", never) == "nothing to deploy or apply; 1 change that cannot be made"
    assert last("staging", new, never) == (
        "1 change to deploy: seedbed deploy -e staging; 1 change that cannot be made"
    )
    assert last("sandbox", new, new) == "2 changes to deploy: apply makes them"


def test_an_id_of_a_megabyte_is_cut_on_the_page_and_whole_in_the_document() -> None:
    long, key, value = ("".join(each * 1_000_000) for each in "ikv")
    field = Field(DatabaseId("shop/postgres"), "orders.user_id")
    broken = ReferenceResult(
        Reference(field, field), Verdict.BROKEN, 1, orphans=1, samples=[Orphan(long, Holders(1, (key,)))]
    )
    query = Query(DatabaseId("shop/postgres"), "SELECT 1")
    expected = Expectation("no row", (query,), Location("seedbed.toml", 1))
    rows = ExpectationResult(expected, Verdict.BROKEN, 1, samples=[{"name": value}])
    document = VerificationDocument.of(Verification("dev", (broken,), (rows,)), "verify")
    page = render(verification_text(document), Look())
    assert len(page) < 2000
    for each in "ikv":
        assert each * 100 in page
    assert document.references[0].samples[0].id == long
    assert document.references[0].samples[0].rows == (key,)
    assert document.expectations[0].samples[0] == {"name": value}


def test_an_error_is_told_as_the_exception_tells_it_itself() -> None:
    error = UsageError("no such service", because="the manifest has none", try_="seedbed status")
    assert render(_error(error), Look()) == f"error: {error}\n"


def test_a_location_stands_first_and_lines_of_a_reason_stay_below_each_other() -> None:
    error = SeedbedError("what", because="one\ntwo", at=Location("a.sql", 3))
    assert render(_error(error), Look()) == "a.sql:3: error: what\n  because: one\n           two\n"


@pytest.mark.parametrize(("id_", "shown"), [("ana", "ana"), ("a b", "a b"), ("ana ", '"ana "'), ("", '""')])
def test_an_id_that_ends_in_blanks_or_is_empty_is_seen(id_: str, shown: str) -> None:
    whole = samples.verification()
    found = replace(whole.references[0], orphans=1, samples=[Orphan(id_, Holders(1))])
    page = render(_verification(replace(whole, references=(found,))), Look())
    assert f"  {shown} in 1 row\n" in page


def test_a_lost_lease_asks_nobody_for_a_decision() -> None:
    lost = LeaseLost("the connection broke, and with it the lease", try_="run the same command again")
    page = render(_outcome((failure(samples.USER, lost),)), Look())
    assert "the same apply goes on from what is recorded" in page
    assert "repair" not in page
