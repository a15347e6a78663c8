"""[release] and what environments have otherwise: what is accepted, and how what is not is explained."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import Struct

from seedbed.errors import ManifestError
from seedbed.manifest.environments import environment
from seedbed.manifest.load import load
from seedbed.model.platform import Platform, Query
from seedbed.model.release import StepName
from seedbed.model.release_rules import NewCode, ReleaseRules, frozen, usual

MANIFEST = """\
[platform]
name = "shop"
[services.user.postgres]
[environments.prod]
protected = true
[environments.staging]
"""
LINE = MANIFEST.count("\n")
HOUR = 3600.0
BERLIN = "Europe/Berlin"


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def declared(tmp_path: Path, text: str) -> Platform:
    path = tmp_path / "seedbed.toml"
    path.write_text(MANIFEST + text, encoding="utf-8")
    return load(path, lambda _: Options)


def rules(platform: Platform, name: str) -> ReleaseRules:
    found = environment(platform, name).releases
    assert found is not None
    return found


def test_without_the_section_no_environment_has_rules(tmp_path: Path) -> None:
    platform = declared(tmp_path, "")
    assert [environment(platform, each).releases for each in ("prod", "staging", "sandbox")] == [None] * 3


def test_an_empty_section_means_what_is_usual_there(tmp_path: Path) -> None:
    platform = declared(tmp_path, "[release]\n")
    assert rules(platform, "prod") == usual(protected=True)
    assert rules(platform, "prod").approvals == {StepName.EXPAND: 1, StepName.CONTRACT: 1}
    assert rules(platform, "staging") == rules(platform, "sandbox") == ReleaseRules()


def test_rules_of_one_environment_are_of_no_other(tmp_path: Path) -> None:
    platform = declared(tmp_path, '[environments.prod.release]\nsoak = "3d"\n')
    assert rules(platform, "prod").soak == 72 * HOUR
    assert environment(platform, "staging").releases is None
    assert environment(platform, "sandbox").releases is None


def test_an_environment_overrides_key_by_key_and_approvals_step_by_step(tmp_path: Path) -> None:
    platform = declared(
        tmp_path,
        """
[release]
soak = "12h"
approvals = { contract = 2, code = 1 }
freeze = ["2026-12-20/2027-01-06 UTC"]
code.run = ["./deploy.sh", "all"]
store = "records"

[environments.prod.release]
soak = "2d"
approvals = { code = 0 }
code = { wait = "http", url = "https://shop.example/version", timeout = "10min" }

[environments.staging.release]
freeze = []
""",
    )
    prod, staging = rules(platform, "prod"), rules(platform, "staging")
    assert (prod.soak, staging.soak) == (48 * HOUR, 12 * HOUR)
    assert prod.approvals == {StepName.EXPAND: 1, StepName.CONTRACT: 2, StepName.CODE: 0}
    assert staging.approvals == {StepName.CONTRACT: 2, StepName.CODE: 1}
    assert [each.text for each in prod.freezes] == ["2026-12-20/2027-01-06 UTC"]
    assert staging.freezes == ()
    assert prod.code == NewCode(wait="http", url="https://shop.example/version", timeout=600)
    assert staging.code == NewCode(run=("./deploy.sh", "all"))
    assert prod.store == staging.store == "records"


def test_a_check_asks_a_database_or_a_url(tmp_path: Path) -> None:
    platform = declared(
        tmp_path,
        """
[[release.checks]]
name = "everybody has a name"
database = "user/postgres"
query = "SELECT 1"

[[release.checks]]
name = "the shop answers"
url = "https://shop.example/health"
after = "code"
""",
    )
    first, second = rules(platform, "staging").checks
    assert first.expectation is not None
    assert first.expectation.queries == (Query(platform.databases[0].id, "SELECT 1"),)
    assert (first.after, second.after) == (StepName.MIGRATE, StepName.CODE)
    assert (second.url, second.expectation) == ("https://shop.example/health", None)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('soak = "1 day"', 2, "a number and s, min, h or d, as in 24h"),
        ("approvals = { contract = 10 }", 2, "expected an integer <= 9"),
        ("approvals = { soak = 1 }", 2, "unknown key soak"),
        ("freeze = [\n  'Fri 15:00/Mon 08:00'\n]", 3, "two times or two days, and a time zone"),
        ("freeze = ['Fri 15:00/Mon 25:00 UTC']", 2, "Mon 25:00 is no time of a day"),
        ("freeze = ['Fri 15:60/Mon 08:00 UTC']", 2, "Fri 15:60 is no time of a day"),
        ("freeze = ['Fri 15:00/Fri 15:00 UTC']", 2, "ends when it begins"),
        ("freeze = ['2026-12-20/2026-12-19 UTC']", 2, "2026-12-19 is before 2026-12-20"),
        ("freeze = ['2026-02-29/2026-03-01 UTC']", 2, "day is out of range for month"),
        ("freeze = ['Fri 15:00/Mon 08:00 Europe/Berln']", 2, "there is no time zone Europe/Berln"),
        ("freeze = ['Fri 15:00/Mon 08:00 ../etc/passwd']", 2, "two times or two days"),
        ("code = {}", 2, "it has neither `run` nor `wait`"),
        ("code = { run = ['a'], wait = 'ecs' }", 2, "it has both `run` and `wait`"),
        ("code = { wait = 'ecs', back = ['a'] }", 2, "`back` undoes what `run` does"),
        ("code = { wait = 'http' }", 2, 'wait = "http" has no `url`'),
        ("code = { wait = 'ecs', url = 'https://a' }", 2, '`url` is for wait = "http"'),
        ("code = { run = ['../deploy.sh'] }", 2, "it runs from the bundle"),
        ("code = { run = ['/bin/sh', 'deploy.sh'] }", 2, "it runs from the bundle"),
        ("code = { wait = 'http', url = 'ftp://a' }", 2, "an address that begins with https://"),
        ("[[release.checks]]\nname = 'a'\nquery = '1'", 2, "a query names no database"),
        (
            "[[release.checks]]\nname = 'a'\nurl = 'https://a'\nquery = '1'",
            2,
            "a check asks a URL, or databases",
        ),
        (
            "[[release.checks]]\nname = 'a'\nurl = 'https://a'\n[[release.checks]]\nname = 'a'\nurl = 'https://b'",
            6,
            "there are two checks of the name",
        ),
        ("soack = '1h'", 2, "unknown key soack"),
    ],
)
def test_what_is_wrong_is_explained_at_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ManifestError) as raised:
        declared(tmp_path, f"[release]\n{text}\n")
    assert said in str(raised.value)
    assert raised.value.at is not None
    assert raised.value.at.line == LINE + line


def test_an_environment_has_neither_checks_nor_a_store(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="unknown key store"):
        declared(tmp_path, "[environments.prod.release]\nstore = 'a'\n")


def test_a_machine_without_time_zones_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(ManifestError, match="this machine has no time zone database") as raised:
        declared(tmp_path, "[release]\nfreeze = ['Fri 15:00/Mon 08:00 Europe/Berln']\n")
    assert "tzdata" in raised.value.try_


def until(tmp_path: Path, freezes: list[str], at: str) -> str | None:
    """Return when the freeze that `at` lies in ends, in UTC; "" for no end, None where nothing is frozen."""
    found = frozen(
        rules(declared(tmp_path, f"[release]\nfreeze = {freezes}\n"), "staging").freezes,
        datetime.fromisoformat(at).timestamp(),
    )
    if found is None:
        return None
    return f"{datetime.fromtimestamp(found.until, UTC):%Y-%m-%dT%H:%M}" if found.until is not None else ""


WEEKEND = f"Fri 15:00/Mon 08:00 {BERLIN}"
HOLIDAYS = f"2026-12-20/2027-01-06 {BERLIN}"


@pytest.mark.parametrize(
    ("freezes", "at", "ends"),
    [
        ([WEEKEND], "2026-11-27T14:59+01:00", None),
        ([WEEKEND], "2026-11-27T15:00+01:00", "2026-11-30T07:00"),
        ([WEEKEND], "2026-11-30T07:59+01:00", "2026-11-30T07:00"),
        ([WEEKEND], "2026-11-30T08:00+01:00", None),
        # daylight saving time begins on Sunday the 29th of March, and ends on Sunday the 25th of October
        ([WEEKEND], "2026-03-28T12:00+01:00", "2026-03-30T06:00"),
        ([WEEKEND], "2026-10-24T12:00+02:00", "2026-10-26T07:00"),
        ([f"Sun 02:30/Sun 03:00 {BERLIN}"], "2026-10-25T00:30+00:00", "2026-10-25T02:00"),
        ([f"Sun 01:00/Sun 02:30 {BERLIN}"], "2026-10-25T01:15+00:00", "2026-10-25T01:30"),
        ([f"Sun 01:00/Sun 02:30 {BERLIN}"], "2026-10-25T01:30+00:00", None),
        (["Mon 22:00/Mon 24:00 UTC"], "2026-11-30T23:59+00:00", "2026-12-01T00:00"),
        (["Sat 00:00/Sun 24:00 UTC"], "2026-11-29T23:59+00:00", "2026-11-30T00:00"),
        ([HOLIDAYS], "2026-12-19T23:59+01:00", None),
        ([HOLIDAYS], "2026-12-20T00:00+01:00", "2027-01-06T23:00"),
        ([HOLIDAYS], "2027-01-06T23:59+01:00", "2027-01-06T23:00"),
        ([HOLIDAYS], "2027-01-07T00:00+01:00", None),
        # the Friday before runs into the holidays; these end on a Thursday
        ([WEEKEND, HOLIDAYS], "2026-12-18T15:00+01:00", "2027-01-06T23:00"),
        (
            [WEEKEND, f"2027-01-07/2027-01-08 {BERLIN}", HOLIDAYS],
            "2026-12-24T00:00+01:00",
            "2027-01-11T07:00",
        ),
        (["Mon 00:00/Fri 00:00 UTC", "Thu 00:00/Mon 00:00 UTC"], "2026-12-24T00:00+01:00", ""),
    ],
)
def test_nothing_is_changed_until_the_last_freeze_in_a_row_ends(
    tmp_path: Path, freezes: list[str], at: str, ends: str | None
) -> None:
    assert until(tmp_path, freezes, at) == ends


def test_a_freeze_says_which_lines_of_the_manifest_it_comes_from(tmp_path: Path) -> None:
    freezes = rules(declared(tmp_path, f"[release]\nfreeze = {[WEEKEND, HOLIDAYS]}\n"), "staging").freezes
    found = frozen(freezes, datetime.fromisoformat("2026-12-18T15:00+01:00").timestamp())
    assert found is not None
    assert found.by == (WEEKEND, HOLIDAYS)
