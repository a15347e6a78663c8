"""Taking what is there already into its stack, exactly as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedbed.deployment.assembly import Stack
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.managed import ManagedStack, Resource
from seedbed.deployment.plan import physical_name
from seedbed.errors import StepFailed
from seedbed.model.deployment import Template


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


def adopt(
    context: DeploymentContext,
    stack: Stack,
    managed: ManagedStack,
    deployed: Template | None,
    wanted: Template,
    living: Mapping[str, Resource],
    room: Path,
) -> None:
    """Import what lives into its stack. Raises StepFailed.

    Not by `cdk import`: that submits YAML, which is no longer compared with the template of the app.
    """
    waiter = context.waiter(managed)
    waiter.emitter(0)(f"importing {', '.join(physical_name(*each) for each in living.items())}")
    into = room / "import"
    context.assembly.write(stack, importing(deployed, wanted, living), into)
    arguments = ["deploy", stack.id, "--app", str(into), "--exclusively", "--import-existing-resources"]
    arguments += ["--require-approval", "never", "--progress", "events"]
    result = context.cli.run(arguments, cwd=into, cloud=context.cloud, tell=waiter.repeat)
    current, _ = waiter.until_settled(0)
    if result.code != 0:
        raise StepFailed(
            f"what is there already could not be imported into {stack.name}",
            because=context.stacks.why(current) if "ROLLBACK" in current.status else result.last_lines,
            try_="look at what the reason names; a resource can be in one stack only",
        )
