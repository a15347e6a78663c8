"""What deploys an app on this machine: Node and the CDK CLI, their versions, and which ones are required."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from seedbed.deployment import cdk
from seedbed.deployment.child import StopSignal
from seedbed.errors import SeedbedError, hint_text
from seedbed.files.scratch import scratch

NODE, CLI = "Node", "CDK CLI"


def diagnose(app: Path, environ: Mapping[str, str], stop: StopSignal) -> list[tuple[str, str]]:
    """Return (what, finding) pairs about what would deploy the app in `app`. Nothing is fetched. Raises Interrupted."""
    needed = f"{cdk.PACKAGE} {cdk.VERSION} or a later 2.x is required"
    try:
        node = cdk.find_node(environ)
    except SeedbedError as error:
        return [(NODE, _missing(error))]
    found = [(NODE, f"{_node_version(node) or 'does not run'} at {node}; {cdk.NODE} or later is required")]
    with scratch("seedbed.doctor-") as home:
        try:
            cli = cdk.find(app, environ, home.directory, stop, lambda _: None, fetch=False)
            return [*found, (CLI, f"{cdk.version(cli) or 'does not run'} at {cli.argv[-1]}; {needed}")]
        except SeedbedError as error:
            return [*found, (CLI, f"{_missing(error)}; {needed}")]


def _missing(error: SeedbedError) -> str:
    return f"{error.what}: {hint_text(error.try_, '', '') or error.because}"


def _node_version(node: Path) -> str:
    try:
        asked = [str(node), "--version"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
