"""Imports: a template that takes in what lives, and changes nothing else."""

from __future__ import annotations

from typing import Any

from seedbed.deployment.adopting import importing

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
