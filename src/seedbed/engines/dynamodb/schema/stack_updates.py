"""From a deployed template to a wanted one, in updates of which none asks for more than DynamoDB does at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.dynamodb.schema import template
from seedbed.engines.dynamodb.schema.changes import described
from seedbed.engines.dynamodb.schema.schedule import ChangeKind, ScheduledChange, UpdateSchedule, schedule
from seedbed.engines.dynamodb.schema.shape import TableShape, TableShapes
from seedbed.errors import Refused
from seedbed.model.deployment import Change, StackUpdate, Template
from seedbed.model.migration import Phase
from seedbed.support.phrases import listed

_KEPT = ("Resources", "Outputs", "Parameters", "Conditions", "Mappings")
_CDK_METADATA = "AWS::CDK::Metadata"
_CDK_CONDITION = "CDKMetadataAvailable"
_TTL, _STREAM, _INDEXES = "TimeToLiveSpecification", "StreamSpecification", "GlobalSecondaryIndexes"
_SHAPE = frozenset({"AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", _INDEXES, _TTL, _STREAM})


def stack_updates(deployed: Template | None, wanted: Template, *, gate: Phase) -> tuple[StackUpdate, ...]:
    """Return the updates of a stack that lead from the `deployed` template (None: no stack yet) to `wanted`; pure.

    Each makes at most one change of the global indexes of a table. All that is new and not an index comes with the
    first; all that is gone goes with the last, and only at contract: at a lower gate it stays in every template. The
    last template at contract is `wanted`, with one addition: where items no longer expire, the attribute stays named
    as switched off, because CloudFormation refuses a template that says nothing while DynamoDB switches it off. No
    updates where nothing is different. Computed again from any template on the way, what is left is the same.
    Raises Refused, naming everything that no update can do, with the way round.
    """
    both = _Both.of(deployed or {}, _carried(deployed or {}, wanted))
    plan = schedule(both.current, both.target, gate)
    refused = [*_refused_resources(both, gate), *plan.refused]
    if refused:
        raise _refusal(refused)
    last = max(plan.updates, 1)
    templates = [_template(both, plan, number, gate, last) for number in range(1, last + 1)]
    if _same(both.old, templates[-1]):
        return ()
    return tuple(_update(both, plan, templates, number) for number in range(1, last + 1))


class _Both(Struct, frozen=True):
    """The two templates, and the tables in them; `was`, `is_`: logical id of a table's resource -> its name."""

    old: Template
    new: Template
    current: TableShapes
    target: TableShapes
    was: Mapping[str, str]
    is_: Mapping[str, str]

    @classmethod
    def of(cls, old: Template, new: Template) -> _Both:
        before, after = _table_resources(old), _table_resources(new)
        target = {each: template.shape(each, resource) for each, resource in after.items()}
        current = {
            each: _renamed(template.shape(each, resource), resource, after.get(each), target.get(each))
            for each, resource in before.items()
        }
        return cls(
            old,
            new,
            _tables(current.values()),
            _tables(target.values()),
            {logical_id: each.name for logical_id, each in current.items()},
            {logical_id: each.name for logical_id, each in target.items()},
        )


def _renamed(
    old: TableShape, resource: Mapping[str, Any], after: Mapping[str, Any] | None, new: TableShape | None
) -> TableShape:
    """Return `old` by the name that the wanted template gives the same resource, where only its metadata changed."""
    if after is None or new is None or _physical(after) != _physical(resource):
        return old
    return replace(old, name=new.name)


def _tables(found: Iterable[TableShape]) -> TableShapes:
    return TableShapes(tuple(sorted(found, key=lambda each: each.name)))


def _table_resources(of: Template) -> dict[str, Mapping[str, Any]]:
    return {name: each for name, each in of.get("Resources", {}).items() if _is_table(each)}


def _is_table(resource: Any) -> bool:
    return _type(resource) == template.TYPE


def _type(resource: Any) -> str:
    return str(resource.get("Type", "")) if isinstance(resource, Mapping) else ""  # `Fn::ForEach` is a list


def _physical(resource: Mapping[str, Any]) -> Any:
    return resource.get("Properties", {}).get("TableName")


# -----------------------------------------------------------------------------------------------------------
# What is refused
# -----------------------------------------------------------------------------------------------------------


def _refused_resources(both: _Both, gate: Phase) -> Iterator[Change]:
    before, after = both.old.get("Resources", {}), both.new.get("Resources", {})
    ids = {name: logical_id for logical_id, name in both.is_.items()}
    for logical_id, name in both.was.items():
        resource, now = before[logical_id], after.get(logical_id)
        if now is not None and not (_is_table(now) and _physical(now) == _physical(resource)):
            yield Change(
                Phase.EXPAND,
                f"{name}: rename the table, or make something else of it ({logical_id})",
                refused="CloudFormation would make another resource in its place and remove the table with its items",
                try_=f"leave {logical_id} as it is, and declare the new table beside it under a name of its own",
            )
        elif now is None and name in ids:
            yield Change(
                Phase.EXPAND,
                f"{name}: make the table again as {ids[name]}, which is {logical_id} now",
                refused="CloudFormation would have to make a second table of the same name before it removes the first",
                try_="leave the construct and the stack where they are: its logical id comes from its path",
            )
        elif (
            now is None and gate is Phase.CONTRACT and _is_protected(resource) and not _is_retained(resource)
        ):
            yield Change(
                Phase.CONTRACT,
                f"{name}: remove the table",
                refused="it is protected against deletion",
                try_="deploy it without deletion protection first, then remove it",
            )
    for logical_id, name in both.is_.items():
        if logical_id in before and not _is_table(before[logical_id]):
            yield Change(
                Phase.EXPAND,
                f"{name}: make a table of {logical_id}, which is a {_type(before[logical_id])}",
                refused="CloudFormation never changes the type of a resource",
                try_="give the table's construct another id",
            )


def _is_protected(resource: Mapping[str, Any]) -> bool:
    return resource.get("Properties", {}).get("DeletionProtectionEnabled") in (True, "true")


def _is_retained(resource: Mapping[str, Any]) -> bool:
    return str(resource.get("DeletionPolicy", "Delete")).startswith("Retain")


def _refusal(refused: Sequence[Change]) -> Refused:
    if len(refused) == 1:
        (only,) = refused
        return Refused(f"no deployment can do this: {only.what}", because=only.refused, try_=only.try_)
    return Refused(
        f"no deployment can do these {len(refused)} changes",
        because="; ".join(f"{each.what}: {each.refused}" for each in refused),
        try_="; ".join(dict.fromkeys(f"{each.what.partition(':')[0]}: {each.try_}" for each in refused)),
    )


# -----------------------------------------------------------------------------------------------------------
# Templates on the way
# -----------------------------------------------------------------------------------------------------------


def _template(both: _Both, plan: UpdateSchedule, number: int, gate: Phase, last: int) -> Template:
    """Return the template after update `number`."""
    if number == last and gate is Phase.CONTRACT:
        return both.new
    merged = _with_what_is_gone(both.old, both.new)
    merged["Resources"] = {
        logical_id: _table_at(both.old["Resources"][logical_id], resource, plan, number, both.is_[logical_id])
        if logical_id in both.was and logical_id in both.is_
        else resource
        for logical_id, resource in merged.get("Resources", {}).items()
    }
    return merged


def _with_what_is_gone(old: Template, new: Template) -> dict[str, Any]:
    """Return the new template with everything of the old one that it no longer has."""
    merged = dict(new)
    for section in _KEPT:
        kept = {
            name: each
            for name, each in old.get(section, {}).items()
            if name not in new.get(section, {}) and _is_kept(section, name, each, new)
        }
        if kept:
            merged[section] = {**new.get(section, {}), **kept}
    return merged


def _is_kept(section: str, name: str, each: Any, new: Template) -> bool:
    if section == "Resources":
        return _type(each) != _CDK_METADATA
    if section == "Outputs":  # two outputs cannot export one name
        export = each.get("Export")
        return export is None or export not in [one.get("Export") for one in new.get("Outputs", {}).values()]
    return not (section == "Conditions" and name == _CDK_CONDITION)


def _table_at(
    old: Mapping[str, Any], new: Mapping[str, Any], plan: UpdateSchedule, number: int, name: str
) -> Mapping[str, Any]:
    """Return a table's resource after update `number`: the new one, but for what is still to come or to go."""

    def is_done(kind: ChangeKind, index: str = "") -> bool:
        update = plan.update_of(kind, name, index)
        return update is not None and update <= number

    def is_to_come(kind: ChangeKind, index: str = "") -> bool:
        update = plan.update_of(kind, name, index)
        return update is not None and update > number

    had, has = old.get("Properties", {}), new.get("Properties", {})
    properties = dict(has)
    wanted = {each["IndexName"]: each for each in has.get(_INDEXES, ())}
    stay = [each for key, each in wanted.items() if not is_to_come(ChangeKind.ADD_INDEX, key)]
    leave = [
        each
        for each in had.get(_INDEXES, ())
        if each["IndexName"] not in wanted and not is_done(ChangeKind.REMOVE_INDEX, each["IndexName"])
    ]
    _put(properties, _INDEXES, [*stay, *leave])
    if is_to_come(ChangeKind.ADD_STREAM):
        _put(properties, _STREAM, None)
    elif not has.get(_STREAM) and not is_done(ChangeKind.REMOVE_STREAM):
        _put(properties, _STREAM, had.get(_STREAM))
    if (
        template.is_on(had.get(_TTL))
        and not template.is_on(has.get(_TTL))
        and not is_done(ChangeKind.REMOVE_TTL)
    ):
        properties[_TTL] = had[_TTL]
    properties["AttributeDefinitions"] = _definitions(had, has, stay, leave)
    return {**new, "Properties": properties}


def _put(properties: dict[str, Any], key: str, value: Any) -> None:
    if value:
        properties[key] = value
    else:
        properties.pop(key, None)


def _definitions(
    had: Mapping[str, Any],
    has: Mapping[str, Any],
    stay: Sequence[Mapping[str, Any]],
    leave: Sequence[Mapping[str, Any]],
) -> list[Any]:
    """Return exactly the definitions that the keys use, each of the type that its index has."""
    used = _attributes([has, *stay, *has.get("LocalSecondaryIndexes", ())])
    also = _attributes(leave) - used
    return [
        *(each for each in has.get("AttributeDefinitions", ()) if each["AttributeName"] in used),
        *(each for each in had.get("AttributeDefinitions", ()) if each["AttributeName"] in also),
    ]


def _attributes(keyed: Iterable[Mapping[str, Any]]) -> set[str]:
    return {each["AttributeName"] for one in keyed for each in one["KeySchema"]}


def _carried(old: Template, new: Template) -> Template:
    """Return `new`, naming as switched off every attribute that items expired by, where it names none."""
    before = _table_resources(old)
    carried = {
        logical_id: _with_property(resource, _TTL, {**had[_TTL], "Enabled": False})
        for logical_id, resource in _table_resources(new).items()
        if _TTL in (had := before.get(logical_id, {}).get("Properties", {}))
        and had[_TTL].get("AttributeName")
        and _TTL not in resource.get("Properties", {})
    }
    return {**new, "Resources": {**new["Resources"], **carried}} if carried else new


def _with_property(resource: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**resource, "Properties": {**resource.get("Properties", {}), name: value}}


def _same(one: Template, other: Template) -> bool:
    return _comparable(one) == _comparable(other)


def _comparable(of: Template) -> dict[str, Any]:
    """Return a template without what CDK notes about itself, and without empty sections."""
    plain = dict(of)
    plain["Resources"] = {
        name: each for name, each in of.get("Resources", {}).items() if _type(each) != _CDK_METADATA
    }
    plain["Conditions"] = {
        name: each for name, each in of.get("Conditions", {}).items() if name != _CDK_CONDITION
    }
    return {section: each for section, each in plain.items() if each != {}}


# -----------------------------------------------------------------------------------------------------------
# Messages
# -----------------------------------------------------------------------------------------------------------


def _update(both: _Both, plan: UpdateSchedule, templates: Sequence[Template], number: int) -> StackUpdate:
    after = templates[number - 1]
    before = templates[number - 2] if number > 1 else both.old
    changes = [each for each in plan.changes if each.update == number]
    messages = (
        *(
            _precise(described(each, both.current, both.target), both, each.kind, each.table)
            for each in changes
        ),
        *(replace(each, update=number) for each in _others(before, after)),
    )
    return StackUpdate(
        template=after,
        changes=messages or (Change(Phase.EXPAND, _ANEW, number),),
        waits_for=tuple(name for each in changes for name in _built(both.target, each)),
    )


def _built(target: TableShapes, step: ScheduledChange) -> Iterator[str]:
    """Yield what takes its time after a step: an index that is added, a new table and all of its indexes."""
    if step.kind is ChangeKind.ADD_INDEX:
        yield f"{step.table}.{step.index}"
    elif step.kind is ChangeKind.ADD_TABLE and (table := target.table(step.table)):
        yield table.name
        yield from (f"{table.name}.{each.name}" for each in table.global_indexes)


_ANEW = "write the template anew; the tables stay as they are"  # another order, or settings of an index


def _precise(change: Change, both: _Both, kind: ChangeKind, table: str) -> Change:
    """Return `change` with a message that knows what happens to a retained table."""
    if kind is ChangeKind.REMOVE_TABLE and _is_retained(_resource_of(both, table)):
        return replace(
            change,
            what=f"{table}: take the table out of the stack; it stays, with its items, owned by no stack",
        )
    return change


def _resource_of(both: _Both, table: str) -> Mapping[str, Any]:
    logical_id = next(each for each, name in both.was.items() if name == table)
    found: Mapping[str, Any] = both.old["Resources"][logical_id]
    return found


def _others(before: Template, after: Template) -> Iterator[Change]:
    """Yield what changes besides the shapes of tables."""
    old, new = _comparable(before).get("Resources", {}), _comparable(after).get("Resources", {})
    added = [each for each in new if each not in old and not _is_table(new[each])]
    changed = [each for each in new if each in old and not _is_table(new[each]) and new[each] != old[each]]
    gone = [each for each in old if each not in new and not _is_table(old[each])]
    yield from _by_type(Phase.EXPAND, "add", added, new)
    yield from _settings(old, new)
    yield from _by_type(Phase.EXPAND, "change", changed, new)
    yield from _sections(before, after)
    yield from _by_type(Phase.CONTRACT, "remove", gone, old)


def _by_type(phase: Phase, verb: str, ids: Sequence[str], resources: Mapping[str, Any]) -> Iterator[Change]:
    for type_ in sorted({_type(resources[each]) for each in ids}):
        yield Change(
            phase, f"{verb} {type_} {listed([each for each in ids if _type(resources[each]) == type_])}"
        )


def _settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for logical_id in new:
        if logical_id not in old or not _is_table(new[logical_id]):
            continue
        names = [*_different(old[logical_id], new[logical_id], frozenset({"Properties"}))]
        names += _different(
            old[logical_id].get("Properties", {}), new[logical_id].get("Properties", {}), _SHAPE
        )
        if names:
            yield Change(
                Phase.EXPAND, f"{template.name_of(logical_id, new[logical_id])}: change {listed(names)}"
            )


def _sections(before: Template, after: Template) -> Iterator[Change]:
    old, new = _comparable(before), _comparable(after)
    outputs = (old.get("Outputs", {}), new.get("Outputs", {}))
    added = [each for each in outputs[1] if each not in outputs[0]]
    changed = [each for each in outputs[1] if each in outputs[0] and outputs[0][each] != outputs[1][each]]
    gone = [each for each in outputs[0] if each not in outputs[1]]
    for phase, verb, names in (
        (Phase.EXPAND, "add", added),
        (Phase.EXPAND, "change", changed),
        (Phase.CONTRACT, "remove", gone),
    ):
        if names:
            yield Change(phase, f"{verb} output {listed(names)}")
    names = [*_different(old, new, frozenset({"Resources", "Outputs"}))]
    if names and old:
        yield Change(Phase.EXPAND, f"change {listed(names)} of the template")


def _different(old: Mapping[str, Any], new: Mapping[str, Any], but: frozenset[str]) -> list[str]:
    return sorted(each for each in {*old, *new} - but if old.get(each) != new.get(each))
