"""What of a cloud assembly travels: what is deployed, and nothing of the machine that synthesised it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedbed.deployment import portable
from seedbed.deployment.assembly import read
from seedbed.errors import UsageError
from tests.support.deployment.assemblies import assembly

TEMPLATE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return assembly(tmp_path / "made", {"shop-prod": TEMPLATE})


def change(path: Path, edit: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def described(directory: Path, machine: str) -> None:
    """Have an assembly say of its app what the CDK says, with the paths of a machine in it."""
    (directory / "shop-prod.metadata.json").write_text(machine)
    (directory / "tree.json").write_text(machine)
    (directory / "validation-report.json").write_text(machine)
    (directory / "read.lock").write_text(machine)
    (directory / ".cache").mkdir()
    (directory / ".cache" / "a.zip").write_text(machine)

    def edit(document: Any) -> None:
        artifacts = document["artifacts"]
        artifacts["Tree"] = {"type": "cdk:tree", "properties": {"file": "tree.json"}}
        stack = artifacts["shop-prod"]
        stack["additionalMetadataFile"] = "shop-prod.metadata.json"
        warning = {"type": "aws:cdk:warning", "data": "careful", "trace": [machine]}
        stack["metadata"] = {
            "/shop-prod": [warning, {"type": "aws:cdk:creationStack", "data": [machine]}],
            "/shop-prod/Queue": [{"type": "aws:cdk:logicalId", "data": "Queue", "trace": [machine]}],
        }

    change(directory / "manifest.json", edit)


def test_what_describes_the_app_stays_behind(made: Path, tmp_path: Path) -> None:
    other = assembly(tmp_path / "other", {"shop-prod": TEMPLATE})
    described(made, "/home/ana")
    described(other, "/home/runner")
    found = portable.members(made)
    assert found == portable.members(other)
    assert [each.name for each in found] == [
        "cdk.out",
        "manifest.json",
        "shop-prod.assets.json",
        "shop-prod.template.json",
    ]
    (manifest,) = (json.loads(each.data) for each in found if each.name == "manifest.json")
    assert manifest["artifacts"]["shop-prod"]["metadata"] == {
        "/shop-prod": [{"type": "aws:cdk:warning", "data": "careful"}]
    }


def test_what_travels_is_an_assembly_with_the_same_stacks(made: Path, tmp_path: Path) -> None:
    described(made, "/home/ana")
    for each in portable.members(made):
        (tmp_path / each.name).write_bytes(each.data)
    assert read(tmp_path).stacks == read(made).stacks


def test_assets_travel_and_their_programs_stay_programs(made: Path) -> None:
    (made / "asset.1").mkdir()
    for name, mode in (("run.sh", 0o700), ("data.json", 0o600)):
        (made / "asset.1" / name).write_text("1")
        (made / "asset.1" / name).chmod(mode)
    (made / "asset.1" / "link").symlink_to("data.json")
    assets = {"1": {"source": {"path": "asset.1", "packaging": "zip"}}}
    change(made / "shop-prod.assets.json", lambda document: document["files"].update(assets))
    found = {each.name: each for each in portable.members(made)}
    assert found["asset.1/run.sh"].is_program
    assert not found["asset.1/data.json"].is_program
    assert found["asset.1/link"].data == b"1"


def test_an_assembly_inside_of_it_is_treated_as_it_is(made: Path) -> None:
    inner = assembly(made / "assembly-stage", {"shop-prod": TEMPLATE})
    described(inner, "/home/ana")
    (made / "asset.1").write_text("1")
    assets = {"1": {"source": {"path": "../asset.1", "packaging": "file"}}}
    change(inner / "shop-prod.assets.json", lambda document: document["files"].update(assets))
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-stage"}}
    change(made / "manifest.json", lambda document: document["artifacts"].update(stage=stage))
    found = portable.members(made)
    assert "assembly-stage/shop-prod.template.json" in [each.name for each in found]
    assert not [each.name for each in found if b"/home/ana" in each.data]


@pytest.mark.parametrize("kind", ["files", "dockerImages"])
@pytest.mark.parametrize("path", ["/home/ana/shop", "../shop"])
def test_an_asset_that_is_elsewhere_is_refused(made: Path, kind: str, path: str) -> None:
    source = {"path" if kind == "files" else "directory": path}
    change(made / "shop-prod.assets.json", lambda document: document[kind].update(x={"source": source}))
    with pytest.raises(UsageError, match="cannot be moved"):
        portable.members(made)


def test_a_link_that_leads_out_of_it_is_refused(made: Path, tmp_path: Path) -> None:
    (made / "link").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="is a link"):
        portable.members(made)
    (made / "link").unlink()
    (made / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is a link"):
        portable.members(made)


def test_what_is_no_assembly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no cloud assembly"):
        portable.members(tmp_path)
