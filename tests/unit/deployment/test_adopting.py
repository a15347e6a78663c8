"""Imports: a template that takes in what lives, and changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.deployment.adopting import importing, require_only_imports
from seedbed.deployment.change_sets import ChangeSet
from seedbed.errors import Refused
from seedbed.model.deployment import ResourceChange
from seedbed.model.resource import ResourceAction

TABLE = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": {"TableName": "a"}}
WANTED: dict[str, Any] = {
    "Parameters": {"P": {}},
    "Resources": {"A": TABLE, "B": {"Type": "AWS::SSM::Parameter"}},
    "Outputs": {"ArnOfB": {"Value": {"Ref": "B"}}},
}
LIVING = {"A": TABLE}


def test_a_new_stack_begins_with_what_lives_and_nothing_else() -> None:
    assert importing(None, WANTED, LIVING) == {"Parameters": {"P": {}}, "Resources": {"A": TABLE}}


def test_a_stack_that_is_there_keeps_what_it_has() -> None:
    deployed = {"Resources": {"C": {"Type": "X"}}, "Outputs": {"O": {"Value": "1"}}}
    assert importing(deployed, WANTED, LIVING) == {
        "Resources": {"C": {"Type": "X"}, "A": TABLE},
        "Outputs": {"O": {"Value": "1"}},
    }


def test_what_is_imported_needs_a_deletion_policy() -> None:
    bare: dict[str, Any] = {"A": {"Type": "T", "DependsOn": ["B"]}}
    assert importing(None, {}, bare)["Resources"]["A"] == {"Type": "T", "DeletionPolicy": "Retain"}
    assert "DeletionPolicy" not in bare["A"]


def test_what_an_ephemeral_environment_would_delete_is_retained_while_it_is_imported() -> None:
    policies = {"Delete": "Retain", "Retain": "Retain", "RetainExceptOnCreate": "RetainExceptOnCreate"}
    for wanted, imported in policies.items():
        living = {"A": {"Type": "T", "DeletionPolicy": wanted}}
        assert importing(None, {}, living)["Resources"]["A"] == {"Type": "T", "DeletionPolicy": imported}


@pytest.mark.parametrize(
    ("change_set", "because"),
    [
        (ChangeSet("s", "c", (), imports={"A": "a", "B": "b"}), "B would be b, not in it"),
        (ChangeSet("s", "c", (), imports={"A": "of another"}), "A would be of another, not a"),
        (ChangeSet("s", "c", ()), "a is not among what it imports"),
        (
            ChangeSet("s", "c", (ResourceChange("A", "AWS::DynamoDB::Table", ResourceAction.ADD),)),
            "add A (DynamoDB::Table) is no import",
        ),
    ],
)
def test_a_change_set_that_does_anything_but_import_what_lives_is_refused(
    change_set: ChangeSet, because: str
) -> None:
    require_only_imports(ChangeSet("s", "c", (), imports={"A": "a"}), LIVING)
    with pytest.raises(Refused) as caught:
        require_only_imports(change_set, LIVING)
    assert caught.value.because == because
