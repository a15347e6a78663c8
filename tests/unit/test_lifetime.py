"""What becomes of an environment: by what is there, by its record, by the time."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.model.environment import SANDBOX, Environment
from seedbed.model.lifetime import EnvironmentRecord, Inhabited, prospect
from seedbed.support.phrases import DAY

NOW = 1_800_000_000.0
TTL = 3 * DAY
ANA = Environment("dev-ana", "1" * 12, "eu-central-1", ephemeral=True, base="shared-dev", ttl=TTL)
RECORD = EnvironmentRecord(name="dev-ana", owner="ana", created=NOW - 30 * DAY, used=NOW - 10 * DAY)


def found(record: EnvironmentRecord | None = RECORD, **more: Any) -> Inhabited:
    return Inhabited(
        **{
            "name": "dev-ana",
            "environment": ANA,
            "stacks": ("shop-dev-ana-user-dynamodb",),
            "record": record,
            **more,
        }
    )


def moved(former: EnvironmentRecord | None, **more: Any) -> Inhabited:
    given = {"record": recorded(marked=NOW - DAY), "former_stack": "shop-dev-ana-seedbed-control", **more}
    return found(former=former, **given)


def recorded(**more: Any) -> EnvironmentRecord:
    return replace(RECORD, **more)


@pytest.mark.parametrize(
    ("there", "fate", "because"),
    [
        (found(), "unmarked", "its time is over"),
        (found(recorded(used=NOW - TTL + 1)), "used", "not over"),
        (found(recorded(until=NOW + 1)), "used", "not over"),
        (found(recorded(ttl=11 * DAY)), "used", "not over"),
        (found(recorded(marked=NOW - DAY + 1)), "marked", "less than a day ago"),
        (found(recorded(marked=NOW - DAY)), "due", "a day ago"),
        # Whatever its record says of the past, use and extension count.
        (found(recorded(marked=NOW - 2 * DAY, used=NOW - 60)), "used", "not over"),
        (found(recorded(marked=NOW - 2 * DAY, until=NOW + 60)), "used", "not over"),
        (found(recorded(marked=NOW - 2 * DAY, keep=True)), "kept", "to be kept"),
        (found(recorded(marked=NOW - 2 * DAY), under_way="apply of ana"), "used", "apply of ana"),
        (found(None), "uncounted", "no record"),
        (found(None, recorded=False), "kept", "no table"),
        (found(recorded(marked=1), protected=("shop-dev-ana-x",)), "kept", "termination protection"),
        (found(recorded(marked=1), elsewhere=True), "kept", "another account"),
        (found(recorded(marked=1), environment=None), "kept", "declares no environment"),
        (found(recorded(marked=1), environment=replace(ANA, ephemeral=False)), "kept", "not ephemeral"),
        (found(recorded(marked=1), environment=replace(ANA, protected=True)), "kept", "not ephemeral"),
        (found(recorded(marked=1), environment=replace(ANA, name="staging")), "kept", "not ephemeral"),
        (found(recorded(marked=1), environment=replace(ANA, is_base=True)), "kept", "not ephemeral"),
        (
            found(recorded(marked=1), environment=Environment(SANDBOX, ephemeral=True)),
            "kept",
            "not ephemeral",
        ),
        (found(recorded(marked=1), environment=replace(ANA, ttl=0.0)), "kept", "no ttl"),
        (found(recorded(marked=1, ttl=DAY), environment=replace(ANA, ttl=0.0)), "due", "over"),
        (found(recorded(marked=1, until=NOW - 1), environment=replace(ANA, ttl=0.0)), "due", "over"),
        # What has no stack any more is left behind, however long its time would be.
        (found(recorded(used=NOW), stacks=()), "unmarked", "no stack"),
        (found(recorded(used=NOW, marked=NOW - DAY), stacks=()), "due", "no stack"),
        (found(None, stacks=(), left=("user/postgres of dev-ana",)), "unmarked", "no stack"),
        (found(recorded(keep=True), stacks=(), left=("x",)), "kept", "to be kept"),
        # One that was moved into its base may still be used by who does not know that.
        (moved(None), "kept", "may be written down in shop-dev-ana-seedbed-control"),
        (moved(recorded(used=NOW - 60)), "used", "not over by its record in shop-dev-ana-seedbed-control"),
        (moved(recorded(keep=True)), "kept", "to be kept by its record"),
        (moved(RECORD), "due", "over"),
        (moved(RECORD, record=None), "uncounted", "no record"),
        # What another manifest may know better: that of the base's image is not the newest one.
        (found(None, bases=()), "kept", "none of its stacks says"),
        (found(None, bases=("shared-dev",)), "uncounted", "no record"),
        (found(recorded(marked=1), bases=()), "due", "over"),
        (found(recorded(marked=1), bases=("other",)), "kept", "lie in other"),
        (
            found(recorded(marked=1), environment=replace(ANA, base=""), bases=("other",)),
            "kept",
            "lie in other",
        ),
    ],
)
def test_what_becomes_of_it(there: Inhabited, fate: str, because: str) -> None:
    prospects = prospect(there, NOW)
    assert (prospects.fate, because in prospects.because) == (fate, True), prospects


def test_nothing_is_collected_beside_what_is_protected() -> None:
    there = found(recorded(marked=NOW - 2 * DAY))
    assert prospect(there, NOW).fate == "due"
    assert prospect(there, NOW, protected="prod").fate == "kept"
    assert prospect(replace(there, stacks=(), left=("x",)), NOW, protected="prod").fate == "kept"


def test_it_goes_at_the_right_hour() -> None:
    there = found(recorded(used=NOW))
    assert prospect(there, NOW).at == NOW + TTL
    assert prospect(there, NOW + TTL - 1).fate == "used"
    assert prospect(there, NOW + TTL).fate == "unmarked"
    marked = found(recorded(used=NOW, marked=NOW + TTL + 5))
    assert prospect(marked, NOW + TTL + 6).at == NOW + TTL + 5 + DAY
    assert prospect(marked, NOW + TTL + 4 + DAY).fate == "marked"
    assert prospect(marked, NOW + TTL + 5 + DAY).fate == "due"


def test_an_end_is_the_later_of_the_last_use_and_what_was_said() -> None:
    assert recorded(used=NOW).ends(TTL) == NOW + TTL
    assert recorded(used=NOW, until=NOW + 9 * DAY).ends(TTL) == NOW + 9 * DAY
    assert recorded(used=NOW, until=NOW + 60).ends(TTL) == NOW + TTL
    assert recorded(used=NOW, ttl=3600.0).ends(TTL) == NOW + 3600
    assert recorded(used=NOW).ends(0.0) == 0.0
    # Of two manifests either may be the older one: the longer time counts.
    assert recorded(used=NOW, declared_ttl=30 * DAY).ends(TTL) == NOW + 30 * DAY
    assert recorded(used=NOW, declared_ttl=60.0).ends(TTL) == NOW + TTL
    assert (
        recorded(used=NOW, declared_ttl=0.0).ends(TTL)
        == recorded(used=NOW, declared_ttl=TTL).ends(0.0)
        == 0.0
    )
    assert recorded(used=NOW, declared_ttl=0.0, until=NOW + 60).ends(TTL) == NOW + TTL
    assert recorded(used=NOW, declared_ttl=30 * DAY, ttl=60.0).ends(TTL) == NOW + 60
    # Without a ttl an end that was said waits for a day without a use.
    assert recorded(used=NOW, until=NOW + 60).ends(0.0) == NOW + DAY
