"""Taking what is there already into its stack, exactly as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedbed.deployment.assembly import Stack
from seedbed.deployment.examine import physical_name
from seedbed.deployment.parts import Part, Resource
from seedbed.deployment.site import Site
from seedbed.errors import StepFailed
from seedbed.model.deployment import Template


def importing(deployed: Template | None, wanted: Template, living: Mapping[str, Resource]) -> dict[str, Any]:
    """Return the template that takes in what lives and changes nothing else.

    What does not live yet is left to the update after it, outputs as well: they could speak of it.
    """
    template: dict[str, Any] = (
        dict(deployed)
        if deployed
        else {name: part for name, part in wanted.items() if name not in {"Resources", "Outputs"}}
    )
    resources = dict(template.get("Resources", {}))
    for name, resource in living.items():
        # What has no such policy cannot be imported.
        taken = {"DeletionPolicy": "Retain", **resource}
        taken.pop("DependsOn", None)
        resources[name] = taken
    return {**template, "Resources": resources}


def adopt(
    site: Site,
    stack: Stack,
    part: Part,
    deployed: Template | None,
    wanted: Template,
    living: Mapping[str, Resource],
    room: Path,
) -> None:
    """Import what lives into its stack. Raises StepFailed.

    Not by `cdk import`: that submits YAML, which is no longer compared with the template of the app.
    """
    following = site.following(part)
    following.teller(0)(f"importing {', '.join(physical_name(*each) for each in living.items())}")
    into = room / "import"
    site.assembly.write(stack, importing(deployed, wanted, living), into)
    arguments = ["deploy", stack.id, "--app", str(into), "--exclusively", "--import-existing-resources"]
    arguments += ["--require-approval", "never", "--progress", "events"]
    ran = site.cli.run(arguments, cwd=into, cloud=site.cloud, tell=following.repeat)
    standing, _ = following.to_its_end(0)
    if ran.code != 0:
        raise StepFailed(
            f"what is there already could not be imported into {stack.name}",
            because=site.stacks.why(standing) if "ROLLBACK" in standing.status else ran.last_words,
            try_="look at what the reason names; a resource can be in one stack only",
        )
