"""Who is the same person as whom, as far as identities tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from seedbed.model.release import Approval, Identity

# Names of sessions that programs choose: they are the same for many people, or other ones each time.
_GENERIC = re.compile(
    r"githubactions|(?:build|default|deploy|gitlab|pipeline|release|runner|session|seedbed).*"
    r"|.*?(?=[a-f]*[0-9])[0-9a-f]{8,}.*|[0-9.:-]*",  # of a time, an instance, a build
    re.IGNORECASE,
)


def same_person(one: Identity, other: Identity) -> bool:
    """Return whether two identities are, or may well be, of one person.

    The same user; or sessions of two roles with one name, which single sign-on takes from the person; or those who
    say the same of themselves. What people say can make two of them one, never one of them two.
    """
    if one.user_id == other.user_id:
        return True
    names = _session(one), _session(other)
    if names[0] and names[0] == names[1]:
        return True
    notes = one.note.strip().casefold(), other.note.strip().casefold()
    return bool(notes[0]) and notes[0] == notes[1]


def distinct(approvals: Iterable[Approval]) -> list[Approval]:
    """Return `approvals` without those of somebody who is among them already."""
    found: list[Approval] = []
    for each in approvals:
        if not any(same_person(each.by, one.by) for one in found):
            found.append(each)
    return found


def shown(who: Identity) -> str:
    """Return a name for people: what he says of himself, the session, or the end of the ARN."""
    name = who.user_id.partition(":")[2] or who.arn.rpartition("/")[2] or who.user_id
    return f"{who.note} ({name})" if who.note else name


def _session(who: Identity) -> str:
    _, _, name = who.user_id.partition(":")
    return "" if _GENERIC.fullmatch(name) else name.casefold()


def _names(approvals: Iterable[Approval]) -> Iterator[str]:
    return (shown(each.by) for each in approvals)


def named(approvals: Iterable[Approval]) -> str:
    """Return the names of who approved, in a sentence."""
    return ", ".join(_names(approvals))
