"""What a stack writes for whoever looks for its database: parameters of the parameter store, one a setting."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from aws_cdk import CfnResource
from constructs import Construct

from seedbed.model.names import parameter_path


def write_settings(
    scope: Construct,
    settings: Mapping[str, str],
    *,
    platform: str,
    environment: str,
    service: str,
    engine: str,
) -> None:
    """Make a parameter for each of `settings`, below `names.parameter_path`.

    A value is the setting itself or `secret:ARN:KEY`; tokens are welcome.
    """
    write_parameters(scope, settings, parameter_path(platform, environment, service, engine))


def write_parameters(scope: Construct, values: Mapping[str, str], path: str) -> None:
    """Make a parameter `path`/name for each of `values`."""
    settings = Construct(scope, "Settings")
    for name, value in values.items():
        made = CfnResource(
            settings,
            name,
            type="AWS::SSM::Parameter",
            properties={"Name": f"{path}/{name}", "Type": "String", "Value": value},
        )
        made.override_logical_id(named_id("Setting", name.replace("-", "_"), of=f"{path}/{name}"))


def named_id(kind: str, name: str, *, of: str) -> str:
    """Return the id in a template of something that has a fixed name, `of`: `SettingHost1A2B3C4D`.

    It follows from names alone, so that no change of the app around it, and no order, makes CloudFormation take it for
    another thing, which it would make before it deletes the old one. The end keeps `a_1` and `a1` apart, which letters
    and digits alone would not.
    """
    words = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return f"{kind}{words}{hashlib.sha256(of.encode()).hexdigest()[:8].upper()}"


def pointer(arn: str, key: str) -> str:
    """Return the value that stands for the member `key` of the JSON secret `arn`."""
    return f"secret:{arn}:{key}"
