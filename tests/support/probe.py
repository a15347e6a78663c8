"""`python -m tests.support.probe HOW`: print what this process was given, then end as HOW says (a code, or `killed`)."""

from __future__ import annotations

import json
import os
import signal
import sys


def main() -> int:
    """Print arguments, directory, variables and how signals are handled; return the exit code."""
    handlers = {
        name: str(signal.getsignal(getattr(signal, name))) for name in ("SIGINT", "SIGTERM", "SIGCHLD")
    }
    given = {"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ), "signals": handlers}
    print(json.dumps(given), flush=True)
    print(sys.stdin.read(), file=sys.stderr)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return int(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
