"""What a stack writes for whoever looks for its database: parameters of the parameter store, one a setting."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from aws_cdk import CfnParameter, CfnResource, Stack, Token
from constructs import Construct

from seedbed.model.names import parameter_path

_SETTINGS, _SHARED = "Settings", "Shared"  # constructs below one that writes parameters


def write_settings(
    scope: Construct,
    settings: Mapping[str, str],
    *,
    platform: str,
    environment: str,
    service: str,
    engine: str,
) -> None:
    """Make a parameter for each of `settings`, below `names.parameter_path`.

    A value is the setting itself or `secret:ARN:KEY`; tokens are welcome.
    """
    write_parameters(scope, settings, parameter_path(platform, environment, service, engine))


def write_parameters(scope: Construct, values: Mapping[str, str], path: str, id_: str = _SETTINGS) -> None:
    """Make a parameter `path`/name for each of `values`; `id_`: of the construct that holds them."""
    settings = Construct(scope, id_)
    for name, value in values.items():
        _write(settings, path, name, value)


def share(of: Construct, values: Mapping[str, str], path: str) -> None:
    """Make a parameter `path`/stacks/name for each of `values`, which other stacks read: those of other apps, too.

    What stacks of one app alone read, `across` writes when it is asked for.
    """
    write_parameters(of, values, f"{path}/stacks", _SHARED)


def _write(scope: Construct, path: str, name: str, value: str) -> None:
    made = CfnResource(
        scope,
        name,
        type="AWS::SSM::Parameter",
        properties={"Name": f"{path}/{name}", "Type": "String", "Value": value},
    )
    made.override_logical_id(named_id("Setting", name.replace("-", "_"), of=f"{path}/{name}"))


def across(of: Construct, to: object, path: str, name: str, value: str) -> str:
    """Return `value`, a token of the stack of `of`, as the stack of `to` may use it.

    In another stack it is read from a parameter at each deployment: `path`/`name` where `of` wrote that as a setting,
    else `path`/stacks/`name`, which it writes now. An import by CloudFormation would keep what is imported from ever
    being made anew or deleted. The stack of `of` is deployed first.
    """
    if not isinstance(to, Construct) or not Token.is_unresolved(value):
        return value
    here, there = Stack.of(to), Stack.of(of)
    if here.node.path == there.node.path:
        return value
    here.add_stack_dependency(there)
    settings = of.node.try_find_child(_SETTINGS)
    if settings is None or settings.node.try_find_child(name) is None:
        path = f"{path}/stacks"
        shared = of.node.try_find_child(_SHARED) or Construct(of, _SHARED)
        if shared.node.try_find_child(name) is None:
            _write(shared, path, name, value)
    return reading(here, path, name)


def reading(scope: Construct, path: str, name: str) -> str:
    """Return the value of the parameter `path`/`name`, read when the stack of `scope` is deployed."""
    here = Stack.of(scope)
    id_ = named_id("Read", re.sub(r"\W", "_", name), of=f"{path}/{name}")
    found = here.node.try_find_child(id_) or CfnParameter(
        here, id_, type="AWS::SSM::Parameter::Value<String>", default=f"{path}/{name}"
    )
    return str(found.value_as_string)


def named_id(kind: str, name: str, *, of: str) -> str:
    """Return the id in a template of something that has a fixed name, `of`: `SettingHost1A2B3C4D`.

    It follows from names alone, so that no change of the app around it, and no order, makes CloudFormation take it for
    another thing, which it would make before it deletes the old one. The end keeps `a_1` and `a1` apart, which letters
    and digits alone would not.
    """
    words = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return f"{kind}{words}{hashlib.sha256(of.encode()).hexdigest()[:8].upper()}"


def pointer(arn: str, key: str) -> str:
    """Return the value that stands for the member `key` of the JSON secret `arn`."""
    return f"secret:{arn}:{key}"
