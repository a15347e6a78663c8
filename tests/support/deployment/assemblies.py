"""Small cloud assemblies, as the CDK writes them, without the seconds that it takes to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

PARAMETER = "/cdk-bootstrap/hnb659fds/version"


def assembly(
    directory: Path,
    templates: Mapping[str, Mapping[str, Any]],
    *,
    account: str = "000000000000",
    region: str = "eu-central-1",
    depends: Mapping[str, Sequence[str]] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Path:
    """Write the assembly of some stacks, templates by name, into `directory`, and return that."""
    directory.mkdir(parents=True)
    artifacts: dict[str, Any] = {}
    for name, template in templates.items():
        artifacts |= _stack(directory, name, template, account, region, (depends or {}).get(name, ()))
        if tags:
            artifacts[name]["properties"]["tags"] = dict(tags)
    manifest = {"version": "55.0.0", "artifacts": artifacts, "minimumCliVersion": "2.1148.0"}
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2))
    (directory / "cdk.out").write_text('{"version":"55.0.0"}')
    return directory


def _stack(
    directory: Path,
    name: str,
    template: Mapping[str, Any],
    account: str,
    region: str,
    depends: Sequence[str],
) -> dict[str, Any]:
    text = json.dumps(template, indent=1)
    key = sha256(text.encode()).hexdigest()
    bucket = f"cdk-hnb659fds-assets-{account}-{region}"
    role = f"arn:${{AWS::Partition}}:iam::{account}:role/cdk-hnb659fds-ROLE-role-{account}-{region}"
    (directory / f"{name}.template.json").write_text(text)
    file = {
        "displayName": f"{name} Template",
        "source": {"path": f"{name}.template.json", "packaging": "file"},
        "destinations": {
            f"{account}-{region}": {
                "bucketName": bucket,
                "objectKey": f"{key}.json",
                "region": region,
                "assumeRoleArn": role.replace("ROLE", "file-publishing"),
            }
        },
    }
    assets = {"version": "55.0.0", "files": {key: file}, "dockerImages": {}}
    (directory / f"{name}.assets.json").write_text(json.dumps(assets, indent=2))
    bootstrap = {"requiresBootstrapStackVersion": 6, "bootstrapStackVersionSsmParameter": PARAMETER}
    return {
        f"{name}.assets": {
            "type": "cdk:asset-manifest",
            "properties": {"file": f"{name}.assets.json", **bootstrap},
        },
        name: {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://{account}/{region}",
            "properties": {
                "templateFile": f"{name}.template.json",
                "terminationProtection": False,
                "validateOnSynth": False,
                "assumeRoleArn": role.replace("ROLE", "deploy"),
                "cloudFormationExecutionRoleArn": role.replace("ROLE", "cfn-exec"),
                "stackTemplateAssetObjectUrl": f"s3://{bucket}/{key}.json",
                **bootstrap,
            },
            "dependencies": [*depends, f"{name}.assets"],
            "displayName": name,
        },
    }
