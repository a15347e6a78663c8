"""The generated parts of docs/reference/json.md: `python -m tests.support.json_page` writes them anew.

Each stands between two comments that name it. Tables come from the schemas, and so from the types of the documents;
examples are the documents of the samples that the golden files of the reports are made from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from seedbed.documents.coming_up import UpDocument
from seedbed.documents.deployment import DeploymentDocument
from seedbed.documents.doctor import DoctorDocument
from seedbed.documents.document import Document, text
from seedbed.documents.environments import ConnectionsDocument, EnvironmentsDocument
from seedbed.documents.errors import ErrorDocument
from seedbed.documents.init import InitDocument
from seedbed.documents.inventory import CollectionDocument
from seedbed.documents.lifetimes import LifetimeDocument
from seedbed.documents.outcome import OutcomeDocument
from seedbed.documents.plan import PlanDocument
from seedbed.documents.reading import ReadingDocument
from seedbed.documents.runs import RunsDocument
from seedbed.documents.schemas import COMMANDS, DOCUMENTS, commands, schema
from seedbed.documents.sharing import SharesDocument
from seedbed.documents.snapshot import CopyDocument, DrillDocument, SnapshotsDocument, SwapDocument
from seedbed.documents.state import StateDocument
from seedbed.documents.status import StatusDocument
from seedbed.documents.usage import UsageDocument
from seedbed.documents.verification import VerificationDocument
from seedbed.documents.verified import VerifiedDocument
from seedbed.model.event import KINDS, kind_of
from seedbed.model.outcome import fold
from tests.unit.golden.report import release_samples, samples

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"

Schema = dict[str, Any]

_PART = re.compile(
    r"(?P<begin><!-- (?P<mark>[\w ]+): begin -->\n).*?(?P<end><!-- (?P=mark): end -->)", re.DOTALL
)


def page(old: str) -> str:
    """Return the page with its generated parts as they should be. Raises AssertionError where one has no place."""
    found = parts()
    marks = re.findall(r"<!-- ([\w ]+): begin -->", old)
    assert sorted(marks) == sorted(found), (
        f"json.md has to have one place for each generated part, `<!-- name: begin -->` and `<!-- name: end -->`:"
        f" without a place {sorted(found.keys() - set(marks))}, unknown {sorted(set(marks) - found.keys())}"
    )
    return _PART.sub(lambda part: f"{part['begin']}{found[part['mark']]}{part['end']}", old)


def parts() -> dict[str, str]:
    """Return what stands between the comments, by their names."""
    found = {"documents": _overview(), "events": _events()}
    for name in DOCUMENTS:
        assert name in EXAMPLES, f"`examples` has no document {name}"
        example = f"```json\n{text(EXAMPLES[name])}```\n"
        found[name] = f"{schema(name)['description']}\n\n{_table(name)}\n{example}"
    found["error entry"] = _error_entry()
    return found


def examples() -> dict[str, Document]:
    """Return one document of each type, with something in most of its fields."""
    plan = samples.plan()
    chosen = tuple(each for each in plan.databases if each.database in {samples.REVIEWS, samples.VIDEO})
    status = samples.status()
    asked = tuple(each for each in status.databases if each.database in {samples.REVIEWS, samples.VIDEO})
    applied = (*samples.applied(), samples.FAILED)
    documents = (
        PlanDocument.of(replace(plan, databases=chosen, stages=plan.stages[-1:]), "plan"),
        DeploymentDocument.of(samples.deployment(), "deploy"),
        StatusDocument.of(replace(status, databases=asked), "status"),
        VerificationDocument.of(samples.verification(), "verify"),
        VerifiedDocument.of("staging", *samples.verified(), "verify"),
        UsageDocument.of("staging", samples.usage(), {}, "verify"),
        ReadingDocument.of(samples.reading(), "verify"),
        OutcomeDocument.of(fold(applied), applied, "apply"),
        LifetimeDocument.of("dev-ana", samples.record(), 259_200.0, "env touch"),
        release_samples.soaking(),
        release_samples.listed(),
        release_samples.waiting(),
        release_samples.approved(),
        RunsDocument.of("staging", samples.runs(), "runs list"),
        EnvironmentsDocument.of(
            [samples.USER],
            samples.environments(),
            "env list",
            [replace(samples.looks()[0], there=samples.there()[:1])],
        ),
        CollectionDocument.of(samples.collected()[3:5], (), most=5, dry_run=False, command="env gc"),
        ConnectionsDocument.of("sandbox", samples.connections(), "env up"),
        UpDocument.of(samples.arrival(), "env up"),
        samples.gone(),
        SharesDocument.of("shared-dev", samples.shares(), "share make"),
        SnapshotsDocument.of(
            "prod",
            samples.snapshots()[:2],
            (),
            "snapshot take",
            evidence=[each.evidence(0.0) for each in samples.snapshots()[:2]],
            is_judged=True,
        ),
        CopyDocument.of("prod", "user/postgres", "r12", "snapshot restore", restored=samples.restored()),
        SwapDocument.of("prod", samples.swapped(), "snapshot swap"),
        DrillDocument.of("prod", 12, [samples.drill()], (), samples.DRILLED, "snapshot drill"),
        DoctorDocument.of([("Python", "3.11.7"), ("PostgreSQL", "18.6, embedded")], (), "doctor"),
        InitDocument.of(*samples.started(), "init"),
        samples.image(),
        samples.bundle(),
        samples.costs(),
        StateDocument.of("prod", samples.remembered(), "apply"),
        ErrorDocument.of(samples.error(), "apply"),
    )
    return {name: each for name, of in DOCUMENTS.items() for each in documents if isinstance(each, of)}


EXAMPLES = examples()


def _overview() -> str:
    rows = [
        f"| [`{document.__struct_config__.tag}`](#{name}) | {_written_by(document)} |"
        for name, document in DOCUMENTS.items()
    ]
    return "\n".join(["| schema | written by |", "|---|---|", *rows, ""])


def _written_by(document: type[Document]) -> str:
    names = commands(document)
    if not document.is_printed:
        return "runs in the network, into the bucket of their environment"
    if names == COMMANDS:
        return "any of them, instead of its own"
    if document is VerifiedDocument:
        return "`verify --history`"
    if document is UsageDocument:
        return "`verify --usage`"
    if document is ConnectionsDocument:
        return "`env up sandbox`"
    return ", ".join(f"`{name}{' --dry-run' if _is_dry(document, name) else ''}`" for name in names)


def _is_dry(document: type[Document], command: str) -> bool:
    """Return whether a command writes `document` in a dry run only: it has another one of its own."""
    others = [each for each in DOCUMENTS.values() if command in each.commands and each is not document]
    return bool(others) and document not in {OutcomeDocument, UpDocument, VerificationDocument}


def _table(name: str) -> str:
    whole = schema(name)
    return _rows(whole, whole["$defs"])


def _rows(known: Schema, defs: Schema) -> str:
    rows = [f"| `{path}` | {kind} | {meaning} |" for path, kind, meaning in _fields(known, defs, "")]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows, ""])


# What has a table of its own, and what is said of a field that holds it.
_ELSEWHERE = {"ErrorEntry": "[error](#an-error)", "Event": "[events](#events)"}


def _fields(known: Schema, defs: Schema, above: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, type and meaning of every field of an object, those of objects inside it after it."""
    for name, field in known["properties"].items():
        inner = _inner(field, defs)
        is_list = field.get("type") == "array"
        yield f"{above}{name}", _type(field, defs), field.get("description", "")
        if inner is not None and inner["title"] not in _ELSEWHERE:
            yield from _fields(inner, defs, f"{above}{name}{'[]' if is_list else ''}.")


def _inner(field: Schema, defs: Schema) -> Schema | None:
    """Return the object that a field holds, or a list of; None where it holds none that has fields of its own."""
    for each in _alternatives(field.get("items", field)):
        if "$ref" in each:
            found: Schema = defs[each["$ref"].rpartition("/")[2]]
            return found if "properties" in found and "event" not in found["properties"] else None
    return None


def _alternatives(known: Schema) -> list[Schema]:
    return list(known.get("anyOf", [known]))


def _type(known: Schema, defs: Schema) -> str:
    """Return what a field may hold, in words and without `|`."""
    kinds = dict.fromkeys(_one_type(each, defs) for each in _alternatives(known))
    return " or ".join(kinds)


def _one_type(known: Schema, defs: Schema) -> str:  # one return for each word of the schemas
    if "$ref" in known:
        return _one_type(defs[known["$ref"].rpartition("/")[2]], defs)
    if known.get("title") in _ELSEWHERE:
        return _ELSEWHERE[known["title"]]
    if known.get("title") == "ExitCode":
        return "exit code"
    if "const" in known:
        return f"`{known['const']}`"
    if "enum" in known:
        return ", ".join(f"`{each}`" for each in known["enum"])
    if known["type"] == "array":
        inner = known["items"]
        return _ELSEWHERE["Event"] if _holds_events(inner, defs) else f"list of {_type(inner, defs)}"
    if known["type"] == "object":
        values = known.get("additionalProperties")
        return f"{_type(values, defs)} by name" if values else "object"
    return "time" if known.get("format") == "date-time" else str(known["type"])


def _holds_events(known: Schema, defs: Schema) -> bool:
    refs = [each["$ref"].rpartition("/")[2] for each in _alternatives(known) if "$ref" in each]
    return any("event" in defs[each].get("properties", ()) for each in refs)


def _events() -> str:
    defs = schema("outcome")["$defs"]
    rows = []
    for kind in KINDS:
        known = defs[kind.__name__]
        own = [
            f"`{name}`{_mark(field, defs)}"
            for name, field in known["properties"].items()
            if name not in {"event", "target"}
        ]
        rows.append(f"| `{kind_of(kind)}` | {', '.join(own)} | {known['description']} |")
    return "\n".join(["| event | fields | meaning |", "|---|---|---|", *rows, ""])


def _mark(field: Schema, defs: Schema) -> str:
    kind = _type(field, defs)
    return "" if kind == "string" else f" ({kind})"


def _error_entry() -> str:
    defs = schema("error")["$defs"]
    return _rows(defs["ErrorEntry"], defs)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
