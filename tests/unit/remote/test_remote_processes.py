"""The processes of a worker that waits: one is there before its run, and a run never depends on that."""

from __future__ import annotations

from seedbed.cli.travel.warm import Processes
from tests.support.processes import until

# Ends with 7 where its run comes on standard input, with 8 where that is in its arguments, with 9 where none comes.
PROGRAM = '[ "$2" = - ] || exit 8; read run token || exit 9; [ "$run $token" = "01ABC t" ] && exit 7'


def test_a_process_that_is_there_already_is_told_its_run_and_else_a_new_one_is_started() -> None:
    processes = Processes(["/bin/sh", "-c", PROGRAM, "sh"])
    assert processes.carry_out("01ABC", "t").wait(10) == 8
    processes.prepare()
    ahead = processes._ahead
    processes.prepare()  # one is enough
    assert processes._ahead is ahead
    assert processes.carry_out("01ABC", "t").wait(10) == 7
    assert processes.carry_out("01ABC", "t").wait(10) == 8  # the next one is not there yet


def test_a_process_that_died_before_its_run_is_passed_over_and_one_without_a_run_ends() -> None:
    processes = Processes(["/bin/sh", "-c", PROGRAM, "sh"])
    processes.prepare()
    dead = processes._ahead
    assert dead is not None
    dead.kill()
    assert until(lambda: dead.poll() is not None, 10)
    assert processes.carry_out("01ABC", "t").wait(10) == 8
    processes.prepare()
    ahead = processes._ahead
    processes.close()
    assert ahead is not None
    assert ahead.returncode == 9
