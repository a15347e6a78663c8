"""Hazards that a plan of EXPLAIN shows. Plans come as the nested dicts of the driver."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.neo4j.rules import registry
from seedbed.model.hazard import Hazard

Plan = Mapping[str, Any]  # operatorType "AllNodesScan@neo4j", args {EstimatedRows, Details, …}, children

_EVERYTHING = re.compile(r"(Partitioned)?(AllNodesScan|((Und|D)irected)?AllRelationshipsScan)")
_SCAN = re.compile(
    r"(Partitioned)?(Union|Intersection|Subtraction)?(Node\w*LabelScan\w*|NodeByLabelScan|AllNodesScan)"
)
_ONE_ROW = re.compile(
    r"(Multi)?NodeUniqueIndexSeek|Node(ByElementId|ById)Seek|\w*RelationshipUniqueIndexSeek"
)
_WRITES = re.compile(
    r"Create|Delete|DetachDelete|Merge|LockingMerge|MergeUniqueNode|Remove|Set|TransactionForeach"
)
_CHANGES = re.compile(r"Delete|DetachDelete|Remove|Set")
_LABEL = re.compile(r"^\w*:(`(?:[^`]|``)+`|[^\s,)|]+)")


class PlanLimits(Struct, frozen=True):
    """The estimated rows above which a plan has a hazard. `eager`: rows in memory at once.

    `statements`: of a migration that are examined.
    """

    rows: int = registry.ROWS
    eager: int = registry.EAGER_ROWS
    statements: int = registry.STATEMENTS


class Notification(Struct, frozen=True):
    """A notification of the server about a statement: `kind` "DEPRECATION", "PERFORMANCE", …"""

    kind: str
    text: str


class ExplainResult(Struct, frozen=True):
    """What EXPLAIN returns."""

    plan: Plan
    notes: tuple[Notification, ...] = ()


def explained(summary: Any) -> ExplainResult:
    """Return what the driver's summary of an EXPLAIN holds."""
    notes = tuple(
        Notification(each.raw_classification or "", each.status_description)
        for each in summary.gql_status_objects
        if each.is_notification
    )
    return ExplainResult(summary.plan or {}, notes)


class StatementContext(Struct, frozen=True):
    """What is known about the statement: its line, whether it is one transaction, labels that get an index first."""

    line: int
    is_one_transaction: bool
    indexed_before: Collection[str] = ()
    bounds: PlanLimits = PlanLimits()


def findings(found: ExplainResult, context: StatementContext) -> Iterator[Hazard]:
    """Yield the hazards that a statement's plan shows, each kind once."""
    operators = list(_operators(found.plan))
    for hazard in (
        _everything(operators, context.line),
        _product(operators, context.line),
        _scan_for_each_row(operators, context),
        _rows(operators, context),
        _eager(operators, context),
        _deprecated(found.notes, context.line),
    ):
        if hazard is not None:
            yield hazard


def name_of(plan: Plan) -> str:
    """Return the operator's name without its database: "AllNodesScan"."""
    return str(plan.get("operatorType", "")).partition("@")[0]


def rows_of(plan: Plan) -> float:
    """Return how many rows the server expects from this operator."""
    return float(plan.get("args", {}).get("EstimatedRows") or 0.0)


def _operators(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("children", ()):
        yield from _operators(child)


def deleted(plan: Plan) -> int:
    """Return how many nodes and relationships the server expects a statement to delete."""
    rows = (
        rows_of(each) for each in _operators(plan) if name_of(each).startswith(("Delete", "DetachDelete"))
    )
    return math.ceil(sum(rows))


def _everything(operators: Sequence[Plan], line: int) -> Hazard | None:
    scan = next((each for each in operators if _EVERYTHING.fullmatch(name_of(each))), None)
    if scan is None:
        return None
    what = "node" if "Nodes" in name_of(scan) else "relationship"
    is_change = any(_WRITES.match(name_of(each)) for each in operators)
    is_refused = is_change and what == "node"
    because = "no label or type says which ones are meant, so it slows down with everything that is added"
    if is_refused and any(_CHANGES.match(name_of(each)) for each in operators):
        because = "seedbed's own nodes are among them, and it changes what it finds"
    elif is_refused and any(scan in _operators(part) for part in _repeated(operators, "MERGE")):
        because = (
            "MERGE looks for the node among all of them, and creates one without a label, which no constraint and no "
            "index covers: two MERGE at the same time create two nodes"
        )
    elif is_refused:
        because = "seedbed's own nodes are among them, and it writes something for each"
    return registry.SCANS_EVERYTHING.hazard(
        f"it goes over every {what} of the database ({name_of(scan)}, about {round(rows_of(scan))})",
        because=because,
        try_="give the pattern a label" if what == "node" else "give the pattern a type",
        line=line,
        refused=is_refused,
    )


def _product(operators: Sequence[Plan], line: int) -> Hazard | None:
    """Report a cartesian product, unless one of its sides is at most one row."""
    for each in operators:
        if name_of(each) == "CartesianProduct" and not any(_is_one_row(side) for side in each["children"]):
            return registry.CARTESIAN_PRODUCT.hazard(
                f"it pairs everything with everything (CartesianProduct, about {round(rows_of(each))} rows)",
                line=line,
            )
    return None


def _is_one_row(plan: Plan) -> bool:
    leaves = [each for each in _operators(plan) if not each.get("children")]
    return all(_ONE_ROW.match(name_of(each)) for each in leaves)


def _scan_for_each_row(operators: Sequence[Plan], context: StatementContext) -> Hazard | None:
    """Report a MERGE or a repeated MATCH that looks through all nodes of a label each time."""
    parts = [(part, word) for word in ("MERGE", "MATCH") for part in _repeated(operators, word)]
    for part, word in parts:
        for scan in _operators(part):
            label = _label(scan)
            if _SCAN.fullmatch(name_of(scan)) and label not in context.indexed_before:
                return registry.SCANS_FOR_EACH_ROW.hazard(
                    f"{word} looks through all nodes{f' of {label}' if label else ''} for each row",
                    because="no index leads to the node that is meant, so rows times nodes are read"
                    + ("; and two MERGE at the same time create two nodes" if word == "MERGE" else ""),
                    line=context.line,
                )
    return None


def _repeated(operators: Sequence[Plan], word: str) -> Iterator[Plan]:
    """Yield the parts of a plan that a `word` does again for each row."""
    for each in operators:
        children = each.get("children", ())
        if word == "MERGE" and name_of(each) in {"Merge", "LockingMerge"} and children:
            yield children[0]
        elif word == "MATCH" and name_of(each) == "Apply" and len(children) == 2 and rows_of(children[0]) > 1:
            yield children[1]


def _label(scan: Plan) -> str:
    found = _LABEL.match(str(scan.get("args", {}).get("Details") or ""))
    return found[1].strip("`").replace("``", "`") if found else ""


def _rows(operators: Sequence[Plan], context: StatementContext) -> Hazard | None:
    most = max((rows_of(each) for each in operators if _WRITES.match(name_of(each))), default=0.0)
    if not context.is_one_transaction or most <= context.bounds.rows:
        return None
    return registry.LARGE_TRANSACTION.hazard(
        f"it is expected to change {round(most)} rows in one transaction", line=context.line
    )


def _eager(operators: Sequence[Plan], context: StatementContext) -> Hazard | None:
    for each in operators:
        if name_of(each) == "Eager" and rows_of(each) > context.bounds.eager:
            conflict = _conflict(each)
            return registry.EAGER.hazard(
                f"it reads about {round(rows_of(each))} rows before it changes the first (Eager)",
                because=f"{conflict}, so all rows are held in memory" if conflict else "",
                line=context.line,
            )
    return None


def _conflict(eager: Plan) -> str:
    """Return why everything is read first: "read/set conflict for relationship type: TEACHES"; "" if unknown."""
    return str(eager.get("args", {}).get("Details") or "").partition(" (Operator")[0]


def _deprecated(notes: Sequence[Notification], line: int) -> Hazard | None:
    found = [each.text for each in notes if each.kind == "DEPRECATION"]
    if not found:
        return None
    return registry.DEPRECATED.hazard(found[0].removeprefix("warn: ").split("\n", 1)[0], line=line)
