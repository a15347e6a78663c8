"""JSON documents, their schemas, and the page that shows one of each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from seedbed.model.event import KINDS, CopyFinished, CopyProgressed, Event, LeaseAwaited, WorkProgressed
from seedbed.model.outcome import fold
from seedbed.report.deployments import deployment_document
from seedbed.report.documents import (
    connections_document,
    doctor_document,
    environments_document,
    error_document,
    outcome_document,
    plan_document,
    redacted,
    status_document,
    text,
    without_ticks,
)
from seedbed.report.schemas import COMMANDS, OUTCOMES, schema
from tests.unit.golden.report import samples
from tests.unit.golden.report.files import UPDATE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"


def _outcome(events: tuple[Event, ...], command: str) -> dict[str, Any]:
    return outcome_document(fold(events), events, command)


EXAMPLES = {
    "plan": plan_document(samples.plan()),
    "deployment": deployment_document(samples.deployment()),
    "status": status_document(samples.status()),
    "apply": _outcome((*samples.applied(), samples.FAILED), "apply"),
    "seed": _outcome(samples.seeded(), "seed"),
    "deploy": _outcome(samples.deployed(), "deploy"),
    "environments": environments_document(["user/postgres"], samples.environments()),
    "connections": connections_document("sandbox", samples.connections()),
    "doctor": doctor_document([("Python", "3.11.7"), ("PostgreSQL", "18.6, embedded")]),
    "error": error_document(samples.error()),
}
DOCUMENTS = [
    *EXAMPLES.values(),
    plan_document(samples.plan_down()),
    plan_document(samples.plan_held()),
    status_document(samples.status_up_to_date()),
    *(_outcome(samples.eventful(), command) for command in OUTCOMES),
    _outcome(samples.interrupted(), "revert"),
]


def problems(value: Any, known: dict[str, Any], at: str = "$") -> list[str]:
    """Return what is wrong with `value`; stricter than JSON Schema: a property has to be in it.

    Knows the words that our schemas use, and refuses any other.
    """
    unknown = set(known) - {
        "$schema",
        "title",
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "anyOf",
        "format",
        "additionalProperties",
    }
    assert not unknown, unknown
    if "anyOf" in known:
        tried = [problems(value, each, at) for each in known["anyOf"]]
        return [] if not all(tried) else min(tried, key=len)
    if "const" in known:
        return [] if value == known["const"] else [f"{at} is not {known['const']!r}"]
    if "enum" in known:
        return [] if value in known["enum"] else [f"{at} is none of {known['enum']}"]
    if not _is(value, known["type"]):
        return [f"{at} is no {known['type']}"]
    found = []
    if "additionalProperties" in known:
        assert "properties" not in known
        return [
            each
            for name in value
            for each in problems(value[name], known["additionalProperties"], f"{at}.{name}")
        ]
    if isinstance(value, dict):
        properties = known["properties"]
        found += [f"{at}.{name} is missing" for name in known["required"] if name not in value]
        found += [f"{at}.{name} is in no schema" for name in value if name not in properties]
        for name in [name for name in properties if name in value]:
            found += problems(value[name], properties[name], f"{at}.{name}")
    if isinstance(value, list):
        for position, each in enumerate(value):
            found += problems(each, known["items"], f"{at}[{position}]")
    return found


def _is(value: Any, kind: str) -> bool:
    kinds: dict[str, tuple[type, ...]] = {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "null": (type(None),),
    }
    return isinstance(value, kinds[kind]) and (kind == "boolean" or not isinstance(value, bool))


@pytest.mark.parametrize("position", range(len(DOCUMENTS)))
def test_a_document_is_what_its_schema_says(position: int) -> None:
    document = json.loads(text(DOCUMENTS[position]))
    command = document["schema"].split("/")[1]
    assert problems(document, schema(command)) == []


def test_the_check_itself_finds_what_is_wrong() -> None:
    document = json.loads(text(EXAMPLES["plan"]))
    document["direction"] = "sideways"
    document["more"] = 1
    del document["databases"][1]["actions"][0]["checksum"]
    assert problems(document, schema("plan")) == [
        "$.more is in no schema",
        "$.direction is none of ['up', 'down']",
        "$.databases[1].actions[0].checksum is missing",
    ]


def test_every_kind_of_event_is_in_the_schema_and_in_the_samples() -> None:
    kinds = {each.__name__ for each in KINDS}
    seen = {type(each).__name__ for each in (*samples.eventful(), *samples.seeded())}
    assert seen == kinds


def test_a_command_without_a_document_has_no_schema() -> None:
    with pytest.raises(ValueError, match="lint writes no document"):
        schema("lint")
    assert all(json.dumps(schema(command)) for command in COMMANDS)


def test_a_plan_holds_no_body_of_a_step() -> None:
    assert "body" not in text(EXAMPLES["plan"])
    step = EXAMPLES["plan"]["databases"][2]["actions"][1]["steps"][0]
    assert step == {
        "summary": "UPDATE users SET given = …",
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


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_page_shows_a_real_example(command: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    block = re.compile(rf"(?s)(<!-- example: {command} -->\n```json\n)(.*?)(```\n)")
    if UPDATE:
        page = block.sub(lambda found: found[1] + text(EXAMPLES[command]) + found[3], page)
        PAGE.write_text(page, encoding="utf-8")
    found = block.search(page)
    assert found, f"json.md has no example of {command}"
    assert found[2] == text(EXAMPLES[command]), "UPDATE_GOLDEN=1 writes it anew"


def test_the_page_names_every_document_and_every_event() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [each for each in COMMANDS if f"`seedbed/{each}/1`" not in page] == []
    assert [each.kind for each in KINDS if f"`{each.kind}`" not in page] == []
