"""A day on a real account: what only AWS can show is tried, written down and taken away again.

`python -m tools.aws_day` prints what it would do and what that may cost; `--really` does it. Everything that is asked
of AWS is in `tools/aws_day_steps.py`. Whatever happens, what was made is destroyed at the end, also after Ctrl-C and
SIGTERM; `--clean` alone does that after a process that was killed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

PLATFORM, ENVIRONMENT = "awsday", "dev-awsday"
HOURS = 2.0  # what a day takes: stacks up and down again, half an hour until a cluster sleeps
UNKNOWN = "unknown"


class Price(NamedTuple):
    """A price in USD, and where and when it was read; None where no page that was read says it."""

    usd: float | None
    source: str


# List prices of us-east-1. One that no page was read for is unknown: it has to be given, and is never guessed.
PRICES: Mapping[str, Price] = {
    "aurora-acu-hour": Price(0.12, "AWS agent toolkit's calculator, 2026-03-28"),
    "fargate-vcpu-hour": Price(0.0405, "Amazon ECS pricing page, 2026-09-20: 0.000011244 a second"),
    "fargate-gb-hour": Price(None, UNKNOWN),
    "vpc-endpoint-hour": Price(None, UNKNOWN),
    "secret-month": Price(None, UNKNOWN),
}
PRICED_REGION = "us-east-1"
# How much of each there is in an hour: one cluster, one task of half a core and a GiB, five endpoints in one zone.
IN_AN_HOUR: Mapping[str, float] = {
    "aurora-acu-hour": 1.0,
    "fargate-vcpu-hour": 0.5,
    "fargate-gb-hour": 1.0,
    "vpc-endpoint-hour": 5.0,
    "secret-month": 3 / 730,
}


class Unexpected(Exception):
    """AWS, or seedbed on it, did something else than was expected."""


class Refusal(Exception):
    """Why nothing is begun."""


@dataclass(frozen=True)
class Day:
    """What the steps share. `client`: of AWS, by the name of a service; `seedbed`: runs it, returns its exit code."""

    account: str
    region: str
    image: str
    directory: Path
    client: Callable[[str], Any]
    seedbed: Callable[..., tuple[int, str]]
    kept: dict[str, Any] = field(default_factory=dict)  # what one step leaves for another


class Step(NamedTuple):
    """One thing that only AWS can show. `carry_out` returns what was seen, or raises."""

    name: str
    expects: str
    carry_out: Callable[[Day], str]


def until(look: Callable[[], Any], seconds: float, otherwise: str, *, pause: float = 2.0) -> Any:
    """Return what `look` finds once it finds something. Raises Unexpected after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise Unexpected(f"{otherwise}, after {seconds:.0f} s")
        time.sleep(pause)
    return found


class Estimate(NamedTuple):
    """What a day may cost: `lines` for people, and the sum in USD."""

    lines: tuple[str, ...]
    usd: float


def estimate(hours: float, region: str, given: Mapping[str, float]) -> Estimate:
    """Return what `hours` may cost. `given`: prices that were said. Raises Refusal for a price that is not known."""
    lines, total, unknown = [], 0.0, []
    for name, amount in IN_AN_HOUR.items():
        shipped = PRICES[name] if region == PRICED_REGION else Price(None, UNKNOWN)
        price = Price(given[name], "said on the command line") if name in given else shipped
        if price.usd is None:
            unknown.append(name)
            continue
        total += price.usd * amount * hours
        lines.append(f"{name}: {amount * hours:.3f} at ${price.usd} ({price.source})")
    if unknown:
        raise Refusal(
            f"the prices of {', '.join(unknown)} in {region} are not known: no page was read for them."
            f" Say them: {' '.join(f'--price {each}=USD' for each in unknown)}"
        )
    return Estimate(tuple(lines), total)


def carry_out(
    day: Day,
    steps: Sequence[Step],
    ending: Sequence[Step],
    evidence: Path,
    tell: Callable[[str], None] = print,
) -> bool:
    """Do `steps` until one goes wrong, then every one of `ending`; return whether all went as expected.

    Each is a line of JSON in `evidence`. An interruption ends the steps, and not the ending.
    """
    good = True
    try:
        for step in steps:
            if not _one(day, step, evidence, tell):
                good = False
                break
    except KeyboardInterrupt:
        tell("interrupted: what was made is taken away")
        good = False
    finally:
        before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            for step in ending:
                good = _one(day, step, evidence, tell) and good
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return good


def _one(day: Day, step: Step, evidence: Path, tell: Callable[[str], None]) -> bool:
    tell(f"{step.name}: {step.expects}")
    began, is_good, interrupted = time.monotonic(), False, False
    try:
        seen = step.carry_out(day)
        is_good = True
    except KeyboardInterrupt:
        seen, interrupted = "interrupted", True
    except Exception as error:  # noqa: BLE001  whatever it is, it is what was seen
        seen = f"{type(error).__name__}: {error}"
    line = {
        "step": step.name,
        "expectation": step.expects,
        "seen": seen,
        "as_expected": is_good,
        "seconds": round(time.monotonic() - began, 1),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "account": day.account,
        "region": day.region,
    }
    with evidence.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    tell(f"  {'as expected' if is_good else 'NOT AS EXPECTED'}, {line['seconds']} s: {seen}")
    if interrupted:
        raise KeyboardInterrupt
    return is_good


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the day, or do it. Returns 0, 2 where nothing was begun, 7 where something was not as expected."""
    from tools import aws_day_steps

    said = _parser().parse_args(arguments)
    given = dict(_price(each) for each in said.price)
    ending = aws_day_steps.ENDING
    steps = (
        []
        if said.clean
        else [each for each in aws_day_steps.STEPS if each.name in said.only or not said.only]
    )
    cost, unknown = None, ""
    try:
        cost = None if said.clean else estimate(said.hours, said.region, given)
    except Refusal as refusal:
        unknown = str(refusal)
    _print_day(said, steps, ending, cost)
    if not said.really:
        print(
            f"cost: {unknown}" if unknown else "nothing is missing",
            "nothing was done: --really does it",
            sep="\n",
        )
        return 0
    if refused := unknown or _refused(said, cost):
        sys.stderr.write(f"error: {refused}\n")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="aws-day-") as directory:
        day = aws_day_steps.begin(said.account, said.region, said.image, Path(directory), said.endpoint)
        return 0 if carry_out(day, steps, ending, Path(said.evidence)) else 7


def _refused(said: argparse.Namespace, cost: Estimate | None) -> str:
    """Return why the day is not begun, "" where it is."""
    if not said.account:
        return "no account is named: --account, the 12 digits of one that holds nothing else"
    if cost is not None and cost.usd > said.cap:
        return f"the estimate is ${cost.usd:.2f}, above the cap of ${said.cap:.2f}: --cap, or fewer --hours"
    if cost is not None and "@sha256:" not in said.image and not said.only:
        return "no image is named: --image, by its digest; seedbed image --push prints it"
    return ""


def _print_day(
    said: argparse.Namespace, steps: Sequence[Step], ending: Sequence[Step], cost: Estimate | None
) -> None:
    print(
        f"platform {PLATFORM}, environment {ENVIRONMENT}, account {said.account or '?'}, region {said.region}"
    )
    for number, step in enumerate((*steps, *ending), 1):
        always = " (always, also when it is interrupted)" if step in ending else ""
        print(f"{number:>3}. {step.name}{always}: {step.expects}")
    print(f"evidence: {said.evidence}, a line of JSON for each step")
    if cost is not None:
        for line in cost.lines:
            print(f"cost: {line}")
        print(f"cost: ${cost.usd:.2f} for {said.hours} hours, cap ${said.cap:.2f}")


def _price(text: str) -> tuple[str, float]:
    name, _, usd = text.partition("=")
    if name not in PRICES:
        raise SystemExit(f"error: there is no price {name!r}; there are {', '.join(PRICES)}")
    return name, float(usd)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.aws_day", description=__doc__.split("\n")[0])
    parser.add_argument("--really", action="store_true", help="do it, on a real account")
    parser.add_argument("--clean", action="store_true", help="only take away what an earlier day left")
    parser.add_argument("--account", default="", help="the account, which should hold nothing else")
    parser.add_argument("--region", default=PRICED_REGION)
    parser.add_argument(
        "--image", default="", help="an image with seedbed alone, by its digest, in ECR there"
    )
    parser.add_argument(
        "--cap", type=float, default=5.0, help="USD above which nothing is begun (default: 5)"
    )
    parser.add_argument("--hours", type=float, default=HOURS, help=f"for the estimate (default: {HOURS})")
    parser.add_argument(
        "--price", action="append", default=[], metavar="NAME=USD", help="a price that is not known"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="STEP", help="only this step; may be repeated"
    )
    parser.add_argument("--evidence", default="aws-day.jsonl", metavar="FILE")
    parser.add_argument("--endpoint", default="", metavar="URL", help="an emulator in place of AWS")
    return parser


if __name__ == "__main__":
    sys.exit(main())
