"""Reviewed plans: what of a database's infrastructure may change."""

from __future__ import annotations

import json

import pytest

from seedbed.errors import StalePlan, UsageError
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase
from seedbed.planning.reviewed import ReviewedPlan, read, refuse_other_changes
from seedbed.report.documents import plan_document, text
from tests.unit.golden.report import samples


def _reviewed() -> ReviewedPlan:
    return read(json.loads(text(plan_document(samples.plan()))), "plan.json")


def test_a_plan_remembers_what_would_be_deployed() -> None:
    assert _reviewed().changes[samples.VIDEO] == (
        "expand calls: add index by_host",
        "expand calls: add index by_room",
        "expand calls: change the key",
    )
    assert _reviewed().changes[samples.USER] == ()


def test_what_was_reviewed_may_be_deployed_in_whatever_update_it_comes() -> None:
    refuse_other_changes(
        _reviewed(), samples.VIDEO, [Change(Phase.EXPAND, "calls: add index by_room", wave=1)]
    )


def test_what_is_done_already_is_no_reason_to_refuse() -> None:
    refuse_other_changes(_reviewed(), samples.VIDEO, [])


@pytest.mark.parametrize(
    "change",
    [
        Change(Phase.EXPAND, "calls: add index by_day"),
        Change(Phase.CONTRACT, "calls: add index by_room"),
        samples.DROPPED,  # it was shown as held
    ],
)
def test_what_nobody_reviewed_is_refused(change: Change) -> None:
    with pytest.raises(StalePlan) as caught:
        refuse_other_changes(_reviewed(), samples.VIDEO, [change])
    assert change.what in caught.value.because


def test_a_plan_of_before_deployments_reviews_none() -> None:
    document = json.loads(text(plan_document(samples.plan())))
    for database in document["databases"]:
        del database["changes"]
    with pytest.raises(StalePlan):
        refuse_other_changes(read(document, "plan.json"), samples.VIDEO, samples.CHANGES)


def test_a_damaged_change_is_a_damaged_plan() -> None:
    document = json.loads(text(plan_document(samples.plan())))
    document["databases"][3]["changes"] = [{"what": "x"}]
    with pytest.raises(UsageError, match="damaged"):
        read(document, "plan.json")
