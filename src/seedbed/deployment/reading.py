"""What stacks read of each other: parameters of the parameter store, which one writes and another takes values from.

CloudFormation knows nothing of that. So we say ourselves which stack is deployed and deleted first, and see when a
value has changed since a stack took it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment.stacks import Stacks, StackStatus
from seedbed.errors import SeedbedError
from seedbed.model.deployment import Template
from seedbed.model.names import stack_of_parameter

_TYPE = "AWS::SSM::Parameter::Value<"
_BOOTSTRAP = "BootstrapVersion"  # the CDK's own, in every template
_MOST = 10  # names in one request


def reads(template: Template | None) -> dict[str, str]:
    """Return the parameters of a template that are read from the parameter store: there its name, by its own."""
    return {
        key: str(each.get("Default", ""))
        for key, each in (template or {}).get("Parameters", {}).items()
        if key != _BOOTSTRAP and str(each.get("Type", "")).startswith(_TYPE)
    }


def stale(stacks: Stacks, current: StackStatus, template: Template | None) -> dict[str, str]:
    """Return the parameters that a stack with `template` (None: no stack yet) read, and whose value has changed since.

    The names in the parameter store, in order, by those in the template. What no resource is made of is left out: no
    update would take its new value. Raises what AWS raises.
    """
    resources = json.dumps((template or {}).get("Resources", {}))
    names = {key: name for key, name in reads(template).items() if _is_used(key, resources)}
    values = _values(stacks.cloud, names.values()) if names else {}
    changed = {
        key: name
        for key, name in names.items()
        if name in values and values[name] != current.parameters.get(key, values[name])
    }
    return dict(sorted(changed.items(), key=lambda each: each[1]))


def read_anew(template: Template, stale: Collection[str]) -> Template:
    """Return `template` so that it differs from itself wherever a value of the parameters `stale` is used."""
    resources = json.dumps(template.get("Resources", {}))
    for key in stale:
        resources = resources.replace(_ref(key), _ref(f"{key} as it is now"))
        resources = resources.replace(f"${{{key}}}", f"${{{key} as it is now}}")
    return {**template, "Resources": json.loads(resources)}


def _is_used(key: str, resources: str) -> bool:
    return _ref(key) in resources or f"${{{key}}}" in resources


def _ref(key: str) -> str:
    return json.dumps({"Ref": key})


def readers(stacks: Stacks, found: Collection[StackStatus]) -> dict[str, set[str]]:
    """Return by the id of each stack of `found` the ids of those that read what it writes."""
    ids = {each.name: each.id for each in found}
    by: dict[str, set[str]] = {}
    for each in found:
        if not set(each.parameters) - {_BOOTSTRAP}:
            continue
        for name in reads(_template(stacks, each)).values():
            writer = ids.get(stack_of_parameter(name))
            if writer and writer != each.id:
                by.setdefault(writer, set()).add(each.id)
    return by


def _template(stacks: Stacks, current: StackStatus) -> Template | None:
    try:
        return stacks.template(current.id)
    except SeedbedError:
        return None  # nothing is known of what it reads; CloudFormation would delete it, too


def _values(cloud: Cloud, names: Collection[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    asked = sorted(set(names))
    for at in range(0, len(asked), _MOST):
        answer: dict[str, Any] = clients.call(cloud, "ssm", "GetParameters", Names=asked[at : at + _MOST])
        found |= {str(each["Name"]): str(each["Value"]) for each in answer.get("Parameters", ())}
    return found
