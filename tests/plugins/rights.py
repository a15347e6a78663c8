"""Compares what callers may do in AWS with what the tests did as such callers, once a whole run has ended well.

The proxy refuses what the policies of `seedbed.aws.rights` do not allow, so that a right which is missing fails a test.
A right that nobody has used is listed at the end of a whole run: it is to be taken away, or named in KEPT with a
reason. A part of the tests says nothing about that. With SEEDBED_RIGHTS=1 any run is compared, and fails by it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

import pytest

ALWAYS = "SEEDBED_RIGHTS"
OUTPUT = "seedbed_rights"
JUDGE = "tests.support.aws_proxy.policies"  # where USED is, if a test has imported it

Used = tuple[str, str, int, str]  # kind of caller, policy, number of a statement in it, action

# Rights that no test uses: policy and action, and why they stay.
KEPT: dict[tuple[str, str], str] = {}


def unused(used: Iterable[Used]) -> Iterator[str]:
    """Yield a line for each right that nobody used, and for each that is in KEPT and was used all the same.

    What `read` may, a caller of that kind has to have used: those with more rights are given them in another policy.
    """
    from seedbed.aws import rights

    found = {each[1:] for each in used if each[1] != rights.READ or each[0] == rights.READ}
    place = ("shop", "dev-a", "aws", "111111111111", "eu-central-1", "table", "bucket", "cluster", "family")
    names = rights.Names(*place, log_group="log", roles=["role"], ephemeral=True)
    for policy in (rights.READ, rights.RUN, rights.DEPLOY, rights.RELEASE, rights.APPROVE, rights.WORK):
        for number, statement in enumerate(rights.statements(policy, names)):
            for action in statement["Action"]:
                is_kept, is_used = (policy, action) in KEPT, (policy, number, action) in found
                if not is_used and not is_kept:
                    yield f"{policy}: {action} on {', '.join(statement['Resource'])} is used by no test"
                elif is_used and is_kept:
                    yield f"{policy}: {action} is used, and named as one that is not"


class Rights:
    """Collects what was used, from the workers of xdist too."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.used: set[Used] = set()
        self.lines: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether all tests were asked for that are no soak."""
        option, args = self.config.option, [str(each) for each in self.config.args]
        is_all = args in ([], self.config.getini("testpaths"))
        return is_all and not option.keyword and option.markexpr == "not soak" and not option.collectonly

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        # A worker that crashed has no output.
        told = getattr(node, "workeroutput", {}).get(OUTPUT, ())
        self.used.update((kind, policy, number, action) for kind, policy, number, action in told)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if JUDGE in sys.modules:
            self.used |= sys.modules[JUDGE].USED
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[OUTPUT] = [list(each) for each in self.used]
            return
        is_asked = os.environ.get(ALWAYS) == "1"
        if is_asked or (exitstatus == pytest.ExitCode.OK and self.is_whole):
            self.lines = list(unused(self.used))
        if self.lines and is_asked:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.lines:
            terminalreporter.section("rights that are not needed")
            for line in self.lines:
                terminalreporter.line(line, red=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Rights(config), "seedbed-rights")
