"""Annotations for GitHub Actions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.cli.main import run
from seedbed.documents.errors import ErrorEntry
from seedbed.documents.verification import VerificationDocument
from seedbed.errors import Location, SeedbedError
from seedbed.model.verification import Verdict
from seedbed.report import github
from seedbed.report.console import Output
from seedbed.report.text.verification import findings_annotated
from tests.unit.golden.report import samples


def _entry(what: str, at: Location) -> ErrorEntry:
    return ErrorEntry.of(SeedbedError(what, at=at))


def test_an_error_stands_beside_its_line() -> None:
    assert github.command(github.Annotation.of(ErrorEntry.of(samples.error()))) == (
        "::error title=seedbed,file=services/user/postgres/migrations/20260112093000_create_users.sql,line=12,col=1"
        "::COMMIT ends the transaction that the history is written in"
        "%0Abecause: a migration's transaction belongs to seedbed"
        "%0Atry: leave COMMIT out, or say transaction:false\n"
    )


def test_a_failure_names_its_target() -> None:
    assert github.command(github.Annotation.of(ErrorEntry.of_event(samples.FAILED))).startswith(
        "::error title=seedbed%3A reviews/postgres,file=services/"
    )


def test_nothing_in_a_message_or_a_path_ends_the_command_early() -> None:
    text = github.command(
        github.Annotation.of(_entry("100 %\r\n::set-env name=A::b", Location("a,b:c%.sql", 1)))
    )
    assert text == "::error title=seedbed,file=a%2Cb%3Ac%25.sql,line=1::100 %25%0D%0A::set-env name=A::b\n"
    assert text.count("\n") == 1


def test_paths_are_relative_to_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edtech").mkdir()
    monkeypatch.chdir(tmp_path / "edtech")
    inside = github.command(github.Annotation.of(_entry("x", Location("services/a.sql"))), str(tmp_path))
    assert "file=edtech/services/a.sql::" in inside
    outside = github.command(github.Annotation.of(_entry("x", Location("/elsewhere/a.sql"))), str(tmp_path))
    assert "file=/elsewhere/a.sql::" in outside


def test_what_is_found_of_a_reference_stands_beside_its_line() -> None:
    found = samples.verification()
    first, second, *rest = found.references
    at = Location("seedbed.toml", 18, 1)
    hostile = replace(first.samples[1], id="100%\n::set-env name=A::b\x1b[1m")
    first = replace(first, reference=replace(first.reference, at=at), samples=[first.samples[0], hostile])
    document = VerificationDocument.of(replace(found, references=(first, second, *rest)), "verify")
    told = [github.command(each) for each in findings_annotated(document)]
    assert told[0] == (
        "::error title=seedbed%3A payment/postgres%3Acustomers.user_id,file=seedbed.toml,line=18,col=1"
        "::123 456 ids, 3 delayed, 1 vanished, 2 orphans  (user/postgres:users.id)"
        "%0A7d444840-9dc0-11d1-b245-5ffdce74fad2 in 2 rows: c-17, c-18, the oldest of 2026-11-03 09:30 UTC"
        "%0A100%25%0A::set-env name=A::b\\x1b[1m in 1 row\n"
    )
    assert told[1].startswith("::warning title=seedbed%3A reviews/postgres%3Areviews.author_id::")
    assert told[1].endswith("%0Aand 2 further ids\n")
    verdicts = [*(each.verdict for each in found.references), *(each.verdict for each in found.expectations)]
    verdicts += [
        each.verdict for each in found.ownership if each.verdict is not Verdict.UNVERIFIED
    ]  # it passes
    assert len(told) == len([each for each in verdicts if each is not Verdict.OK])


@pytest.mark.parametrize(
    "text",
    [
        "::error::x",
        "  ::add-mask::x",
        "a\n\t::stop-commands::b",
        "a\n\xa0\u3000::b::c",
        "a\r::b",
        "##[error]x",
    ],
)
def test_what_others_say_is_no_command(text: str) -> None:
    disarmed = github.disarm(text)
    assert not any(each.strip().startswith("::") for each in disarmed.splitlines())
    assert "##[" not in disarmed


def test_casts_and_versions_stay_as_they_are() -> None:
    assert github.disarm("SELECT a::text, '::1'") == "SELECT a::text, '::1'"


def test_a_document_is_the_same_value_and_no_command() -> None:
    document = json.dumps({"error": "##[error]x", "because": ["\\##[debug]", "::error::y"]}, indent=2)
    disarmed = github.disarm_json(document)
    assert "##[" not in disarmed
    assert json.loads(disarmed) == json.loads(document)


def test_a_document_that_is_printed_on_github_is_no_command() -> None:
    printed = io.StringIO()
    out = Output(printed, None, redact=str, environ={"GITHUB_ACTIONS": "true"})
    out.document({"error": "##[set-output name=a]b"})
    assert "##[" not in printed.getvalue()
    assert json.loads(printed.getvalue()) == {"error": "##[set-output name=a]b"}


def test_what_is_typed_is_no_command_on_github(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert run(["a\n\u2003::set-env name=PATH::/tmp"]) == 2
    assert "\n\u2003::" not in capsys.readouterr().err
