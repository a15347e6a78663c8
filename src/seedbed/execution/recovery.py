"""How to go on after a step that failed: what its engine cannot know, because it depends on what is recorded."""

from __future__ import annotations

from contextlib import suppress

from seedbed.engines.base import Lease
from seedbed.errors import Hint, SeedbedError, StepFailed, call
from seedbed.model.history import Revision, RevisionState
from seedbed.support.phrases import count

_MEND = "fix what failed and run the same command again"


def advise(error: SeedbedError, version: str, lease: Lease) -> None:
    """Let `error`, which ended the work on `version`, say what to do, and what an edited file needs before that.

    The latter only where something of it is recorded: otherwise such a file may be edited as one likes. Nothing of it
    either where a person has to decide about a step first: that is said already.
    """
    if not isinstance(error, StepFailed) or not version:
        return
    error.try_ = error.try_ or _MEND
    revision = None
    with suppress(SeedbedError):
        revision = lease.history().revision(version)
    if revision is not None and not revision.in_step:
        parts = [each for each in (error.try_, _before_going_on(revision)) if each]
        error.try_ = Hint(*parts[:1], *(one for each in parts[1:] for one in ("; ", each)))


def _before_going_on(revision: Revision) -> str:
    is_applied = revision.state is RevisionState.APPLIED  # it was to be reverted
    if is_applied or revision.checkpoint is not None:
        accept = call("repair", revision.version, "--checksum")
        return Hint("a file that was changed has to be accepted before: ", accept)
    if revision.step:
        return f"leave what is done of it as it is: {count(revision.step, 'step')} at its beginning"
    return ""
