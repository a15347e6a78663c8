"""Taking what is there already into its stack, exactly as it is, by a change set that does nothing else.

Its type is not IMPORT: such a one takes neither tags nor outputs, so a run that was killed behind it would leave a
stack that belongs to no environment. An ordinary one imports what exists, and is read before it is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedbed.deployment.change_sets import ChangeSet
from seedbed.deployment.managed import Resource
from seedbed.deployment.plan import physical_name
from seedbed.errors import Refused
from seedbed.model.deployment import Template
from seedbed.planning.reviewed import resource_words

OPTION = "--import-existing-resources"  # of the CDK CLI, when it makes a change set


def importing(deployed: Template | None, wanted: Template, living: Mapping[str, Resource]) -> dict[str, Any]:
    """Return the template that takes in what lives and changes nothing else.

    What does not live yet is left to the update after it, outputs as well: they could speak of it.
    """
    template: dict[str, Any] = (
        dict(deployed)
        if deployed
        else {name: managed for name, managed in wanted.items() if name not in {"Resources", "Outputs"}}
    )
    resources = dict(template.get("Resources", {}))
    for name, resource in living.items():
        # What has no such policy cannot be imported; the update after it sets the wanted one.
        is_retained = str(resource.get("DeletionPolicy", "")).startswith("Retain")
        taken = dict(resource) if is_retained else {**resource, "DeletionPolicy": "Retain"}
        taken.pop("DependsOn", None)
        resources[name] = taken
    return {**template, "Resources": resources}


def require_only_imports(change_set: ChangeSet, living: Mapping[str, Resource]) -> None:
    """Raise Refused for a change set that does anything but take in what lives, each under the name that it has.

    Where a table went meanwhile, CloudFormation would make an empty one in its place.
    """
    wanted = {id_: physical_name(id_, resource) for id_, resource in living.items()}
    other = [f"{resource_words(each)} is no import" for each in change_set.changes]
    other += [
        f"{id_} would be {change_set.imports[id_]}, not {wanted.get(id_, 'in it')}"
        for id_ in sorted(change_set.imports)
        if change_set.imports[id_] != wanted.get(id_)
    ]
    missing = wanted.keys() - change_set.imports.keys() - {each.id for each in change_set.changes}
    other += [f"{wanted[each]} is not among what it imports" for each in sorted(missing)]
    if other:
        raise Refused(
            f"the change set of {change_set.stack} would do more than import what is there, or less",
            because="\n           ".join(other),
            try_="the same command again: it looks anew for what is there",
        )
