"""A whole platform in the emulator's AWS: its stacks as CloudFormation makes them, without the CDK's command line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_clients import client
from tests.support.deployment.releases import NOBODY, PLAIN, moved

_PATIENCE = 60.0
_ENDS = {"create_stack": "CREATE_COMPLETE", "update_stack": "UPDATE_COMPLETE"}


_ONE = """
[platform]
name = "small"

{databases}
[environments."dev-*"]
account   = "{account}"
region    = "eu-central-1"
ephemeral = true
"""
IMAGE = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/seedbed:1.4.0"
BY_TASK = f"""access    = "task"

[environments."dev-*".task]
image = "{IMAGE}"
"""
GRAPH = """
[environments."dev-*".graph]
image = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/neo4j:5"
"""


def one_database(engine: str, account: str = NOBODY, *, more: str = "") -> Callable[[Path], None]:
    """Return what writes a platform of one database, without anything in it, into a directory.

    `more`: what its manifest says of dev environments, besides.
    """
    return one_service([engine], account, more=more)


def one_service(engines: Sequence[str], account: str = NOBODY, *, more: str = "") -> Callable[[Path], None]:
    """Return what writes a platform of one service into a directory, with a database of each of these engines.

    There is nothing in them; but that of DynamoDB has its table, which is deployed.
    """

    def write(root: Path) -> None:
        home = root / "services" / "user"
        for engine in engines:
            (home / engine / "migrations").mkdir(parents=True, exist_ok=True)
        if "dynamodb" in engines:
            (home / "dynamodb" / "tables.toml").write_text(PLAIN)
        databases = "".join(f"[services.user.{engine}]\n" for engine in engines)
        (root / "seedbed.toml").write_text(_ONE.format(databases=databases, account=account) + more)

    return write


def write_copying_app(root: Path, assembly: Path) -> None:
    """Give the platform in `root` an app that copies `assembly`, which the CDK would take seconds to make."""
    (root / "cdk").mkdir(exist_ok=True)
    app = {"app": f"cp -r '{assembly}/.' \"$CDK_OUTDIR\"", "versionReporting": False}
    (root / "cdk" / "cdk.json").write_text(json.dumps(app))


_CHOOSING = """
import json, os, shutil
made = {made!r}
shutil.copytree(
    made[json.loads(os.environ["CDK_CONTEXT_JSON"])["environment"]], os.environ["CDK_OUTDIR"], dirs_exist_ok=True
)
"""


def write_app_of_several(root: Path, assemblies: Mapping[str, Path]) -> None:
    """Give the platform in `root` an app that copies the assembly of the environment that is asked for."""
    (root / "cdk").mkdir(exist_ok=True)
    (root / "cdk" / "app.py").write_text(
        _CHOOSING.format(made={name: str(path) for name, path in assemblies.items()})
    )
    (root / "cdk" / "cdk.json").write_text(json.dumps({"app": "python3 app.py", "versionReporting": False}))


@dataclass(frozen=True, slots=True)
class Synthesised:
    """A stack of an assembly."""

    name: str
    template: str
    tags: Mapping[str, str]
    protected: bool


def stacks_of(assembly: Path) -> list[Synthesised]:
    """Return the stacks of an assembly, each after all that it depends on."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    found: dict[str, Synthesised] = {}

    def visit(name: str) -> None:
        artifact = artifacts[name]
        if name in found or artifact["type"] != "aws:cloudformation:stack":
            return
        for each in artifact.get("dependencies", ()):
            visit(each)
        properties = artifact["properties"]
        found[name] = Synthesised(
            properties.get("stackName", name),
            (assembly / properties["templateFile"]).read_text(),
            properties.get("tags", {}),
            bool(properties.get("terminationProtection")),
        )

    for name in artifacts:
        visit(name)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Stage:
    """An account in which stacks of a platform are made. `declared`: the account that they were synthesised for."""

    world: World
    declared: str

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        made = client(service, self.world.region, self.world.endpoint, self.world.account)
        return getattr(made, operation)(**parameters)

    def assembly(self, former: Path, into: Path) -> Path:
        """Copy an assembly so that it is this account's."""
        return moved(former, into, self.declared, self.world.account)

    def make(self, assembly: Path) -> list[str]:
        """Create every stack of an assembly one after the other, and return their names in that order."""
        for each in stacks_of(assembly):
            self._settle("create_stack", each)
        return [each.name for each in stacks_of(assembly)]

    def delete(self, name: str) -> bool:
        """Delete a stack, protected or not, and return whether it is gone; the account may be in its way."""
        protection = {"StackName": name, "EnableTerminationProtection": False}
        self.ask("cloudformation", "update_termination_protection", **protection)
        self.ask("cloudformation", "delete_stack", StackName=name)
        self._wait(lambda: self.statuses().get(name, "DELETE_FAILED") == "DELETE_FAILED")
        return name not in self.statuses()

    def statuses(self) -> dict[str, str]:
        """Return the states of all stacks that are there, by name."""
        found = self.ask("cloudformation", "describe_stacks")["Stacks"]
        return {each["StackName"]: each["StackStatus"] for each in found}

    def why(self, name: str) -> list[str]:
        """Return what CloudFormation said went wrong with a stack."""
        found = self.ask("cloudformation", "describe_stack_events", StackName=name)["StackEvents"]
        return [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}"
            for each in found
            if each["ResourceStatus"].endswith("FAILED")
        ]

    def _settle(self, operation: str, stack: Synthesised) -> None:
        self.ask(
            "cloudformation",
            operation,
            StackName=stack.name,
            TemplateBody=stack.template,
            Tags=[{"Key": key, "Value": value} for key, value in stack.tags.items()],
            EnableTerminationProtection=stack.protected,
        )
        self._wait(lambda: not self.statuses()[stack.name].endswith("_IN_PROGRESS"))
        status = self.statuses()[stack.name]
        assert status == _ENDS[operation], (stack.name, status, self.why(stack.name))

    def _wait(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE
        while not holds():
            assert time.monotonic() < until, self.statuses()
            time.sleep(0.02)
