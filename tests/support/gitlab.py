"""Pipelines of GitLab, carried out here: the scripts of their jobs, with artifacts, tokens and the rules that say when.

Rules are those that our page uses: comparisons of variables, `&&` and `||`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # a dependency of the emulator: no stubs are locked

from tests.support.aws_proxy import Issuer

_KEYWORDS = {"stages", "workflow", "default"}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # no stubs
    """Reads `!reference [job, key]` as what it refers to."""


def _reference(loader: Any, node: Any) -> Any:
    return _Reference(*loader.construct_sequence(node))


_Loader.add_constructor("!reference", _reference)


@dataclass(frozen=True)
class _Reference:
    job: str
    key: str


@dataclass
class Pipelines:
    """What carries out pipelines of the repository in `repository`. `played`: the manual jobs that a person starts.

    `environ`: of every job, by its role's ARN. `ran`: each job with its exit code.
    """

    repository: Path
    home: Path
    issuer: Issuer
    environ: Any
    played: set[str] = field(default_factory=set)
    ran: list[tuple[str, int]] = field(default_factory=list)
    said: str = ""

    def run(self, source: str, *, ref: str = "main", user: str = "ana", **more: str) -> dict[str, str]:
        """Carry out a pipeline, and return how each job ended: success, failure, manual or skipped."""
        file = yaml.load((self.repository / ".gitlab-ci.yml").read_text(), _Loader)
        variables = {
            "CI_PIPELINE_SOURCE": source,
            "CI_DEFAULT_BRANCH": "main",
            "GITLAB_USER_LOGIN": user,
            **({} if source == "merge_request_event" else {"CI_COMMIT_BRANCH": ref}),
            **more,
        }
        self._artifacts: list[Path] = []
        self._dotenv: dict[str, str] = {}
        self._ref = ref
        results: dict[str, str] = {}
        jobs = {name: _extended(file, name) for name in file if name not in _KEYWORDS and name[0] != "."}
        for stage in file["stages"]:
            for name, job in jobs.items():
                if job.get("stage") == stage and (rule := _rule(job, variables)) is not None:
                    results[name] = self._job(name, job, rule, variables, results, file)
        return results

    def _job(
        self,
        name: str,
        job: Mapping[str, Any],
        rule: Mapping[str, Any],
        variables: Mapping[str, str],
        results: Mapping[str, str],
        file: Mapping[str, Any],
    ) -> str:
        if rule.get("when") != "always" and set(results.values()) - {"success"}:
            return "skipped"
        if rule.get("when") == "manual" and name not in self.played:
            return "manual"
        codes = [
            self._carry_out(name, job, {**variables, **row}, file)
            for row in job.get("parallel", {}).get("matrix", [{}])
        ]
        return "failure" if any(codes) else "success"

    def _carry_out(
        self, name: str, job: Mapping[str, Any], variables: Mapping[str, str], file: Mapping[str, Any]
    ) -> int:
        place = self.home / f"{len(self.ran)}-{name.replace(' ', '-')}"
        subprocess.run(["git", "clone", "-q", str(self.repository), str(place)], check=True)
        for each in self._artifacts:
            shutil.copy(each, place)
        own = {key: str(value) for key, value in job.get("variables", {}).items()}
        known = {
            **variables,
            **self._dotenv,
            **own,
            "CI_JOB_ID": str(len(self.ran)),
            "CI_JOB_URL": f"job:{name}",
        }
        known = {key: _expanded(value, known) for key, value in known.items()}
        tokens = {
            key: self.issuer.token(
                sub=f"project_path:acme/edtech:ref_type:branch:ref:{self._ref}", aud=each["aud"]
            )
            for key, each in job.get("id_tokens", {}).items()
        }
        lines = [
            *_lines(job.get("before_script", file["default"]["before_script"]), file),
            *_lines(job["script"], file),
        ]
        script = place / ".script"
        script.write_text("\n".join(lines))
        done = subprocess.run(
            ["bash", "-eo", "pipefail", str(script)],
            cwd=place,
            env={**self.environ(known.get("AWS_ROLE_ARN", "")), **known, **tokens},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.ran.append((name, done.returncode))
        self.said += f"--- {name}: {done.returncode}\n{done.stdout}{done.stderr}"
        kept = job.get("artifacts", {})
        self._artifacts += [place / _expanded(each, known) for each in kept.get("paths", [])]
        if report := kept.get("reports", {}).get("dotenv"):
            pairs = (each.partition("=") for each in (place / report).read_text().splitlines())
            self._dotenv |= {key: value for key, _, value in pairs}
        return done.returncode


def _extended(file: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a job with what it extends: mappings are merged, everything else is replaced."""
    job = dict(file[name])
    if base := job.pop("extends", ""):
        below = _extended(file, base)
        merged = {
            key: {**below[key], **value}
            if isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
            else value
            for key, value in job.items()
        }
        return {**below, **merged}
    return job


def _rule(job: Mapping[str, Any], variables: Mapping[str, str]) -> Mapping[str, Any] | None:
    return next((each for each in job["rules"] if _holds(each["if"], variables)), None)


def _holds(condition: str, variables: Mapping[str, str]) -> bool:
    text = re.sub(r"\$(\w+)", lambda found: repr(variables.get(found[1], "")), condition)
    return bool(eval(text.replace("&&", " and ").replace("||", " or "), {"__builtins__": {}}))


def _lines(script: Sequence[Any], file: Mapping[str, Any]) -> Iterator[str]:
    for each in script:
        if isinstance(each, _Reference):
            yield from _lines(file[each.job][each.key], file)
        elif isinstance(each, list):
            yield from _lines(each, file)
        else:
            yield each


def _expanded(value: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: variables.get(found[1], os.environ.get(found[1], "")), value)
