"""The pages about GitLab and CodePipeline: every script of theirs carried out, and what is declared there compared.

Accounts, roles and policies are those of `tests.support.pipelines`; `curl`, `aws` and `pip` record what they are asked.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # a dependency of the emulator: no stubs are locked
from botocore.session import Session
from botocore.validate import ParamValidator

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.aws_proxy import Issuer, proxy
from tests.support.gitlab import Pipelines
from tests.support.pipelines import Estate, Refused, databases
from tests.support.warm_commands import WarmCommands
from tests.support.workflows import PYTHON, write_program

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
GITLAB = "https://gitlab.com"
MAIN = "project_path:acme/edtech:ref_type:branch:ref:main"
CURL = """\
for each in "$@"; do
  case "$each" in body@*) cp "${each#body@}" "$RECORD/body" ;; esac
done
echo "$@" >> "$RECORD/curl"
case "$*" in *per_page*) echo "${NOTES:-[]}" ;; esac
"""
AWS = """\
echo "$@" >> "$RECORD/aws"
echo "$APPROVER"
"""


def titled(page: str) -> dict[str, str]:
    """Return the blocks of a page that are files, by their names."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    return dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def estate(
    tmp_path: Path,
    ministack_server: World,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
) -> Iterator[Estate]:
    with proxy(ministack_server.endpoint) as aws:
        issuers = [Issuer(GITLAB)]
        made = Estate(tmp_path, aws, ministack_server, databases(postgres_server, new_database), issuers)
        made.furnish()
        made.change()
        made.commit("Begin")
        yield made


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory where `curl`, `aws` and `pip` leave what they are asked; they and `seedbed` are found by scripts."""
    record, found = tmp_path / "record", tmp_path / "bin"
    record.mkdir()
    found.mkdir()
    for name, text in {"curl": CURL, "aws": AWS, "pip": 'echo "$@" >> "$RECORD/pip"\n'}.items():
        write_program(found / name, f"#!/bin/bash\n{text}")
    write_program(found / "python", PYTHON)
    commands = WarmCommands(found)
    monkeypatch.setenv("PATH", f"{found}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(record))
    yield record
    commands.close()


def trusted(kind: str) -> dict[str, Any]:
    """Return the conditions that the page's construct makes for a kind of caller; `read` names a pattern."""
    text = (HOW_TO / "release-from-gitlab.md").read_text(encoding="utf-8")
    found = dict(re.findall(r'^(MAIN|OF_MERGE_REQUESTS) = "(.*)"$', text, re.MULTILINE))
    if kind == "read":
        return {
            "StringEquals": {"gitlab.com:aud": GITLAB},
            "StringLike": {"gitlab.com:sub": found["OF_MERGE_REQUESTS"]},
        }
    return {"StringEquals": {"gitlab.com:aud": GITLAB, "gitlab.com:sub": found["MAIN"]}}


@pytest.mark.slow(60)
def test_gitlab_takes_a_merge_request_to_production_as_its_page_says(
    estate: Estate, programs: Path, tmp_path: Path
) -> None:
    (issuer,) = estate.sts.issuers
    for environment in estate.worlds:
        for kind in ("read", "release", "approve"):
            estate.trust(environment, "gitlab", kind, trusted(kind), audiences=[GITLAB])
    text = titled("release-from-gitlab.md")[".gitlab-ci.yml"]
    for environment, number in (("staging", "222222222222"), ("prod", "333333333333")):
        text = text.replace(number, estate.worlds[environment].account)
    (estate.repository / ".gitlab-ci.yml").write_text(text)
    estate.commit("Release from GitLab")

    def environ(role: str) -> dict[str, str]:
        return {**estate.environ(tmp_path), **(estate.reached_by(role) if role else {})}

    (tmp_path / "jobs").mkdir()
    gitlab = Pipelines(estate.repository, tmp_path / "jobs", issuer, environ)
    place = {
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_ID": "3",
        "CI_MERGE_REQUEST_IID": "7",
    }

    # A merge request: plans of both environments, in one note; without a token there is none.
    went = gitlab.run("merge_request_event", ref="parts", NOTES_TOKEN="notes", **place)
    assert went == {"plan": "success", "note": "success"}, gitlab.said
    body = (programs / "body").read_text()
    assert body.startswith("<!-- seedbed -->")
    assert body.count("DROP COLUMN name") == 2
    assert "-X POST --data-urlencode body@note.md" in (programs / "curl").read_text()
    theirs = json.dumps([{"id": 5, "body": "hello"}, {"id": 99, "body": "<!-- seedbed -->\nold"}])
    gitlab.run("merge_request_event", ref="parts", NOTES_TOKEN="notes", NOTES=theirs, **place)
    assert (
        "-X PUT --data-urlencode body@note.md https://gitlab.example/api/v4/projects/3/merge_requests/7/notes/99"
        in (programs / "curl").read_text()
    )

    # A merge: to production, and no further than to the job that a person starts.
    went = gitlab.run("push")
    assert went["open"] == "success", gitlab.said
    assert (went["approve expand"], went["production"]) == ("manual", "skipped")
    assert set(estate.steps("staging").values()) <= {"done", "skipped"}
    assert estate.steps("prod")["expand"] == "waiting"
    gitlab.played = {"approve expand"}
    went = gitlab.run("push", user="ben")
    assert set(went.values()) == {"success"}, gitlab.said
    assert estate.steps("prod")["verify"] in ("done", "skipped")

    # The contract: by the clock nothing, until it soaked and a person approved it.
    assert gitlab.run("schedule") == {"contract": "success"}, gitlab.said
    assert estate.steps("prod")["contract"] == "waiting"
    gitlab.played = {"approve contract"}
    went = gitlab.run("web", user="ben", REASON_FOR_CONTRACT="no reader is left")
    assert went == {"show": "success", "approve contract": "success", "contract": "success"}, gitlab.said
    assert estate.steps("prod")["contract"] == "waiting"
    estate.has_soaked("prod")
    assert gitlab.run("schedule") == {"contract": "success"}, gitlab.said
    assert estate.release("prod").state == "closed", gitlab.said

    # Another branch, and a fork's project, get nothing that changes anything.
    role = estate.role("prod", "gitlab", "release")
    for subject in (
        MAIN.replace(":main", ":parts"),
        MAIN.replace("acme", "mallory"),
        MAIN.replace("branch", "tag"),
    ):
        with pytest.raises(Refused):
            estate.assume(role, issuer.token(sub=subject, aud=GITLAB))
    with pytest.raises(Refused):
        estate.assume(
            estate.role("prod", "gitlab", "read"),
            issuer.token(sub=MAIN.replace("acme", "mallory"), aud=GITLAB),
        )


class Builds:
    """CodeBuild, with projects as the page declares them."""

    def __init__(self, estate: Estate, home: Path) -> None:
        self.estate = estate
        self.home = home
        self.files = titled("release-from-codepipeline.md")
        self.bundle = home / "bundle"
        self.said = ""

    def run(
        self, name: str, environment: str = "", kind: str = "", **variables: str
    ) -> tuple[int, dict[str, str]]:
        """Carry out a build, and return its exit code and the variables that it exports."""
        text = yaml.safe_load(self.files[f"buildspec-{name}.yml"])
        place = self.home / f"{len(list(self.home.iterdir()))}-{name}"
        source = self.bundle if self.bundle.exists() else self.estate.repository
        subprocess.run(["cp", "-r", str(source), str(place)], check=True)
        exported = text["env"].get("exported-variables", [])
        lines = [each for phase in text["phases"].values() for each in phase["commands"]]
        script = "\n".join([*lines, *(f'echo "{each}=${each}" >> exported' for each in exported)])
        of_role = self.estate.of_a_service(environment, kind) if kind else {}
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=place,
            env={
                **self.estate.environ(self.home),
                **(self.estate.databases[environment] if environment else {}),
                **of_role,
                "AWS_REGION": "eu-central-1",
                "CODEBUILD_INITIATOR": "codepipeline/edtech",
                "ENVIRONMENT": environment,
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.said += f"--- {name}: {done.returncode}\n{done.stdout}{done.stderr}"
        if name == "build" and not done.returncode:
            place.rename(self.bundle)
            place = self.bundle
        pairs = (place / "exported").read_text().split() if exported and not done.returncode else []
        return done.returncode, dict(each.split("=", 1) for each in pairs)


@pytest.mark.slow(60)
def test_codepipeline_takes_a_merge_to_production_as_its_page_says(
    estate: Estate, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "builds").mkdir()
    builds = Builds(estate, tmp_path / "builds")
    stages = {
        each["name"]: each["actions"]
        for each in json.loads(builds.files["pipeline.json"])["pipeline"]["stages"]
    }
    known: dict[str, str] = {"codepipeline.PipelineExecutionId": "0f1e"}

    def given(stage: str) -> dict[str, str]:
        """Return the variables of the build of a stage, as the pipeline fills them in."""
        text = stages[stage][-1]["configuration"].get("EnvironmentVariables", "[]")
        filled = re.sub(r"#\{([\w.]+)\}", lambda found: known[found[1]], text)
        return {each["name"]: each["value"] for each in json.loads(filled)}

    code, made = builds.run("build")
    assert code == 0, builds.said
    known["Build.DIGEST"] = made["DIGEST"]
    assert builds.run("release", "staging", "release", **given("Staging"))[0] == 0, builds.said
    assert estate.release("staging").state == "closed"
    code, shown = builds.run("release", "prod", "release", **given("Open"))
    assert code == 0, builds.said
    known["Open.SHOWN"] = shown["SHOWN"]
    assert estate.steps("prod")["expand"] == "waiting"

    # Nothing says who approved: there is no approval, and the role that releases could not write one.
    monkeypatch.setenv("APPROVER", "None")
    assert builds.run("approve", "prod", "approve", **given("Approve"))[0] == 3
    monkeypatch.setenv("APPROVER", "arn:aws:sts::444444444444:assumed-role/approvers/ben")
    assert builds.run("approve", "prod", "release", **given("Approve"))[0] == 3, builds.said
    assert builds.run("approve", "prod", "approve", **given("Approve"))[0] == 0, builds.said
    assert "--filter pipelineExecutionId=0f1e" in (programs / "aws").read_text()
    assert builds.run("release", "prod", "release", **given("Production"))[0] == 0, builds.said
    assert estate.steps("prod")["verify"] in ("done", "skipped")

    # The schedule: nothing while it soaks; a person approves as the page says; then the contract is carried out.
    assert builds.run("contract", "prod", "release")[0] == 0, builds.said
    assert estate.steps("prod")["contract"] == "waiting"
    page = (HOW_TO / "release-from-codepipeline.md").read_text(encoding="utf-8")
    (typed,) = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    builds.files["buildspec-person.yml"] = json.dumps(
        {"env": {}, "phases": {"build": {"commands": typed.splitlines()}}}
    )
    said = {"SHOWN": shown["SHOWN"], "REASON": "no reader is left"}
    assert builds.run("person", "prod", "approve", **said)[0] == 0, builds.said
    estate.has_soaked("prod")
    assert builds.run("contract", "prod", "release")[0] == 0, builds.said
    assert estate.release("prod").state == "closed", builds.said


@pytest.mark.parametrize(
    ("file", "service", "operation"),
    [("pipeline.json", "codepipeline", "CreatePipeline"), ("schedule.json", "scheduler", "CreateSchedule")],
)
def test_what_the_page_declares_is_what_aws_takes(file: str, service: str, operation: str) -> None:
    declared = json.loads(titled("release-from-codepipeline.md")[file])
    shape = Session().get_service_model(service).operation_model(operation).input_shape
    assert ParamValidator().validate(declared, shape).generate_report() == ""
    assert list(wrong_values(declared, shape)) == []


def wrong_values(value: Any, shape: Any) -> Iterator[str]:
    """Yield what is none of the words that a shape has, or does not fit its pattern: a client lets that pass."""
    if shape.type_name == "structure":
        for name, each in value.items():
            yield from wrong_values(each, shape.members[name])
    elif shape.type_name == "list":
        for each in value:
            yield from wrong_values(each, shape.member)
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield f"{shape.name}: {value}"
        pattern = shape.metadata.get("pattern")
        if pattern and not re.search(pattern, value):
            yield f"{shape.name}: {value}"


def test_the_pipeline_has_one_execution_after_the_other_and_a_person_before_what_is_written() -> None:
    declared = json.loads(titled("release-from-codepipeline.md")["pipeline.json"])["pipeline"]
    assert (declared["pipelineType"], declared["executionMode"]) == ("V2", "QUEUED")
    (approve,) = (each["actions"] for each in declared["stages"] if each["name"] == "Approve")
    assert [
        each["actionTypeId"]["category"] for each in sorted(approve, key=lambda each: each["runOrder"])
    ] == [
        "Approval",
        "Build",
    ]
    made = {
        each["name"]
        for stage in declared["stages"]
        for action in stage["actions"]
        for each in action.get("outputArtifacts", [])
    }
    assert made == {"Source", "Bundle"}


def test_the_page_about_gitlab_reads_as_python_and_keeps_environments_apart() -> None:
    text = (HOW_TO / "release-from-gitlab.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ast.parse(code)
    jobs: Mapping[str, Any] = yaml.safe_load(
        titled("release-from-gitlab.md")[".gitlab-ci.yml"].replace("!reference", "")
    )
    for name in ("staging", "open", "production", "contract"):
        assert jobs[name]["resource_group"] == jobs[name]["environment"], name
    assert "secrets" not in jobs
