"""What `make aws-day` prints, refuses, writes down, and does when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import click
import pytest

from seedbed.cli.main import cli
from tools import aws_day, aws_day_pipe, aws_day_steps
from tools.aws_day import Day, Step, carry_out, estimate

EVERY_PRICE = [f"--price={name}=0.01" for name in aws_day.PRICES]
REALLY = ["--really", "--account", "111111111111", "--image", f"a/b@sha256:{'c' * 64}"]


def test_it_prints_every_step_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(aws_day_steps, "begin", None)  # calling it would be an error
    assert aws_day.main([]) == 0
    out = capsys.readouterr().out
    for step in (*aws_day_steps.STEPS, *aws_day_steps.ENDING):
        assert f"{step.name}" in out
        assert step.expects in out
    assert "nothing was done" in out
    assert "vpc-endpoint-hour" in out  # a price that has to be said
    assert list(tmp_path.iterdir()) == []


def test_a_price_comes_with_its_source_and_an_unknown_one_is_asked_for() -> None:
    with pytest.raises(aws_day.Refusal, match=r"vpc-endpoint-hour.* not known"):
        estimate(1, "us-east-1", {})
    known = {"fargate-gb-hour": 0.01, "vpc-endpoint-hour": 0.02, "secret-month": 0.5}
    found = estimate(2, "us-east-1", known)
    assert found.usd == pytest.approx(2 * (0.12 + 0.5 * 0.0405 + 0.01 + 5 * 0.02 + 0.5 * 3 / 730))
    assert any("2026-09-20" in line for line in found.lines)
    assert any("said on the command line" in line for line in found.lines)
    with pytest.raises(aws_day.Refusal, match="aurora-acu-hour"):  # another region has other prices
        estimate(1, "eu-central-1", known)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (REALLY, "are not known"),
        ([*REALLY, *EVERY_PRICE, "--cap", "0.01"], "above the cap of $0.01"),
        (["--really", *EVERY_PRICE], "no account is named"),
        (["--really", "--account", "111111111111", *EVERY_PRICE, "--image", "a/b:1"], "no image is named"),
    ],
)
def test_nothing_is_begun_without_an_account_an_image_and_a_bound(
    words: list[str], what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(aws_day_steps, "begin", None)
    assert aws_day.main(words) == 2
    assert what in capsys.readouterr().err


def _day(tmp_path: Path) -> Day:
    return Day("111111111111", "us-east-1", "", tmp_path, lambda _: None, lambda *_: (0, ""))


def _fails(_: Day) -> str:
    raise aws_day.Unexpected("exit code 137")


def _interrupted(_: Day) -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "never"


@pytest.mark.parametrize(
    ("middle", "seen"), [(_fails, "Unexpected: exit code 137"), (_interrupted, "interrupted")]
)
def test_whatever_happens_is_written_down_and_everything_is_taken_away(
    tmp_path: Path, middle: object, seen: str
) -> None:
    def cleans(_: Day) -> str:
        os.kill(os.getpid(), signal.SIGINT)  # a second Ctrl-C does not end the cleaning
        return "gone"

    steps = [
        Step("first", "it works", lambda _: "it did"),
        Step("middle", "it works", middle),  # type: ignore[arg-type]  # one of the two above
        Step("never", "it is not begun", lambda _: "it was"),
    ]
    evidence, before = tmp_path / "day.jsonl", signal.getsignal(signal.SIGINT)
    assert not carry_out(_day(tmp_path), steps, [Step("clean", "it goes", cleans)], evidence, lambda _: None)
    lines = [json.loads(each) for each in evidence.read_text().splitlines()]
    assert [(each["step"], each["as_expected"]) for each in lines] == [
        ("first", True),
        ("middle", False),
        ("clean", True),
    ]
    assert lines[1]["seen"] == seen
    assert lines[0].keys() >= {"expectation", "seen", "seconds", "at", "account", "region"}
    assert signal.getsignal(signal.SIGINT) is before


def test_every_command_of_the_day_is_one_that_the_command_line_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed: list[tuple[str, ...]] = []

    def seedbed(*words: str) -> tuple[int, str]:
        typed.append(words)
        return 0, "done"

    day = Day("111111111111", "us-east-1", "", tmp_path, lambda _: None, seedbed)
    monkeypatch.setattr(aws_day_steps, "_stacks", lambda _: ["stack a"])
    monkeypatch.setattr(aws_day_pipe, "remove", lambda _: None)
    for step in (aws_day_steps.deploy, aws_day_steps.apply, aws_day_steps.waking, aws_day_steps.clean):
        assert step(day) == "done"
    assert len(typed) == 4
    for name, *words in typed:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, list(words), parent=click.Context(cli, obj={}))


def test_what_is_left_is_not_as_expected(tmp_path: Path) -> None:
    good = [Step("first", "it works", lambda _: "it did")]
    assert carry_out(_day(tmp_path), good, good, tmp_path / "day.jsonl", lambda _: None)
    left = [Step("nothing-left", "nothing is left", _fails)]
    assert not carry_out(_day(tmp_path), good, left, tmp_path / "day.jsonl", lambda _: None)
