"""JSON documents, their schemas, and the page that shows one of each."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from seedbed import documents
from seedbed.documents.coming_up import UpDocument
from seedbed.documents.deployment import DeploymentDocument
from seedbed.documents.doctor import DoctorDocument
from seedbed.documents.document import Document, redacted, text
from seedbed.documents.environments import ConnectionsDocument, EnvironmentsDocument
from seedbed.documents.errors import ErrorDocument
from seedbed.documents.going_down import DownDocument
from seedbed.documents.image import ImageDocument
from seedbed.documents.init import InitDocument
from seedbed.documents.inventory import CollectionDocument
from seedbed.documents.lifetimes import LifetimeDocument
from seedbed.documents.outcome import OutcomeDocument, without_ticks
from seedbed.documents.plan import PlanDocument
from seedbed.documents.reading import ReadingDocument
from seedbed.documents.release import ReleasesDocument
from seedbed.documents.runs import RunsDocument
from seedbed.documents.schemas import COMMANDS, DOCUMENTS, commands, schema, written_by
from seedbed.documents.sharing import SharesDocument
from seedbed.documents.snapshot import CopyDocument, DrillDocument, SnapshotsDocument, SwapDocument
from seedbed.documents.state import StateDocument
from seedbed.documents.status import StatusDocument
from seedbed.documents.usage import UsageDocument
from seedbed.documents.verification import VerificationDocument
from seedbed.documents.verified import VerifiedDocument
from seedbed.errors import ExitCode
from seedbed.model.event import (
    KINDS,
    AnyEvent,
    CopyFinished,
    CopyProgressed,
    Event,
    LeaseAwaited,
    WorkProgressed,
    to_dict,
)
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.model.outcome import fold
from tests.support import json_page
from tests.support.documents import problems
from tests.unit.golden.report import release_samples, samples
from tests.unit.golden.report.files import UPDATE


def _outcome(events: Sequence[Event], command: str) -> OutcomeDocument:
    return OutcomeDocument.of(fold(events), events, command)


EVERY: list[Document] = [
    PlanDocument.of(samples.plan(), "plan"),
    PlanDocument.of(samples.plan(), "apply"),
    release_samples.soaking(),
    release_samples.failed(),
    release_samples.running(),
    release_samples.ended(),
    release_samples.listed(),
    release_samples.waiting(),
    release_samples.approved(),
    ReleasesDocument.of("prod", (), "release list"),
    PlanDocument.of(samples.plan_down(), "revert"),
    PlanDocument.of(samples.plan_deferred(), "plan"),
    PlanDocument.of(samples.plan_empty(), "plan"),
    PlanDocument.of(samples.plan_unverified(), "plan"),
    DeploymentDocument.of(samples.deployment(), "deploy"),
    DeploymentDocument.of(samples.deployment_empty(), "deploy"),
    StatusDocument.of(samples.status(), "status"),
    StatusDocument.of(samples.status_up_to_date(), "status"),
    StatusDocument.of(samples.status_recalled(), "status"),
    PlanDocument.of(samples.plan_recalled(), "plan"),
    StateDocument.of("prod", samples.remembered(), "apply"),
    VerificationDocument.of(samples.verification(), "verify"),
    VerificationDocument.of(samples.verification_passed(), "verify"),
    VerifiedDocument.of("staging", *samples.verified(), "verify"),
    UsageDocument.of("staging", samples.usage(), {}, "verify"),
    ReadingDocument.of(samples.reading(), "verify"),
    *(_outcome(samples.eventful(), command) for command in OutcomeDocument.commands),
    _outcome(samples.seeded(), "seed"),
    _outcome(samples.interrupted(), "revert"),
    _outcome(samples.unknown(), "apply"),
    EnvironmentsDocument.of(["user/x"], samples.environments(), "env list"),
    EnvironmentsDocument.of(["user/x"], samples.environments(), "env list", samples.looks()),
    CollectionDocument.of(
        samples.collected(),
        [samples.errors().errors[0]],
        most=5,
        dry_run=False,
        command="env gc",
        told=["arn:aws:sns:eu-central-1:111111111111:dev-environments"],
        warnings=[samples.errors().errors[0]],
    ),
    CollectionDocument.of((), (), most=5, dry_run=True, command="env gc"),
    ConnectionsDocument.of("sandbox", samples.connections(), "env up"),
    LifetimeDocument.of("dev-ana", samples.record(), 259_200.0, "env touch"),
    LifetimeDocument.of("dev-ben", EnvironmentRecord(name="dev-ben", keep=True), 0.0, "env keep"),
    UpDocument.of(samples.arrival(), "env up"),
    samples.gone(),
    samples.gone(ExitCode.PARTIAL),
    DownDocument.of_sandbox("sandbox", ["user/x"], ["ai/x"], "env down"),
    SharesDocument.of("shared-dev", samples.shares(), "share make"),
    SharesDocument.of("shared-dev", [], "share list"),
    SnapshotsDocument.of(
        "prod",
        samples.snapshots(),
        samples.errors().errors,
        "snapshot take",
        copies=[samples.restored().copy],
        evidence=[each.evidence(0.0) for each in samples.snapshots()],
        is_judged=True,
    ),
    SnapshotsDocument.of("prod", samples.snapshots(), (), "snapshot list", kept=samples.kept()),
    SnapshotsDocument.of("prod", (), (), "snapshot list"),
    CopyDocument.of("prod", "user/postgres", "r12", "snapshot restore", restored=samples.restored()),
    CopyDocument.of("prod", "user/postgres", "r12", "snapshot drop"),
    SwapDocument.of("prod", samples.swap(), "snapshot swap", dry_run=True),
    SwapDocument.of("prod", samples.swapped(), "snapshot swap"),
    DrillDocument.of(
        "prod", 12, [samples.drill()], samples.errors().errors, samples.DRILLED, "snapshot drill"
    ),
    DrillDocument.of("prod", 12, (), (), samples.DRILLED, "snapshot drill"),
    UpDocument.of(samples.stopped_on_the_way(), "env up"),
    RunsDocument.of("staging", samples.runs(), "runs list"),
    RunsDocument.of("staging", (), "runs list"),
    samples.costs(),
    samples.costs_none(),
    samples.costs_unpriced(),
    DoctorDocument.of([("Python", "3.11.7")], samples.errors().errors, "doctor"),
    InitDocument.of(*samples.started(), "init"),
    InitDocument.of("/srv/shop", (), (), (), "init"),
    samples.image(),
    samples.bundle(),
    ImageDocument.of(samples.PYTHON, "x86_64", "upload", "image", checked=True, differences=("+COPY a",)),
    ErrorDocument.of(samples.error(), "apply"),
    ErrorDocument.of(samples.errors(), "plan"),
]


EVENTS = (*samples.eventful(), *samples.seeded())
IDS = [f"{type(each).__name__}-{each.command}-{number}" for number, each in enumerate(EVERY)]


@pytest.mark.parametrize("document", EVERY, ids=IDS)
def test_a_document_is_what_its_schema_says(document: Document) -> None:
    assert problems(json.loads(text(document))) == []


@pytest.mark.parametrize("document", EVERY, ids=IDS)
def test_a_document_is_read_back_as_it_was(document: Document) -> None:
    assert msgspec.json.decode(text(document), type=type(document)) == document


def test_what_a_terminal_obeys_or_nobody_sees_is_written_as_what_it_is() -> None:
    said = "a\x9b2Jb\x7fc\u202enimda\u061c\u200b\U000e0041\ufeff é \u200d"
    written = text({"said": said, "more": ["\n", "\x85"]})
    assert written.replace("\n", "").replace("é", "").replace("\u200d", "").isascii()
    assert "\\u009b2Jb\\u007fc\\u202enimda\\u061c\\u200b\\udb40\\udc41\\ufeff é" in written
    assert json.loads(written) == {"said": said, "more": ["\n", "\x85"]}


def test_every_type_of_document_is_among_the_samples_and_in_the_registry() -> None:
    for module in pkgutil.iter_modules(documents.__path__, f"{documents.__name__}."):
        importlib.import_module(module.name)
    there = set(Document.__subclasses__())
    assert there ^ set(DOCUMENTS.values()) == set(), (
        "_TYPES of documents/schemas.py has to list every document"
    )
    assert there ^ {type(each) for each in EVERY} == set(), "EVERY has to have a sample of every document"


def _changed(document: Document, change: Any) -> Any:
    data = json.loads(text(document))
    change(data)
    return data


WRONG: dict[str, Callable[[Any], object]] = {
    "no value of an enumeration": lambda plan: plan.update(direction="sideways"),
    "a command that writes none": lambda plan: plan.update(command="seed"),
    "another schema": lambda plan: plan.update(schema="seedbed/plan/2"),
    "a field too many": lambda plan: plan.update(more=1),
    "a field too few": lambda plan: plan.pop("to"),
    "a field too few, deep inside": lambda plan: plan["databases"][1]["actions"][0].pop("checksum"),
    "a field too many, deep inside": lambda plan: plan["databases"][1]["actions"][0].update(more=1),
    "half an object": lambda plan: plan["databases"][1]["actions"][0]["steps"][0].update(
        backfill={"key": ""}
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_check_itself_finds(wrong: str) -> None:
    assert problems(_changed(EVERY[0], WRONG[wrong]))


def test_a_schema_names_what_has_to_be_there_and_says_nothing_against_more() -> None:
    from jsonschema import Draft202012Validator

    known = schema("plan")
    more = _changed(EVERY[0], lambda plan: plan.update(more=1))
    assert Draft202012Validator(known).is_valid(more)
    fewer = _changed(EVERY[0], lambda plan: plan.pop("to"))
    assert not Draft202012Validator(known).is_valid(fewer)


def test_every_field_of_every_document_says_what_it_means() -> None:
    silent = []
    for name in DOCUMENTS:
        known = schema(name)
        for title, part in [(name, known), *known["$defs"].items()]:
            is_event = "event" in part.get("properties", ())
            if "properties" in part and not is_event and title != "Location":
                silent += [
                    f"{title}.{field}"
                    for field, each in part["properties"].items()
                    if field != "schema" and "description" not in each
                ]
    assert silent == []


def test_schemas_are_schemas_without_defaults_and_line_breaks() -> None:
    from jsonschema import Draft202012Validator

    for name in DOCUMENTS:
        Draft202012Validator.check_schema(schema(name))
        written = json.dumps(schema(name))
        assert '"default"' not in written
        assert "\\n" not in written


def test_a_document_says_which_commands_write_it() -> None:
    assert written_by("apply") == ("plan", "outcome", "error")
    assert written_by("env up") == ("connections", "up", "error")
    assert written_by("baseline") == ()
    assert commands(ErrorDocument) == COMMANDS
    assert commands(StateDocument) == ()
    with pytest.raises(KeyError):
        schema("apply")


def test_every_kind_of_event_is_in_the_samples() -> None:
    assert {type(each) for each in EVENTS} == set(KINDS)


@pytest.mark.parametrize("position", range(len(EVENTS)))
def test_an_event_is_read_back_as_it_was(position: int) -> None:
    event = EVENTS[position]
    data = json.loads(json.dumps(to_dict(event)))
    assert next(iter(data)) == "event"
    assert msgspec.convert(data, AnyEvent) == event


def test_an_event_is_named_after_its_class() -> None:
    assert WorkProgressed("a/b", "1", 1, 2, "rows").kind == "work_progressed"
    assert to_dict(samples.FAILED)["event"] == "target_failed"
    assert to_dict(samples.FAILED)["try"] == "look who added it"


def test_a_plan_holds_what_each_step_sends_and_its_digest() -> None:
    step = json.loads(text(EVERY[0]))["databases"][2]["actions"][1]["steps"][0]
    assert step == {
        "statements": ["UPDATE users SET given = …"],
        "text": "UPDATE users SET given = …",
        "sha256": sha256("UPDATE users SET given = …".encode()).hexdigest(),
        "comment": "#",
        "line": 1,
        "atomic": False,
        "backfill": {"table": "users", "key": "id", "batch": 1000},
    }


def test_a_document_is_utf_8_and_ends_with_a_line_break() -> None:
    assert text({"a": "é"}) == '{\n  "a": "é"\n}\n'
    assert text({"a": "é"}, ascii_only=True) == '{\n  "a": "\\u00e9"\n}\n'
    assert text({"a": "\udce9"}) == '{\n  "a": "\\udce9"\n}\n'


def test_redaction_leaves_json() -> None:
    def redact(value: str) -> str:
        return value.replace("2026", "********")

    document = {"version": "20260112", "count": 2026, "at": None, "list": ["x2026"]}
    assert redacted(document, redact) == {
        "version": "********0112",
        "count": 2026,
        "at": None,
        "list": ["x********"],
    }


def test_of_a_million_batches_the_last_is_kept() -> None:
    ticks = [WorkProgressed("a/b", "1", done, 100, "rows") for done in range(100)]
    waits = [LeaseAwaited("c/d", "ana", float(second)) for second in range(5)]
    mixed = [each for pair in zip(ticks, waits * 20, strict=True) for each in pair]
    assert without_ticks(mixed) == [ticks[-1], waits[-1]]


def test_of_a_copy_s_progress_the_last_is_kept() -> None:
    ticks = [CopyProgressed("a/b", "dump", done, 100, "nodes") for done in range(100)]
    finished = CopyFinished("a/b", "dump", "100 nodes", "graph.jsonl")
    assert without_ticks([*ticks, finished]) == [ticks[-1], finished]


def test_progress_before_and_after_something_else_is_kept_apart() -> None:
    events = samples.applied()
    kept = without_ticks((*events, *events))
    assert [each.done for each in kept if isinstance(each, WorkProgressed)] == [2500, 2500]
    assert kept == without_ticks(kept)


def test_the_page_is_the_generated_one() -> None:
    committed = json_page.PAGE.read_text(encoding="utf-8")
    fresh = json_page.page(committed)
    if UPDATE:
        json_page.PAGE.write_text(fresh, encoding="utf-8")
        return
    assert committed == fresh, "python -m tests.support.json_page writes it anew"


def test_the_page_shows_one_example_of_every_document() -> None:
    missing = set(DOCUMENTS) - set(json_page.EXAMPLES)
    assert not missing, "`examples` of tests/support/json_page.py has to have one of each"
