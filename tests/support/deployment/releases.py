"""A small platform that is deployed in releases: one table, then two indexes more, synthesised once for all tests."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_clients import client
from tests.support.deployment.assemblies import PARAMETER
from tests.support.projects import Ran, clean_environment, run, start

NOBODY = "999999999999"  # the account that the releases are synthesised for, and moved away from
OTHER = "888888888888"
STACK = "shop-{environment}-courses-dynamodb"
TABLE = "courses-courses-{environment}"
PLAIN = """
[tables.courses]
key = {partition = "course_id"}

[tables.courses.attributes]
course_id = "S"
teacher_id = "S"
slug = "S"
"""
BY_SLUG = """
[tables.courses.indexes.by_slug]
partition  = "slug"
projection = "KEYS_ONLY"
"""
BY_TEACHER = """
[tables.courses.indexes.by_teacher]
partition  = "teacher_id"
projection = "ALL"
"""
OTHER_KEY = PLAIN.replace('partition = "course_id"', 'partition = "slug"')
# "half" is what the first of the two updates from "one" to "two" leaves.
RELEASES = {
    "one": PLAIN,
    "half": PLAIN + BY_SLUG,
    "two": PLAIN + BY_SLUG + BY_TEACHER,
    "hotfix": PLAIN.replace('slug = "S"', 'slug = "S"\ntitle = "S"')
    + BY_SLUG
    + BY_SLUG.replace("slug", "title"),
    "other_key": OTHER_KEY,
}
APP = (
    "from pathlib import Path\nfrom seedbed.cdk import run\nrun(Path(__file__).parents[1] / 'seedbed.toml')\n"
)
MANIFEST = """
[platform]
name = "shop"

[services.courses.dynamodb]

[environments."dev-*"]
account   = "{account}"
region    = "eu-central-1"
ephemeral = true

[environments.staging]
account = "{account}"
region  = "eu-central-1"

[environments.prod]
account   = "{prod}"
region    = "eu-central-1"
protected = true
"""


def write_project(root: Path, account: str, tables: str, *, prod: str) -> None:
    """Write the platform into `root`; all environments lie in `account`, but prod."""
    service = root / "services" / "courses" / "dynamodb"
    (service / "migrations").mkdir(parents=True, exist_ok=True)
    (service / "tables.toml").write_text(tables)
    (root / "cdk").mkdir(exist_ok=True)
    (root / "cdk" / "app.py").write_text(APP)
    (root / "cdk" / "cdk.json").write_text('{"app": "python3 app.py", "versionReporting": false}')
    (root / "seedbed.toml").write_text(MANIFEST.format(account=account, prod=prod))


@dataclass(frozen=True)
class Synthesis:
    """An app to be synthesised. `write`: writes its platform into a directory; else it is the one in `root`.

    `more`: a program that goes on with the app, and with what was `made`.
    """

    name: str
    environment: str
    write: Callable[[Path], None] | None = None
    root: Path = Path()
    context: Mapping[str, Any] = field(default_factory=dict)
    more: str = ""


def release(name: str, environment: str) -> Synthesis:
    """Return what a release is synthesised from for an environment, as if that were in the account NOBODY."""
    mine, prod = (OTHER, NOBODY) if environment == "prod" else (NOBODY, OTHER)
    return Synthesis(
        f"{name}-{environment}",
        environment,
        lambda root: write_project(root, mine, RELEASES[name], prod=prod),
    )


def synthesise(apps: Sequence[Synthesis], into: Path) -> None:
    """Synthesise apps, each into the directory of its name; once for all workers."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with open(into.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if into.exists():
            return
        with tempfile.TemporaryDirectory(dir=into.parent) as room:
            wanted = []
            for app in apps:
                root = app.root
                if app.write is not None:
                    root = Path(room) / app.name
                    root.mkdir()
                    app.write(root)
                context = {**app.context, "environment": app.environment}
                wanted.append([str(root / "seedbed.toml"), context, f"made/{app.name}", app.more])
            # One program for all of them: the constructs take seconds to be loaded.
            subprocess.run([sys.executable, "-c", _SYNTHESIS, json.dumps(wanted)], cwd=room, check=True)
            (Path(room) / "made").rename(into)


def moved(assembly: Path, into: Path, former: str, account: str) -> Path:
    """Copy an assembly for another account than the `former` one that it was synthesised for."""
    shutil.copytree(assembly, into)
    for path in into.iterdir():
        path.write_text(path.read_text().replace(former, account))
    return into


_SYNTHESIS = """
import json, pathlib, sys
import aws_cdk
from seedbed.cdk import platform_stacks
for manifest, context, into, more in json.loads(sys.argv[1]):
    app = aws_cdk.App(outdir=into, context=context, analytics_reporting=False)
    made = platform_stacks(app, pathlib.Path(manifest))
    exec(more, {"app": app, "made": made})
    app.synth()
"""


@dataclass(frozen=True)
class Shop:
    """The platform as one test has it. `assemblies`: what was synthesised, by release and environment.

    `signed`: what a caller of a command has in its environment, by the words of that.
    """

    root: Path
    world: World
    assemblies: Path
    endpoint: str = ""  # where commands find AWS, if it is not the server itself
    variables: Mapping[str, str] = field(default_factory=dict)
    signed: Callable[[Sequence[str]], Mapping[str, str]] = lambda _: {}

    def release(self, name: str, environment: str = "dev-ana") -> list[str]:
        """Declare release `name`, and return the options that deploy what was synthesised for it."""
        is_prod, mine = environment == "prod", self.world.account
        write_project(self.root, OTHER if is_prod else mine, RELEASES[name], prod=mine if is_prod else OTHER)
        into = self.root / "assemblies" / f"{name}-{environment}"
        if not into.exists():
            moved(self.assemblies / into.name, into, NOBODY, self.world.account)
        return ["--assembly", str(into)]

    @property
    def scratch(self) -> Path:
        """Where commands keep what passes: what works for them names it in its command line."""
        path = self.root / "scratch"
        path.mkdir(exist_ok=True)
        return path

    @property
    def environ(self) -> dict[str, str]:
        return {
            "TMPDIR": str(self.scratch),
            "AWS_ENDPOINT_URL": self.endpoint or self.world.endpoint,
            "AWS_ACCESS_KEY_ID": self.world.account,
            "AWS_SECRET_ACCESS_KEY": "not-to-be-shown",
            **self.variables,
        }

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        signed = self.signed(arguments)
        return run(self.root, *arguments, env={**self.environ, **signed, **(env or {})}, timeout=300)

    def deploy(self, release: str, *arguments: str, environment: str = "dev-ana") -> Ran:
        return self.run("deploy", "-e", environment, *self.release(release, environment), *arguments)

    def has(self, release: str, *, environment: str = "dev-ana") -> None:
        """Bring about what deploying `release` leaves, without the seconds that the CDK's command line takes to."""
        assembly, name = Path(self.release(release, environment)[1]), STACK.format(environment=environment)
        stack = json.loads((assembly / "manifest.json").read_text())["artifacts"][name]
        made = [each["StackName"] for each in self.ask("cloudformation", "DescribeStacks")["Stacks"]]
        self.ask(
            "cloudformation",
            "UpdateStack" if name in made else "CreateStack",
            StackName=name,
            TemplateBody=(assembly / stack["properties"]["templateFile"]).read_text(),
            Tags=[{"Key": key, "Value": value} for key, value in stack["properties"]["tags"].items()],
        )
        end = time.monotonic() + 60
        while (status := self.status(environment)) not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            assert status.endswith("_IN_PROGRESS") and time.monotonic() < end, status  # noqa: PT018  one wait
            time.sleep(0.05)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and do not wait for it."""
        return start(self.root, *arguments, env=clean_environment({**self.environ, **self.signed(arguments)}))

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        """Ask the server itself, past any proxy."""
        from botocore import xform_name

        found = client(service, self.world.region, self.world.endpoint, self.world.account)
        return getattr(found, xform_name(operation))(**parameters)

    def prepare(self) -> None:
        """Prepare the account as `cdk bootstrap` does, as far as a deployment looks at it."""
        bucket = f"cdk-hnb659fds-assets-{self.world.account}-{self.world.region}"
        where = {"LocationConstraint": self.world.region}
        self.ask("s3", "CreateBucket", Bucket=bucket, CreateBucketConfiguration=where)
        self.ask("ssm", "PutParameter", Name=PARAMETER, Value="30", Type="String")

    def indexes(self, environment: str = "dev-ana") -> list[str]:
        """The indexes that live, by name."""
        table = self.ask("dynamodb", "DescribeTable", TableName=TABLE.format(environment=environment))
        return sorted(each["IndexName"] for each in table["Table"].get("GlobalSecondaryIndexes", ()))

    def tables(self) -> list[str]:
        return list(self.ask("dynamodb", "ListTables")["TableNames"])

    def status(self, environment: str = "dev-ana") -> str:
        name = STACK.format(environment=environment)
        found = self.ask("cloudformation", "DescribeStacks", StackName=name)["Stacks"]
        return str(found[0]["StackStatus"])


def helpers(shop: Shop) -> list[int]:
    """Return the processes that work for commands in `shop`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(shop.scratch).encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
