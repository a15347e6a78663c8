"""`python -I -m seedbed.cli.travel.task NAME=VALUE… NAME… -- WORDS`: seedbed as the program of a task.

Whoever may start a task may give it other words than its definition has, and any environment variables besides: IAM
knows no condition for that. A variable can have Python run a program, send a password to another host, or name another
environment. The entry point cannot be replaced. So it says what each variable is, which ones come from secrets, and
that Python looks at none itself (-I); all others are left out, but for what ECS sets and what every program has. An
endpoint, a proxy, or an authority that TLS believes would have whoever starts the task answer in AWS's place: where
a network takes one, the definition says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

END = "--"  # of what the definition says
_KEPT = (
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_*"),
)
# Who a task is, tells a host that only the task itself can reach; another one could tell anything.
_METADATA, _METADATA_HOST = "ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/"


def bound(words: Sequence[str], environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables that the definition allows, and the words of the command.

    `words`: NAME=VALUE for what it says itself, NAME for what comes from a secret, the words of the command after END.
    """
    at = words.index(END)
    said = dict(each.split("=", 1) for each in words[:at] if "=" in each)
    kept = [*_KEPT, *(each for each in words[:at] if "=" not in each)]
    found = {name: value for name, value in environ.items() if any(fnmatchcase(name, each) for each in kept)}
    if environ.get(_METADATA, "").startswith(_METADATA_HOST):
        found[_METADATA] = environ[_METADATA]
    return {**found, **said}, list(words[at + 1 :])


def main() -> None:
    environ, words = bound(sys.argv[1:], os.environ)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = words
    from seedbed.cli.process import run

    run()


if __name__ == "__main__":
    main()
