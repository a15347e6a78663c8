"""How long an ephemeral environment stays: what its record says, and what follows from that by now.

Pure: times are seconds of the epoch, by a clock that is handed in. Nothing here deletes; `due` is the only answer by
which something may.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from seedbed.model.environment import Environment, is_ephemeral
from seedbed.support.phrases import DAY

GRACE = DAY  # seconds between the mark and the end
ANEW = 600.0  # seconds after which a use is written down again
STALE = 7200.0  # seconds after which whoever collects an environment is taken for dead

Fate = Literal["kept", "used", "unmarked", "marked", "due", "uncounted"]


class EnvironmentRecord(Struct, frozen=True, kw_only=True):
    """What is written down of one environment.

    `owner`: ARN of who used it first; `by`: of who used it last, by which `command`. `until`: what an extension said;
    0: none did. `ttl`: what was said for this environment alone; 0: as it is declared. `declared_ttl`: what the
    manifest of who used it last declares, 0: for ever; None where that is not known. `keep`: it is never collected.
    `marked`: since when it is to be collected; 0: it is not. `taken`: when the one whose token `taker` is began to
    collect it; 0: none did. `commit`, `branch`: of the checkout that it was used from last.
    """

    name: str
    owner: str = ""
    by: str = ""
    command: str = ""
    created: float = 0.0
    used: float = 0.0
    until: float = 0.0
    ttl: float = 0.0
    declared_ttl: float | None = None
    keep: bool = False
    marked: float = 0.0
    taken: float = 0.0
    taker: str = ""
    commit: str = ""
    branch: str = ""

    @property
    def goes(self) -> float:
        """When it goes, at the earliest, where it is marked."""
        return self.marked + GRACE

    def ends(self, declared: float) -> float:
        """Return when it ends: once its time is over since the last use, and its last extension; 0: never.

        `declared`: the ttl of the manifest, in seconds. Where that of who used it last has another one, the longer one
        counts: either may be the older manifest.
        """
        said = [self.ttl] if self.ttl else [declared]
        if not self.ttl and self.declared_ttl is not None:
            said.append(self.declared_ttl)
        if not (all(said) or self.until):
            return 0.0
        return max(self.until, self.used + max(each or DAY for each in said))


class Inhabited(Struct, frozen=True, kw_only=True):
    """What there is under the name of one environment.

    `environment`: as it is declared; None where the manifest has none of that name. `elsewhere`: it is declared in
    another account, region or base than the one that was looked at. `stacks`: those that are there; `protected` those
    of them whose termination protection is on. `left`: what lies in a base for it, each as a text. `recorded`: whether
    there is a table that could have its record. `under_way`: a run that is carried out there now, as a text.

    `bases`: those that its stacks read of; None where that was not looked at. `former_stack`: a stack of its own for
    records, of one that lies in a base: whoever has not heard that it was moved there writes its use down in that.
    `former`: its record there; None where it has none, or that cannot be read.
    """

    name: str
    environment: Environment | None = None
    elsewhere: bool = False
    stacks: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    record: EnvironmentRecord | None = None
    recorded: bool = True
    under_way: str = ""
    bases: tuple[str, ...] | None = None
    former_stack: str = ""
    former: EnvironmentRecord | None = None

    @property
    def is_left_behind(self) -> bool:
        """Whether something is there that has no stack: what a plain deletion of stacks leaves in a base."""
        return not self.stacks and bool(self.left or self.record)

    @property
    def ends(self) -> float:
        """When it ends, 0 where it never does or that is not known."""
        if self.record is None or self.environment is None:
            return 0.0
        return self.record.ends(self.environment.ttl)


class Prospect(Struct, frozen=True):
    """The outlook of an environment, and why. `at`: when that is so, 0 where no time is known.

    kept: never collected. used: not yet. uncounted: it has no record, so that its time begins now. unmarked: its time
    is over, and it is to be marked. marked: it goes a day after that. due: it goes now.
    """

    fate: Fate
    because: str
    at: float = 0.0


def prospect(found: Inhabited, now: float, *, protected: str = "") -> Prospect:
    """Return the outlook of an environment at the time `now`.

    `protected`: the protected environment that is declared in the same account; empty where none is.
    """
    if because := _kept(found, protected):
        return Prospect("kept", because)
    record = found.record
    if found.under_way:
        return Prospect("used", found.under_way)
    if found.former_stack and (by_former := _by_former(found, now)):
        return by_former
    if not found.is_left_behind:
        if record is None and _may_be_recorded_elsewhere(found):
            return Prospect("kept", "it has no record, and none of its stacks says that it lies in its base")
        if record is None:
            return Prospect("uncounted", "it has no record of its use: its time begins now")
        if now < found.ends:
            return Prospect("used", "its time is not over", found.ends)
    over = "it has no stack any more" if found.is_left_behind else "its time is over"
    if record is None or not record.marked:
        return Prospect("unmarked", f"{over}, and it is not marked yet", now + GRACE)
    if now < record.goes:
        return Prospect("marked", f"{over}, and it was marked less than a day ago", record.goes)
    return Prospect("due", f"{over}, and it was marked a day ago", record.goes)


def _by_former(found: Inhabited, now: float) -> Prospect | None:
    """Return the outlook by the record of an environment from before it lay in its base, None where that is over."""
    former, declared = found.former, found.environment.ttl if found.environment else 0.0
    where = f"in {found.former_stack}, from before it lay in its base"
    if former is None:
        return Prospect("kept", f"its use may be written down {where}")
    ends = former.ends(declared)
    if former.keep or not ends:
        return Prospect("kept", f"it is to be kept by its record {where}")
    return Prospect("used", f"its time is not over by its record {where}", ends) if now < ends else None


def _may_be_recorded_elsewhere(found: Inhabited) -> bool:
    """Return whether another manifest may have an environment elsewhere: then its use is written down there."""
    return found.environment is not None and bool(found.environment.base) and found.bases == ()


def _kept(found: Inhabited, protected: str) -> str:
    """Return why an environment is never collected, empty where it may be."""
    environment = found.environment
    if environment is None:
        return "the manifest declares no environment of that name"
    if environment.is_sandbox or environment.is_base or not is_ephemeral(environment):
        return "it is not ephemeral"
    if found.elsewhere:
        return "it is declared in another account, region or base"
    if others := [each for each in found.bases or () if each != environment.base]:
        return f"its stacks lie in {others[0]}, where it is not declared"
    if protected:
        return f"its account holds {protected}, which is protected"
    if not found.recorded:
        return "there is no table for its record, so that its last use is not known"
    if found.record is not None and found.record.keep:
        return "it is to be kept"
    if found.protected:
        return f"termination protection is on: {found.protected[0]}"
    if found.record is not None and found.stacks and not found.ends:
        return "no ttl is declared for it"
    return ""
