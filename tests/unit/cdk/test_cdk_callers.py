"""Policies of callers, as they are synthesised: the statements that the simulator judges by, and where they are made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedbed.aws import rights
from seedbed.errors import Refused, UsageError
from tests.unit.cdk.conftest import IMAGE, Synthesise


def filled(value: Any, parameters: dict[str, Any]) -> Any:
    """Return part of a template with the names of parameters in the place of what they are read as."""
    match value:
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": name}:
            return parameters[name]["Default"]
        case {"Fn::Join": [between, parts]}:
            return between.join(filled(each, parameters) for each in parts)
        case dict():
            return {key: filled(each, parameters) for key, each in value.items()}
        case list():
            return [filled(each, parameters) for each in value]
    return value


def test_the_policies_are_the_statements_that_calls_are_judged_by(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    kinds = "read,run,deploy,release,approve,dev"
    made = synthesise(small(), environment="dev-ana", image=IMAGE, callers=kinds)
    stack = made["sample-dev-ana-seedbed-callers"]
    assert {"sample-dev-ana-seedbed-task", "sample-dev-ana-seedbed-control"} <= set(stack.depends)
    path = "/sample/dev-ana/seedbed"
    names = rights.Names(
        "sample",
        "dev-ana",
        "aws",
        "111111111111",
        "eu-central-1",
        f"{path}/control/table",
        f"{path}/control/bucket",
        cluster=f"{path}/task/cluster",
        family=f"{path}/task/stacks/family",
        log_group=f"{path}/task/log-group",
        roles=[f"{path}/task/stacks/{each}-role" for each in ("task", "execution")],
        ephemeral=True,
    )
    found = stack.resources("IAM::ManagedPolicy")
    assert len(found) == 5
    written = {name for each in made.values() for name in each.parameters()}
    for policy in ("read", "run", "deploy", "release", "approve"):
        (made_,) = [each for key, each in found.items() if key.startswith(f"CallersPolicy{policy.title()}")]
        document = made_["Properties"]["PolicyDocument"]["Statement"]
        document = filled(document, stack.template["Parameters"])
        assert len(json.dumps(document, separators=(",", ":"))) < 6144  # AWS's limit
        wanted = [_as_written(each) for each in rights.statements(policy, names)]
        assert [_as_written(each) for each in document] == wanted
    read = [each["Default"] for each in stack.template["Parameters"].values()]
    assert {each for each in read if each.startswith(path)} <= written


def _as_written(statement: Any) -> Any:
    """Return a statement as it means: a list of one is the one, and the order of actions says nothing."""
    made = {
        key: sorted(value if isinstance(value, list) else [value])
        for key, value in statement.items()
        if key in {"Action", "Resource"}
    }
    condition = (
        json.dumps(statement.get("Condition", {}), sort_keys=True).replace('["', '"').replace('"]', '"')
    )
    return made, condition if statement.get("Condition") else ""


def test_they_are_not_made_unless_that_is_asked(synthesise: Synthesise, edtech: Synthesise) -> None:
    assert not [each for each in edtech("prod") if each.endswith("-callers")]


@pytest.mark.parametrize(
    ("callers", "kind", "said"),
    [
        ("dev", Refused, "prod has no callers of the kind dev"),
        ("all", UsageError, "no callers of the kind 'all'"),
    ],
)
def test_what_cannot_be_is_refused(
    synthesise: Synthesise, small: Callable[..., Path], callers: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        synthesise(small(), environment="prod", image=IMAGE, callers=callers)
