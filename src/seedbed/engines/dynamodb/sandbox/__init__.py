"""The sandbox's AWS: real servers on this machine, chosen by SEEDBED_DYNAMODB.

ministack   (the default) DynamoDB together with CloudFormation, S3, SSM, Secrets Manager and STS: what a platform is
            deployed to, migrated and seeded on. It stays from command to command.
local       DynamoDB Local, Amazon's own: no CloudFormation, so nothing can be deployed to it, and nothing stays. For
            the tests, and to train against what refuses as AWS refuses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from seedbed.engines.dynamodb.sandbox import local, ministack
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import SandboxError

CHOICE = "SEEDBED_DYNAMODB"
BACKENDS = {"ministack": ministack.ministack, "local": local.dynamodb_local}
DIAGNOSES = {"ministack": ministack.diagnose, "local": local.diagnose}


@contextmanager
def embedded(home: Path) -> Iterator[World]:
    """Run the chosen server in the sandbox `home`, or share the one that runs there. Raises SandboxError."""
    with BACKENDS[_choice()](home) as world:
        yield world


def diagnose(home: Path) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows about the sandbox's AWS: (what, what about it); starts and fetches nothing."""
    return DIAGNOSES[_choice()](home)


def _choice() -> str:
    chosen = os.environ.get(CHOICE, "") or "ministack"
    if chosen not in BACKENDS:
        raise SandboxError(
            f"{chosen!r} is no server that the sandbox knows",
            because=f"{CHOICE} says so",
            try_=" or ".join(BACKENDS),
        )
    return chosen
