"""The contract of leases that expire: a runner that sleeps too long wakes without one."""

from __future__ import annotations

from contextlib import ExitStack

from seedbed.testing.bench import PATIENCE, Bench, dataset, rows
from seedbed.testing.contracts.base import Contract


class ExpiryContract(Contract):
    """For engines whose leases pass to another run when their holder is silent for too long.

    One test waits until it is; for the others the lease is made to be so old.
    """

    def test_the_lease_of_a_runner_that_works_for_long_stays_with_it(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        with bench.lease("ana") as (_, _lease), bench.runner(text, wait=0) as runner:
            assert runner.finish() == "Busy"

    def test_a_runner_frozen_inside_a_step_wakes_without_its_lease_and_records_nothing(
        self, bench: Bench
    ) -> None:
        text = bench.text(bench.harness.waits("orders"))
        with ExitStack() as held:
            hold = held.enter_context(bench.hold())
            with bench.runner(text) as runner:
                runner.wait_until_inside(hold)
                runner.freeze()
                with bench.lease("eve", wait=PATIENCE):
                    held.close()
                    runner.thaw()
                    assert runner.finish() == "LeaseLost"
        assert bench.history().revisions == ()
        assert not bench.made()

    def test_a_runner_frozen_inside_a_step_does_nothing_to_what_its_successor_did(self, bench: Bench) -> None:
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.probeable("extra", "users"))
        bench.apply(base)
        with ExitStack() as held:
            hold = held.enter_context(bench.hold())
            with bench.runner(base, text) as runner:
                runner.wait_until_inside(hold)
                runner.freeze()
                bench.harness.age_lease(bench.settings)
                with bench.lease("eve", wait=PATIENCE):
                    pass
                held.close()
                bench.apply(base, text)
                before = bench.state()
                runner.thaw()
                assert runner.finish() == "LeaseLost"
        assert bench.state() == before
        assert set(bench.made()) == {"users", "extra"}

    def test_a_backfill_that_another_runner_finished_meanwhile_meets_no_row_again(self, bench: Bench) -> None:
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.backfill("users", 1))
        bench.apply(base)
        with bench.lease() as (_, lease):
            list(lease.load(dataset(rows("users", *((number, f"user {number}") for number in range(1, 21))))))
        with bench.runner(base, text, stop_at="work_progressed") as runner:
            runner.wait_until_stopped()
            runner.freeze()
            bench.harness.age_lease(bench.settings)
            bench.apply(base, text)
            before = bench.state()
            runner.thaw()
            assert runner.finish() == "LeaseLost"
        assert bench.state() == before
        assert {each["visits"] for each in bench.rows("users")} == {1}
        assert bench.applied == [base.version, text.version]
