"""The line of a log that says why a server did not start comes first."""

from __future__ import annotations

from seedbed.servers.log import reason

JAVA = """\
2026-11-29 04:55:57.1 INFO  Starting...
java.lang.RuntimeException: Error starting database server at /srv/data
\tat org.neo4j.graphdb.facade.DatabaseManagementServiceFactory.start(DatabaseManagementServiceFactory.java:240)
\tat org.neo4j.server.NeoBootstrapper.start(NeoBootstrapper.java:180)
Caused by: org.neo4j.kernel.lifecycle.LifecycleException: Component failed to start
\tat org.neo4j.kernel.lifecycle.LifeSupport$LifecycleInstance.start(LifeSupport.java:384)
\t... 9 more
Caused by: java.net.BindException: Address already in use: localhost/127.0.0.1:7687
\tat java.base/sun.nio.ch.Net.bind0(Native Method)
\t... 12 more
supervisor: the server ended before it was ready: exit code 1
"""
POSTGRES = """\
2026-11-29 04:55:57 UTC LOG:  starting PostgreSQL 18.6
2026-11-29 04:55:57 UTC FATAL:  data directory "/srv/data" has invalid permissions
2026-11-29 04:55:57 UTC DETAIL:  Permissions should be u=rwx (0700).
supervisor: the server ended before it was ready: exit code 1
"""


def test_the_innermost_cause_of_a_trace_comes_first_and_its_frames_are_left_out() -> None:
    lines = reason(JAVA).splitlines()
    assert lines[0] == "java.net.BindException: Address already in use: localhost/127.0.0.1:7687"
    assert lines[-1] == "supervisor: the server ended before it was ready: exit code 1"
    assert not [each for each in lines if each.startswith(("\tat", "\t..."))]


def test_what_is_fatal_comes_before_what_is_said_after_it() -> None:
    assert (
        reason(POSTGRES)
        .splitlines()[0]
        .endswith('FATAL:  data directory "/srv/data" has invalid permissions')
    )


def test_a_log_that_names_no_error_is_shown_from_its_end() -> None:
    text = "\n".join(f"line {number}" for number in range(40))
    assert reason(text).splitlines() == [f"line {number}" for number in range(28, 40)]
    assert reason("") == ""


def test_what_the_supervisor_says_is_not_taken_for_the_servers_own_reason() -> None:
    text = "cannot open /srv/data\nsupervisor: error: killed by signal 9\n"
    assert reason(text).splitlines()[0] == "cannot open /srv/data"
