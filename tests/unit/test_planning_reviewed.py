"""Reviewed plans: what of a database's infrastructure may change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from seedbed.documents.document import text
from seedbed.documents.plan import PlanDocument
from seedbed.documents.planned_seeds import SeedEntry
from seedbed.errors import ExitCode, Location, StalePlan, UsageError
from seedbed.model.deployment import Change
from seedbed.model.migration import Migration, Phase, Step, StepText, text_by_line
from seedbed.model.seed import PlannedSeed
from seedbed.planning.reviewed import (
    ReviewedPlan,
    read,
    require_as_shown,
    require_same_changes,
    require_seeds_as_shown,
)
from tests.unit.golden.report import samples


def _document() -> Any:
    return json.loads(text(PlanDocument.of(samples.plan(), "plan")))


def _read(document: Any) -> ReviewedPlan:
    return read(json.dumps(document).encode(), "plan.json")


def _reviewed() -> ReviewedPlan:
    return _read(_document())


def test_a_plan_remembers_what_would_be_deployed() -> None:
    assert _reviewed().changes[samples.VIDEO] == (
        "expand calls: add index by_host",
        "expand calls: add index by_room",
        "expand calls: change the key",
    )
    assert _reviewed().changes[samples.USER] == ()


def test_what_was_reviewed_may_be_deployed_in_whatever_update_it_comes() -> None:
    require_same_changes(
        _reviewed(), samples.VIDEO, [Change(Phase.EXPAND, "calls: add index by_room", update=1)]
    )


def test_what_is_done_already_is_no_reason_to_refuse() -> None:
    require_same_changes(_reviewed(), samples.VIDEO, [])


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
        require_same_changes(_reviewed(), samples.VIDEO, [change])
    assert change.what in caught.value.because


def _changed(document: Any, *path: str | int, **fields: Any) -> Any:
    here = document
    for key in path:
        here = here[key]
    for name, value in fields.items():
        if value is MISSING:
            del here[name]
        else:
            here[name] = value
    return document


MISSING = object()
DATABASE = ("databases", 3)


@pytest.mark.parametrize(
    ("path", "fields", "because"),
    [
        ((), {"more": 1}, "unknown field `more`"),
        ((), {"gate": MISSING}, "missing required field `gate`"),
        ((), {"seedbed": MISSING}, "missing required field `seedbed`"),
        ((), {"gate": "soon"}, "Invalid enum value 'soon' - at `$.gate`"),
        ((), {"to": 7}, "`$.to`"),
        (DATABASE, {"basis": MISSING}, "missing required field `basis` - at `$.databases[3]`"),
        (DATABASE, {"changes": [{"what": "x"}]}, "missing required field `phase`"),
        ((*DATABASE, "actions", 0), {"more": None}, "unknown field `more`"),
        ((*DATABASE, "actions", 0), {"irreversible": True}, "unknown field `irreversible`"),
    ],
)
def test_a_plan_with_a_field_too_many_or_too_few_is_refused(
    path: tuple[str | int, ...], fields: dict[str, Any], because: str
) -> None:
    with pytest.raises(UsageError, match="damaged, or was written by another version") as caught:
        _read(_changed(_document(), *path, **fields))
    assert because in caught.value.because
    assert caught.value.at == Location("plan.json")


def _without_actions(plan: Any) -> None:
    plan["databases"][2]["actions"] = []


def _reordered(plan: Any) -> None:
    plan["databases"][2]["actions"].reverse()


def _hidden(plan: Any) -> None:
    plan["databases"][2]["actions"][2]["steps"][0]["statements"] = ["SELECT 1"]


def _other_text(plan: Any) -> None:
    plan["databases"][2]["actions"][2]["steps"][0]["text"] = "SELECT 1"


def _no_hazard(plan: Any) -> None:
    plan["databases"][3]["hazards"] = []


def _other_stages(plan: Any) -> None:
    plan["stages"].reverse()


EDITS = [_without_actions, _reordered, _hidden, _other_text, _no_hazard, _other_stages]


@pytest.mark.parametrize("edit", EDITS)
def test_a_plan_file_that_was_edited_is_refused(edit: Callable[[Any], None]) -> None:
    document = _document()
    edit(document)
    with pytest.raises(StalePlan, match="was changed after it was written") as caught:
        _read(document)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.at == Location("plan.json")


@pytest.mark.parametrize("edit", EDITS[:4])
def test_a_plan_that_shows_something_else_is_refused_though_its_digest_was_made_anew(
    edit: Callable[[Any], None],
) -> None:
    document = _document()
    edit(document)
    forged = msgspec.convert(document, PlanDocument)
    forged = replace(forged, digest=forged.digest_of_content())
    plan = read(text(forged).encode(), "plan.json")
    with pytest.raises(StalePlan, match="does not show what would be done to user/postgres"):
        require_as_shown(plan, samples.plan().of(samples.USER), _by_line)


def _shown(plan: ReviewedPlan) -> ReviewedPlan:
    """Return `plan` without what tells one file of it from another."""
    return replace(plan, sha256="")


def test_the_order_of_keys_and_the_blanks_of_a_plan_file_are_no_edit() -> None:
    document = dict(reversed(_document().items()))
    assert _shown(read(json.dumps(document, indent=7).encode(), "plan.json")) == _shown(_reviewed())


def test_what_is_left_of_a_plan_is_as_it_was_shown() -> None:
    database = samples.plan().of(samples.USER)
    require_as_shown(_reviewed(), database, _by_line)
    rest = replace(database, actions=database.actions[1:], basis=database.basis[1:])
    require_as_shown(_reviewed(), rest, _by_line)


def _by_line(_database: str, _migration: Migration, step: Step) -> StepText:
    return text_by_line(step)


def _seeds() -> tuple[PlannedSeed, ...]:
    return samples.plan_seeds().of(samples.USER).seeds


def _reviewed_seeds(change: Callable[[SeedEntry], SeedEntry] = lambda each: each) -> ReviewedPlan:
    """Return the plan of the sample's seeds, the first of them changed in the file."""
    document = PlanDocument.of(samples.plan_seeds(), "plan")
    (user, *others) = document.databases
    user = replace(user, seeds=(change(user.seeds[0]), *user.seeds[1:]))
    forged = replace(document, databases=(user, *others))
    return read(text(replace(forged, digest=forged.digest_of_content())).encode(), "plan.json")


def test_seeds_that_are_as_they_were_shown_may_be_loaded_from_another_checkout() -> None:
    elsewhere = tuple(replace(each, path=each.path.replace("services/", "../a/")) for each in _seeds())
    require_seeds_as_shown(_reviewed_seeds(), samples.USER, elsewhere, str)


@pytest.mark.parametrize(
    ("found", "because"),
    [
        (lambda seeds: (replace(seeds[0], sha256="0" * 64), *seeds[1:]), "01_roles.csv was changed"),
        (lambda seeds: seeds[1:], "01_roles.csv is gone"),
        (lambda seeds: (*seeds, replace(seeds[0], path="s/04_new.csv")), "04_new.csv is not in the plan"),
        (lambda seeds: (seeds[1], seeds[0], seeds[2]), "they are shown in another order"),
    ],
)
def test_other_seeds_than_were_shown_are_refused(
    found: Callable[[tuple[PlannedSeed, ...]], tuple[PlannedSeed, ...]], because: str
) -> None:
    with pytest.raises(StalePlan) as caught:
        require_seeds_as_shown(_reviewed_seeds(), samples.USER, found(_seeds()), str)
    assert caught.value.because == because
    assert caught.value.at == Location("plan.json")


@pytest.mark.parametrize(
    "field", [{"rows": 1}, {"table": "users"}, {"text": "SELECT 1"}, {"statements": ("SELECT 1",)}]
)
def test_a_plan_file_that_shows_a_seed_as_something_else_is_refused(field: dict[str, Any]) -> None:
    forged = _reviewed_seeds(lambda each: replace(each, **field))
    with pytest.raises(StalePlan) as caught:
        require_seeds_as_shown(forged, samples.USER, _seeds(), str)
    assert caught.value.because == "01_roles.csv is shown as something else than it is"


def test_what_is_masked_in_the_file_is_masked_alike_where_it_is_compared() -> None:
    def redact(text: str) -> str:
        return text.replace("Tutor", "********")

    document = PlanDocument.of(samples.plan_seeds(), "plan", redact=redact)
    assert "Tutor" not in text(document)
    plan = read(text(document).encode(), "plan.json")
    require_seeds_as_shown(plan, samples.USER, _seeds(), redact)
    with pytest.raises(StalePlan):
        require_seeds_as_shown(plan, samples.USER, _seeds(), str)


@pytest.mark.parametrize("schema", ["seedbed/plan/2", "seedbed/status/1", "", None, 1, MISSING])
def test_a_document_of_another_schema_is_refused(schema: object) -> None:
    with pytest.raises(UsageError) as caught:
        _read(_changed(_document(), schema=schema))
    assert caught.value.at == Location("plan.json")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": "\xff"}', b"[" * 100_000, b"-- up"]
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        read(data, "plan.json")
    assert caught.value.at == Location("plan.json")


def test_a_plan_to_revert_is_not_one_to_apply() -> None:
    plan = text(PlanDocument.of(samples.plan_down(), "revert"))
    with pytest.raises(UsageError, match="plan to revert"):
        read(plan.encode(), "plan.json")


def test_what_a_dry_run_wrote_is_a_plan_file_as_well() -> None:
    written = text(PlanDocument.of(samples.plan(), "apply"), ascii_only=True)
    assert _shown(read(written.encode(), "plan.json")) == _shown(_reviewed())
