"""Workflows of GitHub Actions, carried out here: every `run:` as the runner's shell has it, actions by what they do.

Expressions are those that our workflows use: names, `==`, `!=`, `&&`, `||`, `!`, `format`, the functions of `if`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # a dependency of the emulator: no stubs are locked

from tests.support.aws_proxy import Issuer
from tests.support.warm_commands import WarmCommands

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_NAME = re.compile(r"(?<!['\w.-])(?:github|inputs|jobs|matrix|needs|runner|steps|env)(?:\.[\w-]+)+")
_DEFAULTS = {"repository": "acme/sample", "ref_name": "main", "actor": "ana", "run_id": "4711"}
_SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]  # as GitHub's runner calls it
GH = """\
#!{python}
import json, os, sys
words = sys.argv[1:]
bodies = [open(each.partition("@")[2]).read() for each in words if each.startswith("body=@")]
with open(os.environ["GH_RECORD"], "a") as record:
    record.write(json.dumps({{"words": words, "bodies": bodies, "token": os.environ.get("GH_TOKEN", "")}}) + "\\n")
if "--paginate" in words and os.environ.get("GH_COMMENT"):
    print(os.environ["GH_COMMENT"])
if words[1].endswith("/approvals"):
    print(os.environ.get("GH_REVIEWER", "ben"))
"""
PYTHON = f"""\
#!/bin/sh
exec {sys.executable} "$@"
"""
PIP = """\
#!/bin/sh
echo "$@" >> "$PIP_RECORD"
"""

Action = Callable[["Job", Mapping[str, Any]], None]
Scope = Mapping[str, Any]


class Failed(Exception):
    """A step of a job ended with another code than 0."""


@dataclass
class Runner:
    """What carries out the workflows of a repository. `actions`: what an action does, by its name without a version.

    `environ`: of every step. `branches`: the one branch whose jobs each environment on GitHub lets begin. `issuer`: who
    signs the tokens of jobs. `ran`: each `run:` that was carried out, by workflow, job, name and exit code; `said`: what
    each wrote, by job and name: one that calls a workflow stands for the job in it.
    """

    repository: Path
    home: Path
    actions: Mapping[str, Action]
    environ: Callable[[], Mapping[str, str]]
    github: dict[str, Any] = field(default_factory=dict)
    branches: Mapping[str, str] = field(default_factory=dict)
    issuer: Issuer | None = None
    ran: list[tuple[str, str, str, int]] = field(default_factory=list)
    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    summary: str = ""

    def __post_init__(self) -> None:
        self.bin = self.home / "bin"
        self.bin.mkdir(parents=True)
        programs = {
            "gh": GH.format(python=sys.executable),
            "pip": PIP,
            "python": PYTHON,
        }
        for name, text in programs.items():
            write_program(self.bin / name, text)
        self.github = {**_DEFAULTS, "server_url": "https://github.com", **self.github}
        self._commands = WarmCommands(self.bin)

    def close(self) -> None:
        self._commands.close()

    def workflow(self, name: str) -> Any:
        return yaml.safe_load((self.repository / ".github" / "workflows" / name).read_text())

    def run(self, name: str, event: str, **inputs: Any) -> dict[str, str]:
        """Carry out a workflow, and return how each of its jobs ended: success, failure or skipped."""
        self.github["event_name"] = event
        return self._workflow(name, inputs)[0]

    @property
    def is_of_a_fork(self) -> bool:
        return bool(_found("github.event.pull_request.head.repo.fork", {"github": self.github}))

    def may_begin(self, gate: str) -> bool:
        """Return whether the environment `gate` lets a job of this event begin: its branch is the one that may."""
        ref = "refs/pull/7/merge" if self.github["event_name"] == "pull_request" else self.github["ref_name"]
        return self.branches.get(gate, ref) == ref

    def _workflow(
        self, name: str, inputs: Mapping[str, Any], granted: Mapping[str, str] | None = None, caller: str = ""
    ) -> tuple[dict[str, str], dict[str, str]]:
        """`caller`: the job that calls it; nothing in it may more than what that is `granted`."""
        workflow = self.workflow(name)
        triggers = workflow[True]  # YAML 1.1 takes `on` for that
        called = triggers.get("workflow_call") or triggers.get("workflow_dispatch") or {}
        given = {
            key: inputs.get(key, each.get("default", "")) for key, each in called.get("inputs", {}).items()
        }
        assert not set(inputs) - set(given), f"{name} has no input {set(inputs) - set(given)}"
        missing = [key for key, each in called.get("inputs", {}).items() if each.get("required")]
        assert all(given[key] != "" for key in missing), f"{name} lacks one of {missing}"
        results: dict[str, str] = {}
        outputs: dict[str, dict[str, str]] = {}
        for job in _in_order(workflow["jobs"]):
            text = _capped(workflow["jobs"][job], workflow, granted)
            self._job((name, caller), job, text, given, results, outputs)
        scope = {"jobs": {each: {"outputs": made} for each, made in outputs.items()}}
        values = {key: _filled(each["value"], scope) for key, each in called.get("outputs", {}).items()}
        return results, values

    def _job(
        self,
        of: tuple[str, str],
        name: str,
        job: Mapping[str, Any],
        inputs: Scope,
        results: dict[str, str],
        outputs: dict[str, dict[str, str]],
    ) -> None:
        before = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        scope: dict[str, Any] = {
            "github": self.github,
            "inputs": inputs,
            "needs": {each: {"outputs": outputs.get(each, {}), "result": results[each]} for each in before},
        }
        is_free = all(results[each] == "success" for each in before)
        has_failed = any(results[each] == "failure" for each in before)
        said = str(job.get("if", "")).removeprefix("${{").removesuffix("}}").strip()
        functions = ("always()", "cancelled()", "failure()", "success()")
        may = is_free or any(each in said for each in functions)
        if not may or (said and not _value(said, scope, failed=has_failed)):
            results[name] = "skipped"
            return
        if uses := job.get("uses"):
            given = {key: _filled(each, scope) for key, each in job["with"].items()}
            ended, made = self._workflow(uses.rpartition("/")[2], given, job["permissions"], name)
            outputs[name] = made
            results[name] = "failure" if "failure" in ended.values() else "success"
            return
        results[name] = "success"
        workflow, caller = of
        rows = job.get("strategy", {}).get("matrix", {}).get("include")
        for number, row in enumerate(rows or [{}]):
            place = Job(
                self,
                workflow,
                caller or (f"{name}-{number}" if rows else name),
                job,
                {**scope, "matrix": row},
            )
            if not self.may_begin(place.gate) or not place.carry_out():
                results[name] = "failure"
            outputs[name] = place.outputs()


@dataclass
class Job:
    """One job under way, in a directory of its own."""

    runner: Runner
    workflow: str
    name: str
    text: Mapping[str, Any]
    scope: dict[str, Any]

    def __post_init__(self) -> None:
        self.directory = (
            self.runner.home / f"{len(list(self.runner.home.iterdir()))}-{self.workflow}-{self.name}"
        )
        self.workspace = self.directory / "workspace"
        self.temp = self.directory / "temp"
        for each in (self.workspace, self.temp):
            each.mkdir(parents=True)
        self.scope |= {"runner": {"temp": str(self.temp)}, "steps": {}}
        gate = self.text.get("environment", "")
        self.gate = _filled(gate["name"] if isinstance(gate, Mapping) else gate, self.scope)
        github = {key: each for key, each in self.runner.github.items() if isinstance(each, str)}
        self.environ = {
            **self.runner.environ(),
            **{f"GITHUB_{key.upper()}": each for key, each in github.items() if key != "token"},
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
            "GH_RECORD": str(self.runner.home / "gh.jsonl"),
            "PIP_RECORD": str(self.runner.home / "pip.txt"),
            "RUNNER_TEMP": str(self.temp),
            "PATH": f"{self.runner.bin}:{os.environ['PATH']}",
        }

    def token(self, audience: str) -> str:
        """Return the token that GitHub gives this job, by which a role knows it. Raises Failed where it gives none."""
        issuer, github = self.runner.issuer, self.runner.github
        if self.text["permissions"].get("id-token") != "write" or self.runner.is_of_a_fork:
            raise Failed
        assert issuer is not None
        job = f"environment:{self.gate}" if self.gate else f"ref:refs/heads/{github['ref_name']}"
        if github["event_name"] == "pull_request" and not self.gate:
            job = "pull_request"
        return issuer.token(sub=f"repo:{github['repository']}:{job}", aud=audience)

    def carry_out(self) -> bool:
        """Carry out the steps, and return whether all of them went well."""
        has_failed = False
        for step in self.text["steps"]:
            when = str(step.get("if", "success()"))
            if "always()" not in when and has_failed:
                continue
            if not _value(when, self.scope, failed=has_failed):
                continue
            try:
                self._step(step)
            except Failed:
                has_failed = True
        summary = self.temp / "summary"
        self.runner.summary += summary.read_text() if summary.exists() else ""
        return not has_failed

    def outputs(self) -> dict[str, str]:
        return {key: _filled(each, self.scope) for key, each in self.text.get("outputs", {}).items()}

    def _step(self, step: Mapping[str, Any]) -> None:
        if uses := step.get("uses"):
            given = {key: _filled(each, self.scope) for key, each in step.get("with", {}).items()}
            if uses.startswith("./"):
                self._composite(uses, given)
            else:
                self.runner.actions[uses.partition("@")[0]](self, given)
            return
        self._shell(step, self.scope, str(step.get("name") or step.get("id")))

    def _composite(self, uses: str, given: Scope) -> None:
        action = yaml.safe_load((self.workspace / uses / "action.yml").read_text())
        defaults = {key: each.get("default", "") for key, each in action["inputs"].items()}
        for step in action["runs"]["steps"]:
            if "run" in step:
                self._shell(step, {**self.scope, "inputs": {**defaults, **given}}, uses)

    def _shell(self, step: Mapping[str, Any], scope: Scope, name: str) -> None:
        assert "${{" not in step["run"], f"{self.workflow}: an expression in a script may be a script itself"
        environ = {**self.text.get("env", {}), **step.get("env", {})}
        outputs = self.temp / "outputs"
        outputs.write_text("")
        where = step.get("working-directory") or self.text.get("defaults", {}).get("run", {}).get(
            "working-directory", "."
        )
        script = self.temp / "script.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            [*_SHELL, str(script)],
            cwd=self.workspace / where,
            env={
                **self.environ,
                "GITHUB_OUTPUT": str(outputs),
                **{key: _filled(each, scope) for key, each in environ.items()},
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.runner.ran.append((self.workflow, self.name, name, done.returncode))
        self.runner.said.setdefault((self.name, name), []).append(done.stdout + done.stderr)
        (self.directory / f"{len(self.runner.ran)}.log").write_text(done.stdout + done.stderr)
        if step.get("id"):
            pairs = (each.partition("=") for each in outputs.read_text().splitlines())
            self.scope["steps"][step["id"]] = {"outputs": {key: value for key, _, value in pairs}}
        if done.returncode:
            raise Failed


def _capped(
    job: Mapping[str, Any], workflow: Mapping[str, Any], granted: Mapping[str, str] | None
) -> Mapping[str, Any]:
    """Return a job whose permissions are those that it says, or that its workflow says, as far as they are granted."""
    wanted = job.get("permissions", workflow.get("permissions", {}))
    given = wanted if granted is None else {each: level for each, level in wanted.items() if each in granted}
    return {**job, "permissions": given}


def _in_order(jobs: Mapping[str, Any]) -> Iterator[str]:
    done: list[str] = []
    while len(done) < len(jobs):
        ready = [
            each
            for each, job in jobs.items()
            if each not in done and not set(_listed(job.get("needs", []))) - set(done)
        ]
        assert ready, "the jobs wait for each other"
        done += ready
        yield from ready


def _listed(needs: str | Sequence[str]) -> Sequence[str]:
    return [needs] if isinstance(needs, str) else needs


def _filled(text: Any, scope: Scope) -> str:
    """Return a value with its expressions filled in."""
    if isinstance(text, bool):
        return "true" if text else ""
    return _EXPRESSION.sub(lambda match: str(_value(match[1], scope)), str(text))


def _value(expression: str, scope: Scope, *, failed: bool = False) -> Any:
    """Return what an expression means. It is ours, from a file of ours."""

    text = _EXPRESSION.sub(lambda match: match[1], expression)
    text = (
        _NAME.sub(lambda match: repr(_found(match[0], scope)), text)
        .replace("&&", " and ")
        .replace("||", " or ")
    )
    text = re.sub(r"!(?!=)", " not ", text).replace("false", "False").replace("true", "True")
    functions = {
        "always": lambda: True,
        "cancelled": lambda: False,
        "failure": lambda: failed,
        "success": lambda: not failed,
        "format": lambda template, *values: template.format(*values),
    }
    return eval(text.strip(), {"__builtins__": {}}, functions)


def _found(name: str, scope: Scope) -> Any:
    """Return what a name such as `needs.build.outputs.digest` stands for, "" for nothing."""
    value: Any = scope
    for part in name.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return value


def write_program(path: Path, text: str) -> None:
    """Write a program that scripts find."""
    path.write_text(text)
    path.chmod(0o755)


def copy_artifact(source: Path, to: Path) -> None:
    """Put what was uploaded where it is wanted: a file, or what a directory has."""
    to.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True)
    else:
        shutil.copy(source, to)


def upload(job: Job, given: Mapping[str, Any]) -> None:
    """Do what actions/upload-artifact does."""
    if Path(given["path"]).exists():
        job.runner.artifacts[given["name"]] = Path(given["path"])
    else:
        assert given.get("if-no-files-found") == "ignore", given


def download(job: Job, given: Mapping[str, Any]) -> None:
    """Do what actions/download-artifact does."""
    wanted = given.get("name") or given["pattern"].rstrip("*")
    for name, path in job.runner.artifacts.items():
        if name == given.get("name") or ("pattern" in given and name.startswith(wanted)):
            copy_artifact(path, job.workspace / given["path"])
