"""What the CDK's command line is told when an app is synthesised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import Struct, field

from seedbed.aws.cloud import Cloud
from seedbed.deployment.cdk import Cli
from seedbed.deployment.child import ChildResult
from seedbed.deployment.synthesis import has_app, synthesise
from seedbed.errors import UsageError
from seedbed.model.environment import Environment


class FailingCli(Struct):
    """Remembers what it is asked for, and with which variables, and fails."""

    base: Mapping[str, str] = {}
    asked: list[Sequence[str]] = field(default_factory=list)
    bases: list[Mapping[str, str]] = field(default_factory=list)

    def run(self, arguments: Sequence[str], **_: Any) -> ChildResult:
        self.asked.append(arguments)
        self.bases.append(self.base)
        return ChildResult(1, ("no module named shop",))


def test_an_app_is_told_its_environment_and_what_the_manifest_says_of_it(tmp_path: Path) -> None:
    assert not has_app(tmp_path.parent)
    app = tmp_path / "cdk"
    app.mkdir()
    (app / "cdk.json").write_text('{"app": "node app.js"}')
    assert has_app(tmp_path)
    cli = FailingCli()
    environment = Environment("dev-ana", context={"graph-image": "neo4j 1", "environment": "prod"})
    with pytest.raises(UsageError) as failed:
        synthesise(cast("Cli", cli), app, environment, Cloud(region="eu-central-1"), tmp_path / "out")
    (asked,) = cli.asked
    assert sorted(asked[-4:]) == ["-c", "-c", "environment=dev-ana", "graph-image=neo4j 1"]
    assert "-c 'graph-image=neo4j 1'" in failed.value.try_


@pytest.mark.parametrize(
    ("environment", "given", "found"),
    [
        ("sandbox", {}, {"CDK_VALIDATION": "false"}),
        ("sandbox", {"CDK_VALIDATION": "true"}, {"CDK_VALIDATION": "true"}),
        ("dev-ana", {}, {}),
    ],
)
def test_templates_are_validated_where_they_are_deployed_to_aws(
    tmp_path: Path, environment: str, given: Mapping[str, str], found: Mapping[str, str]
) -> None:
    (tmp_path / "cdk.json").write_text('{"app": "node app.js"}')
    cli = FailingCli(base=given)
    with pytest.raises(UsageError):
        synthesise(cast("Cli", cli), tmp_path, Environment(environment), Cloud(region="x"), tmp_path / "out")
    assert cli.bases == [found]
