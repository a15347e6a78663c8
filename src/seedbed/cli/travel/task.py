"""`python -I -m seedbed.cli.travel.task NAME=VALUE… NAME… -- WORDS`: seedbed as the program of a task.

Whoever may start a task may give it other words than its definition has, and any environment variables besides: IAM
knows no condition for that. A variable can have Python run a program, send a password to another host, or name another
environment. The entry point cannot be replaced. So it says what each variable is, which ones come from secrets, and
that Python looks at none itself (-I); all others are left out, but for what AWS and an image's base set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

END = "--"  # of what the definition says
# By whom AWS is asked and where; the way out of the network, and whom TLS believes; what every program has.
_KEPT = (
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_CONTAINER_*", "ECS_*"),
    *("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_*"),
)


def bound(words: Sequence[str], environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables that the definition allows, and the words of the command.

    `words`: NAME=VALUE for what it says itself, NAME for what comes from a secret, the words of the command after END.
    """
    at = words.index(END)
    said = dict(each.split("=", 1) for each in words[:at] if "=" in each)
    kept = [*_KEPT, *(each for each in words[:at] if "=" not in each)]
    found = {name: value for name, value in environ.items() if any(fnmatchcase(name, each) for each in kept)}
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
