"""Workflows that take a platform from a pull request to production: files for GitHub, made for its environments.

The texts lie beside this module, in `github/`; `<<name>>` stands there for what differs from one platform to the next.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from seedbed.errors import UsageError
from seedbed.model.environment import Environment, EnvironmentPattern
from seedbed.model.platform import Platform

GITHUB = "github"
_PACKAGE = "seedbed.project"
_MANIFEST = "seedbed.toml"
_SERVICES = "services"
_JOB = "./.github/workflows/seedbed-release-job.yml"
_PLACES = {
    "action.yml": ".github/actions/seedbed/action.yml",
    "pull-request.yml": ".github/workflows/seedbed-pull-request.yml",
    "release.yml": ".github/workflows/seedbed-release.yml",
    "release-job.yml": ".github/workflows/seedbed-release-job.yml",
    "contract.yml": ".github/workflows/seedbed-contract.yml",
}


class WorkflowsRequest(Struct, frozen=True):
    """What is wanted: workflows for `platform`, which lies in `directory` of its repository, a POSIX path.

    `branch`: the one that releases are made of. `install`: the command that installs seedbed, with `$EXTRAS` for its
    extras; `version`: seedbed's. `has_app`: there is a CDK app, whose stacks a plan shows.
    """

    platform: Platform
    directory: str
    branch: str
    install: str
    version: str
    has_app: bool


def github_files(request: WorkflowsRequest) -> Iterator[tuple[str, str]]:
    """Yield each file, a POSIX path below the repository, and its text. Raises UsageError."""
    lasting = _lasting(request.platform)
    paths = [*_patterns(request), ".github/**/seedbed*"]
    values = {
        "directory": json.dumps(request.directory),
        "extras": ",".join(sorted({each.engine for each in request.platform.databases})),
        "install": f"      run: {request.install}",
        "paths": ", ".join(json.dumps(each) for each in paths),
        "branch": json.dumps(request.branch),
        "names": " ".join(each.pattern for each in reversed(lasting)),
        "environments": "\n".join(_planned(request.platform.name, each) for each in lasting),
        "stacks": "--stacks " if request.has_app else "",
        "app": "\n        with:\n          extras: cdk" if request.has_app else "",
        "version": request.version,
    }
    jobs = {
        "release.yml": _releases(request.platform.name, lasting),
        "contract.yml": _contracts(request.platform.name, lasting),
    }
    for name, place in _PLACES.items():
        yield place, _filled(name, {**values, "jobs": jobs.get(name, "")})


class SandboxRequest(Struct, frozen=True):
    """What the workflow that tests migrations is for. `install`: the step that installs seedbed.

    `platform`: None where there is no manifest yet.
    """

    directory: str
    branch: str
    install: str
    version: str
    platform: Platform | None = None


def sandbox_workflow(request: SandboxRequest) -> str:
    """Return the workflow that carries migrations out on real servers."""
    directories = _directories(request.platform) if request.platform else [_SERVICES]
    values = {
        "directory": json.dumps(request.directory),
        "branch": json.dumps(request.branch),
        "paths": shlex.join([*directories, _MANIFEST]),
        "install": request.install,
        "version": request.version,
    }
    return _filled("sandbox.yml", values)


def _directories(platform: Platform) -> list[str]:
    """Return where databases have their files, POSIX paths seen from the manifest: not all need to be in `services`."""
    found = (Path(os.path.relpath(each.directory, platform.root)).as_posix() for each in platform.databases)
    return [_SERVICES, *sorted({each for each in found if not each.startswith(f"{_SERVICES}/")})]


def _programs(platform: Platform) -> list[str]:
    """Return the files that bring the new code, which are in the bundle, too."""
    rules = [each.releases for each in platform.environments if each.releases]
    calls = [each.code.run + each.code.back for each in [*rules, platform.releases] if each]
    named = {posixpath.normpath(word) for call in calls for word in call if not posixpath.isabs(word)}
    return sorted(each for each in named if Path(platform.root, each).is_file())


def _patterns(request: WorkflowsRequest) -> list[str]:
    """Return what a release is made of, as patterns of GitHub, seen from the root of the repository."""
    directories = [*_directories(request.platform), "cdk"]
    seen = [*((each, "/**") for each in directories), *((each, "") for each in _programs(request.platform))]
    paths = [(posixpath.normpath(posixpath.join(request.directory, each)), rest) for each, rest in seen]
    manifest = posixpath.normpath(posixpath.join(request.directory, _MANIFEST))
    return [re.sub(r"([*?+\[\]!\\])", r"\\\1", each) + rest for each, rest in [*paths, (manifest, "")]]


def _filled(name: str, values: Mapping[str, str]) -> str:
    text = files(_PACKAGE).joinpath(GITHUB, name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"<<{key}>>", value)
    return text.rstrip("\n") + "\n"


def _lasting(platform: Platform) -> list[EnvironmentPattern]:
    """Return the environments that releases go to, those that are protected last. Raises UsageError for none."""
    found = [
        each
        for each in platform.environments
        if not each.ephemeral and not each.is_base and not set("*?[") & set(each.pattern)
    ]
    for each in found:
        if not each.account or not each.region:
            raise UsageError(
                f"a workflow cannot take anything to {each.pattern}",
                because="its role is named by the account and the region of the environment",
                try_=f"account and region, in [environments.{each.pattern}]",
            )
    if not found:
        raise UsageError(
            "there is no environment that a release could go to",
            because="all that the manifest declares are ephemeral, bases or families of environments",
            try_="declare one first: [environments.staging]",
        )
    return sorted(found, key=lambda each: each.protected)


def role(platform: str, environment: Environment | EnvironmentPattern, kind: str) -> str:
    """Return the ARN of the role of a kind of caller, as `GithubRoles` calls it."""
    name = environment.name if isinstance(environment, Environment) else environment.pattern
    return f"arn:aws:iam::{environment.account}:role/{platform}-{name}-github-{kind}"


def _planned(platform: str, environment: EnvironmentPattern) -> str:
    return "\n".join(
        (
            f"          - environment: {environment.pattern}",
            f"            role: {role(platform, environment, 'read')}",
            f"            region: {environment.region}",
        )
    )


def _releases(platform: str, environments: Sequence[EnvironmentPattern]) -> str:
    """Return the jobs that open a release in one environment after the other, and take its steps."""
    jobs, before = [], "build"
    for each in environments:
        name = each.pattern
        opened = _Job(f"{name}-open", name, "open", needs=("build", before), digest="build")
        jobs.append(opened.text(platform, each))
        if each.protected:
            approve = _Job(
                f"{name}-approve", f"{name}-approval", "approve", (opened.name,), opened.name, step="expand"
            )
            jobs.append(approve.text(platform, each))
            before = approve.name
        else:
            before = opened.name
        last = "verify" if each.protected else "close"
        jobs.append(_Job(name, name, "next", needs=(before,), step=last).text(platform, each))
        before = name
    return "\n".join(jobs)


def _contracts(platform: str, environments: Sequence[EnvironmentPattern]) -> str:
    """Return the jobs that go on with what soaks; those that are started by hand approve the contract before that."""
    jobs = []
    for each in environments:
        name = each.pattern
        needs: tuple[str, ...] = ()
        if each.protected:
            by_hand = "github.event_name == 'workflow_dispatch'"
            shown = _Job(f"{name}-show", name, "show", when=by_hand)
            gate = f"{name}-approval"
            approve = _Job(
                f"{name}-approve", gate, "approve", (shown.name,), shown.name, step="contract", when=by_hand
            )
            jobs += [shown.text(platform, each), approve.text(platform, each)]
            needs = (approve.name,)
        when = "${{ !cancelled() && !failure() }}" if needs else ""
        taken = _Job(name, name, "next", needs=needs, step="close", when=when, is_patient=True)
        jobs.append(taken.text(platform, each))
    return "\n".join(jobs)


class _Job(Struct, frozen=True):
    """A job that calls the reusable workflow. `digest`: the job whose output that is; `when`: its `if`."""

    name: str
    gate: str
    task: str
    needs: tuple[str, ...] = ()
    digest: str = ""
    step: str = ""
    when: str = ""
    is_patient: bool = False

    def text(self, platform: str, environment: EnvironmentPattern) -> str:
        kind = "approve" if self.task == "approve" else "release"
        needs = list(dict.fromkeys(self.needs))
        lines = [
            f"  {self.name}:",
            *([f"    if: {self.when}"] if self.when else []),
            *([f"    needs: [{', '.join(needs)}]"] if needs else []),
            "    permissions:",
            "      actions: read",
            "      contents: read",
            "      id-token: write",
            f"    uses: {_JOB}",
            "    with:",
            f"      environment: {environment.pattern}",
            f"      gate: {self.gate}",
            f"      role: {role(platform, environment, kind)}",
            f"      region: {environment.region}",
            f"      task: {self.task}",
        ]
        if self.digest:
            lines.append(f"      digest: ${{{{ needs.{self.digest}.outputs.digest }}}}")
        if self.step:
            lines.append(f"      step: {self.step}")
        if self.step == "contract":
            lines.append("      reason: ${{ inputs.reason }}")
        if self.is_patient:
            lines.append("      ok-if-closed: true")
        return "\n".join(lines)
