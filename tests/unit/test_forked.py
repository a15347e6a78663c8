"""A command that tests fork is given what a new interpreter is given, and ends as it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import forked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are forked on Linux only")


def ended(how: str, cwd: Path, *, anew: bool) -> tuple[dict[str, Any], str, int]:
    """Return what the probe printed, what it read, and its code; `anew`: in an interpreter of its own."""
    start = subprocess.Popen if anew else forked.Forked
    env = {name: value for name, value in os.environ.items() if name.startswith(forked.AT_START)}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    with start(
        [sys.executable, "-m", "tests.support.probe", how, "--flag", "a b"],
        cwd=cwd,
        env={**env, "PATH": os.environ["PATH"], "SAID": "yes"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert (getattr(process, "_link", None) is None) is anew
        out, err = process.communicate("typed", timeout=60)
    given = json.loads(out)
    given["env"].pop("LC_CTYPE", None)  # an interpreter sets it when it starts
    return given, err.strip(), process.returncode


@pytest.mark.parametrize("how", ["0", "5", "killed"])
def test_a_fork_is_given_what_a_new_interpreter_is_given_and_ends_as_it_does(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDBED_TESTS_FORK", raising=False)  # that starts everything anew
    found = ended(how, tmp_path, anew=False)
    assert found == ended(how, tmp_path, anew=True)
    given, read, code = found
    assert given["arguments"] == [how, "--flag", "a b"]
    assert given["cwd"] == str(tmp_path)
    assert {name for name in given["env"] if not name.startswith(forked.AT_START)} == {"PATH", "SAID"}
    assert read == "typed"
    assert code == (-signal.SIGKILL if how == "killed" else int(how))
