"""Cloud assemblies: read, ordered, and written again with another template."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from seedbed.deployment.assembly import Assembly, read, with_dependencies
from seedbed.errors import UsageError
from tests.support.deployment.assemblies import assembly


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _two(directory: Path) -> Assembly:
    """`app` needs `net`."""
    return read(assembly(directory, {"app": {"Resources": {"A": 1}}, "net": {}}, depends={"app": ["net"]}))


def test_a_stack_says_where_it_belongs_and_what_it_needs(tmp_path: Path) -> None:
    found = read(assembly(tmp_path / "a", {"app": {}}, account="111111111111", region="eu-central-1")).stacks[
        0
    ]
    assert (found.id, found.name, found.account, found.region) == (
        "app",
        "app",
        "111111111111",
        "eu-central-1",
    )
    assert (found.bootstrap, found.bootstrap_version) == ("/cdk-bootstrap/hnb659fds/version", 6)


def test_a_stack_without_a_place_says_none(tmp_path: Path) -> None:
    stack = read(
        assembly(tmp_path / "a", {"app": {}}, account="unknown-account", region="unknown-region")
    ).stacks[0]
    assert (stack.account, stack.region) == ("", "")


def test_stacks_come_after_those_that_they_need(tmp_path: Path) -> None:
    found = _two(tmp_path / "a")
    assert [each.name for each in found.stacks] == ["net", "app"]
    app, net = found.stack("app"), found.stack("net")
    assert app
    assert net
    assert with_dependencies(found, [app]) == [net, app]
    assert with_dependencies(found, [net]) == [net]


def test_stacks_in_a_circle_are_refused(tmp_path: Path) -> None:
    where = assembly(tmp_path / "a", {"a": {}, "b": {}}, depends={"a": ["b"], "b": ["a"]})
    with pytest.raises(UsageError, match="cycle"):
        read(where)


def test_another_template_gets_another_hash_everywhere(tmp_path: Path) -> None:
    found = _two(tmp_path / "a")
    stack = found.stack("app")
    assert stack
    old = sha256((found.directory / stack.template_file).read_bytes()).hexdigest()
    found.write(stack, {"Resources": {"A": 2}}, tmp_path / "b")

    written = read(tmp_path / "b")
    assert written.template(stack) == {"Resources": {"A": 2}}
    new = sha256((tmp_path / "b" / stack.template_file).read_bytes()).hexdigest()
    assets = _json(tmp_path / "b" / "app.assets.json")["files"]
    assert list(assets) == [new]
    assert [each["objectKey"] for each in assets[new]["destinations"].values()] == [f"{new}.json"]
    properties = _json(tmp_path / "b" / "manifest.json")["artifacts"]["app"]["properties"]
    assert properties["stackTemplateAssetObjectUrl"].endswith(f"/{new}.json")
    assert not [each for each in (tmp_path / "b").iterdir() if old in each.read_text()]


def test_the_original_and_the_other_stacks_stay_as_they_are(tmp_path: Path) -> None:
    found = _two(tmp_path / "a")
    app, net = found.stack("app"), found.stack("net")
    assert app
    assert net
    before = {each.name: each.read_bytes() for each in found.directory.iterdir()}
    found.write(app, {"Resources": {}}, tmp_path / "b")
    assert {each.name: each.read_bytes() for each in found.directory.iterdir()} == before
    for name in (net.template_file, "net.assets.json"):
        assert (tmp_path / "b" / name).read_bytes() == before[name]


def test_a_lock_of_the_cli_is_not_copied(tmp_path: Path) -> None:
    found = _two(tmp_path / "a")
    (found.directory / "read.4711.1.lock").write_text("")
    found.write(found.stacks[0], {}, tmp_path / "b")
    assert not list((tmp_path / "b").glob("*.lock"))


def test_a_directory_without_an_assembly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no cloud assembly"):
        read(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(UsageError, match="is not a JSON object"):
        read(tmp_path)
