"""Who may take on a role by a token of GitHub's OpenID provider: the conditions of the role's trust, exactly.

Data alone: the construct makes a role of it, and tests judge tokens by it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from seedbed.errors import UsageError

GITHUB = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
# OWNER/NAME; repositories of after July 15, 2026 are OWNER@ID/NAME@ID in their tokens.
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?")
_JOB = re.compile(r"pull_request|environment:[A-Za-z0-9][A-Za-z0-9._ -]*")


def conditions(repository: str, jobs: Collection[str], kind: str) -> Mapping[str, Mapping[str, object]]:
    """Return the conditions of the trust of a role for a kind of caller, which `jobs` of a repository take on.

    Raises UsageError for a repository or a job that is more than one, or none.
    """
    require_repository(repository)
    for each in jobs:
        _require_job(each, kind)
    subjects = sorted({f"repo:{repository}:{each}" for each in jobs})
    return {"StringEquals": {f"{GITHUB}:aud": AUDIENCE, f"{GITHUB}:sub": subjects}}


def require_repository(repository: str) -> None:
    """Raise UsageError for what is not the name of one repository."""
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(
            f"{repository!r} is not the name of one repository",
            because="roles are given to jobs of exactly one, and patterns would give them to more",
            try_="OWNER/NAME, or OWNER@ID/NAME@ID: what `gh api repos/OWNER/NAME/actions/oidc/customization/sub` says",
        )


def _require_job(job: str, kind: str) -> None:
    if not _JOB.fullmatch(job):
        raise UsageError(
            f"{job!r} is not one kind of job that could take on the role of {kind}",
            because="a role is given to pull_request, or to the jobs of one environment on GitHub",
            try_="environment:prod",
        )
    if job == "pull_request" and kind != "read":
        raise UsageError(
            f"jobs of pull requests cannot be given the role of {kind}",
            because="whoever may push a branch decides what they do",
            try_="read",
        )
