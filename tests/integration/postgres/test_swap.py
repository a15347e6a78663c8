"""A copy takes the place of its cluster, and gives it back: names, instances, what is lost; killed at each request."""

from __future__ import annotations

import json
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from seedbed.aws import rights
from seedbed.cli.main import cli
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.snapshots import door
from seedbed.engines.postgres.snapshots.rds import Rds
from seedbed.errors import Busy, ExitCode, Refused, StepFailed
from seedbed.model.snapshot import Swap
from seedbed.project import swaps
from tests.support.aws_proxy import Asked, Proxy, allows, on
from tests.support.postgres.snapshot_site import CLUSTER, COPY, Site, opened

ASIDE = f"{CLUSTER}-before-r12"
ENOUGH = 60  # changes that a swap may ask for


@pytest.fixture
def site(
    tmp_path: Path,
    ministack_account: World,
    aws: Proxy,
    postgres_server: EmbeddedServer,
    new_database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    # What stands in for a cluster is one database of a server that other tests use at the same time.
    here = "AND datname = pg_catalog.current_database() ORDER BY"
    monkeypatch.setattr(door, "_CONNECTED", door._CONNECTED.replace("ORDER BY", here))
    with opened(tmp_path, ministack_account, aws, postgres_server, new_database(), monkeypatch) as made:
        made.take()
        made.sql("INSERT INTO users VALUES (101, 'since'); UPDATE users SET nickname = 'lost' WHERE id = 1")
        made.snapshots.restore(made.database, 12)
        yield made


@contextmanager
def swapping(site: Site) -> Iterator[swaps.Swapping]:
    with swaps.swapping(site.snapshots, site.project.targets, site.database, 12, stop=site.stop) as found:
        yield found


def swap(site: Site, *, back: bool = False, disconnect: bool = False) -> Swap:
    with swapping(site) as found:
        planned = found.look(back=back)
        swaps.require_good(planned)
        return found.carry_out(planned, disconnect=disconnect)


def members(site: Site, cluster: str) -> list[str]:
    found = [
        each["DBInstanceIdentifier"] for each in site.rds.instances.values() if each["cluster"] == cluster
    ]
    return sorted(found)


def require_swapped(site: Site) -> None:
    """The copy has the names that the stack knows, and is protected; the former cluster waits beside, and is closed."""
    assert sorted(site.rds.clusters) == [CLUSTER, ASIDE]
    assert members(site, CLUSTER) == [f"{CLUSTER}-reader", f"{CLUSTER}-writer"]
    assert members(site, ASIDE) == [f"{CLUSTER}-reader-before-r12", f"{CLUSTER}-writer-before-r12"]
    assert site.rds.clusters[CLUSTER]["protected"]
    assert site.sql("SELECT nickname FROM users WHERE id IN (1, 101)") == [("n1",)]
    site.sql("INSERT INTO users VALUES (200)")  # at the same port as ever
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        site.sql("INSERT INTO users VALUES (300)", str(site.rds.clusters[ASIDE]["port"]))


def require_back(site: Site) -> None:
    """The cluster has its place again, and the copy is beside it; both may be written to."""
    assert sorted(site.rds.clusters) == sorted([CLUSTER, COPY])
    assert members(site, CLUSTER) == [f"{CLUSTER}-reader", f"{CLUSTER}-writer"]
    assert members(site, COPY) == [COPY]
    assert site.sql("SELECT nickname FROM users WHERE id IN (1, 101) ORDER BY id") == [("lost",), ("since",)]
    site.sql("INSERT INTO users VALUES (400)")
    site.sql("INSERT INTO users VALUES (500)", str(site.rds.clusters[COPY]["port"]))


def test_a_copy_takes_the_place_of_its_cluster_under_the_same_names_and_gives_it_back(
    site: Site,
) -> None:
    with swapping(site) as found:
        planned = found.look(back=False)
    assert [each.name for each in planned.checks][:3] == ["identity", "history", "rows"]
    assert planned.lost[0].startswith("all that was written since ")
    assert "public.users: 101 rows, and 100 rows in the copy" in planned.lost
    assert any("sequences" in each for each in planned.lost)
    assert site.rds.asked[-1] == "CreateDBInstance"  # nothing was asked for by looking

    assert swap(site).kept == f"cluster {ASIDE}"
    require_swapped(site)
    asked = list(site.rds.asked)
    assert swap(site).is_over  # once more, and nothing is asked for
    assert site.rds.asked == asked
    site.snapshots.drop(site.database, "r12")  # which is nobody's copy any more
    assert sorted(site.rds.clusters) == [CLUSTER, ASIDE]
    assert site.snapshots.listed([site.database])[0].copies == ()

    swap(site, back=True)
    require_back(site)
    swap(site)
    site.sql("SELECT 1")
    swap(site, back=True)
    site.snapshots.drop(site.database, "r12")
    assert [*site.rds.clusters] == [CLUSTER]


def test_who_writes_keeps_it_from_happening_or_is_cut_off(site: Site) -> None:
    before = list(site.rds.asked)
    with psycopg.connect(site.conninfo(), application_name="shop", autocommit=True) as writer:
        with pytest.raises(Busy, match="is in use") as caught:
            swap(site)
        assert "(shop)" in caught.value.because
        assert site.rds.asked == before
        writer.execute("INSERT INTO users VALUES (102)")  # it is as it was
        swap(site, disconnect=True)
        with pytest.raises(psycopg.OperationalError):
            writer.execute("INSERT INTO users VALUES (103)")
    require_swapped(site)


def test_a_session_that_comes_between_look_and_rename_cannot_write(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[psycopg.Connection[Any]] = []
    real = Rds.asked_again

    def asked_again(self: Rds, operation: str, **asked: Any) -> bool:
        if operation == "ModifyDBCluster" and not late:
            late.append(psycopg.connect(site.conninfo(), autocommit=True))
        return real(self, operation, **asked)

    monkeypatch.setattr(Rds, "asked_again", asked_again)
    swap(site)
    with late[0] as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("INSERT INTO users VALUES (104)")


def test_of_two_who_lead_opposite_ways_at_once_one_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, renamed = Rds.asked_again, list[str]()

    def asked_again(self: Rds, operation: str, **asked: Any) -> bool:
        if operation == "ModifyDBCluster":
            renamed.append(asked["NewDBClusterIdentifier"])
            if len(renamed) == 1:
                assert site.sql("SHOW default_transaction_read_only") == [("on",)]
            if len(renamed) == 2:  # the cluster is aside, and the copy is about to get its name
                swap(site, back=True)
        return real(self, operation, **asked)

    def close(*args: Any, **options: Any) -> bool:
        monkeypatch.setattr(door, "close", closing)
        was_open = closing(*args, **options)
        assert swap(site, back=True).is_over  # which lets in again whoever was kept out
        return was_open

    closing = door.close
    monkeypatch.setattr(Rds, "asked_again", asked_again)
    monkeypatch.setattr(door, "close", close)
    with pytest.raises(Busy, match="another command gives the place") as caught:
        swap(site)
    assert (caught.value.exit_code, renamed) == (ExitCode.UNAVAILABLE, [ASIDE, CLUSTER, CLUSTER])
    require_back(site)  # and whoever went back let all write again
    site.sql("DELETE FROM users WHERE id = 400")

    with swapping(site) as late, psycopg.connect(site.conninfo(), autocommit=True):
        planned = late.look(back=False)
        with swapping(site) as other:
            other.carry_out(other.look(back=False), disconnect=True)
        with psycopg.connect(site.conninfo(), autocommit=True) as writer:
            assert late.carry_out(
                planned, disconnect=True
            ).is_over  # the other one did it, who is not cut off
            writer.execute("SELECT 1")
    require_swapped(site)


def test_who_goes_on_closes_again_what_is_open_and_leaves_closed_what_another_closed(site: Site) -> None:
    with swapping(site) as late:
        planned = late.look(back=False)
        # What a return leaves that was killed among its last renames, and whose database was let in again.
        reader = f"{CLUSTER}-reader"
        site.rds.instances[f"{reader}-before-r12"] = site.rds.instances.pop(reader) | {
            "DBInstanceIdentifier": f"{reader}-before-r12"
        }
        with pytest.raises(Busy, match="another command exchanges user/postgres"):
            late.carry_out(planned, disconnect=False)
    asked = list(site.rds.asked)
    with psycopg.connect(site.conninfo(), autocommit=True) as writer:
        with pytest.raises(Busy, match="is in use"):
            swap(site)
        writer.execute("INSERT INTO users VALUES (102)")
    assert site.rds.asked == asked

    site.sql("DELETE FROM users WHERE id = 102")
    with psycopg.connect(site.conninfo(), autocommit=True) as closed:
        closed.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET seedbed.closed = r12', current_database()); END $$"
        )
        with pytest.raises(Busy, match="is in use"):
            swap(site)
    assert site.sql("SELECT current_setting('seedbed.closed', true)") == [("r12",)]


def test_a_copy_that_is_not_the_database_s_takes_no_place(site: Site) -> None:
    port = str(site.rds.clusters[COPY]["port"])
    site.sql("UPDATE seedbed.migrations_history SET checksum = 'other'", port)
    with pytest.raises(Refused, match="cannot have the place"):
        swap(site)
    site.snapshots.drop(site.database, "r12")
    with pytest.raises(Refused, match="has no copy r12"):
        swap(site)
    with swapping(site) as found:
        assert found.look(back=True).is_over
    assert [*site.rds.clusters] == [CLUSTER]


def test_a_protected_environment_wants_it_said_twice_and_nothing_is_lost_unsaid(site: Site) -> None:
    manifest = site.root / "seedbed.toml"
    manifest.write_text(
        manifest.read_text().replace("[environments.staging]\n", "[environments.staging]\nprotected = true\n")
    )
    before = list(site.rds.asked)

    def called(*more: str) -> Any:
        words = [
            "-C",
            str(site.root),
            "snapshot",
            "swap",
            "-e",
            "staging",
            "--release",
            "12",
            "--json",
            *more,
        ]
        return CliRunner().invoke(cli, words, env=dict(site.environ), prog_name="seedbed")

    looked = called("--dry-run")
    assert looked.exit_code == 0, looked.output
    planned = json.loads(looked.stdout)
    assert (planned["dry_run"], planned["changed"], planned["done"]) == (True, False, False)
    assert planned["lost"][0].startswith("all that was written since ")
    assert called("--yes").exit_code == ExitCode.REFUSED
    unasked = called("--unreviewed")
    assert (unasked.exit_code, "all that was written since" in unasked.output) == (ExitCode.REFUSED, True)
    assert site.rds.asked == before
    done = called("--unreviewed", "--yes")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["kept"] == f"cluster {ASIDE}"
    require_swapped(site)


def test_without_the_right_to_rename_nothing_is_changed_and_all_may_write(site: Site) -> None:
    site.aws.refuse(on("ModifyDBCluster", service="rds"), "AccessDenied")
    with pytest.raises((Refused, StepFailed)) as caught:
        swap(site)
    assert caught.value.exit_code in {ExitCode.REFUSED, ExitCode.FAILED}
    site.sql("INSERT INTO users VALUES (105)")


def test_the_rights_on_the_page_suffice_and_no_role_of_ours_has_them(site: Site) -> None:
    site.aws.forget()
    swap(site)
    swap(site, back=True)
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "swap-a-snapshot.md").read_text(encoding="utf-8")
    policy = json.loads(page.partition("```json")[2].partition("\n")[2].partition("```")[0])
    done = {each.operation for each in site.aws.calls if each.service == "rds"}
    assert {"ModifyDBCluster", "ModifyDBInstance", "CreateDBInstance", "DeleteDBInstance"} <= done
    assert done | {"AddTagsToResource"} == {
        each.removeprefix("rds:") for each in policy["Statement"][0]["Action"]
    }
    names = rights.Names("shop", "staging", "aws", "1", "eu-central-1", "records", "bucket")
    for policies in (*rights.KINDS.values(), (rights.WORK, rights.SNAPSHOT)):
        held = [statement for each in policies for statement in rights.statements(each, names)]
        for kind, operation in (("cluster", "ModifyDBCluster"), ("db", "ModifyDBInstance")):
            for name in (CLUSTER, COPY):
                asked = Asked(f"rds:{operation}", names.arn("rds", f"{kind}:{name}"))
                assert not allows(held, asked), (policies, operation)


# --- killed


def kill_at(number: int, work: Callable[[], object], *, before: bool) -> bool:
    """Do `work` in a process of its own, which is killed at its change `number`; return whether it had so many."""
    child = os.fork()
    if child == 0:
        try:
            _arm(number, before=before)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "it failed before it was killed: see what it printed"
    return False


def _arm(number: int, *, before: bool) -> None:
    made = [0]

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            made[0] += 1
            if made[0] == number and before:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = change(*args, **kwargs)
            if made[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return counting

    Rds.asked_again = counted(Rds.asked_again)  # type: ignore[method-assign]
    door.run = counted(door.run)  # type: ignore[attr-defined]


def killed_and_gone_on(site: Site, number: int, *, before: bool) -> bool:
    """Swap, killed at a change, and swap again; then the same on the way back. Return whether it had so many."""
    there = kill_at(number, lambda: swap(site), before=before)
    swap(site)
    require_swapped(site)
    again = kill_at(number, lambda: swap(site, back=True), before=before)
    swap(site, back=True)
    require_back(site)
    return there or again


@pytest.mark.parametrize(("number", "before"), [(3, False), (6, True)])
def test_a_swap_that_is_killed_goes_on(site: Site, number: int, before: bool) -> None:
    assert killed_and_gone_on(site, number, before=before)


@pytest.mark.soak
@pytest.mark.parametrize("before", [True, False])
def test_a_swap_goes_on_wherever_it_is_killed(site: Site, before: bool) -> None:
    for number in range(1, ENOUGH):
        site.sql("DELETE FROM users WHERE id > 101")
        if not killed_and_gone_on(site, number, before=before):
            assert number > 8
            return
        site.sql("DELETE FROM users WHERE id > 101", str(site.rds.clusters[COPY]["port"]))
    raise AssertionError("it never came to its end")


@pytest.mark.soak
def test_a_swap_that_is_killed_goes_back_from_wherever_it_is(site: Site) -> None:
    for number in range(1, ENOUGH):
        killed = kill_at(number, lambda: swap(site), before=False)
        swap(site, back=True)
        require_back(site)
        for port in ("", str(site.rds.clusters[COPY]["port"])):
            site.sql("DELETE FROM users WHERE id > 101", port)
        if not killed:
            return


def test_every_answer_may_be_lost_once(site: Site) -> None:
    names = ("ModifyDBCluster", "ModifyDBInstance", "CreateDBInstance")
    lost = [site.aws.drop(on(each, service="rds"), when="answered") for each in names]
    swap(site)
    require_swapped(site)
    lost += [
        site.aws.drop(on(each, service="rds"), when="answered") for each in (*names[:2], "DeleteDBInstance")
    ]
    swap(site, back=True)
    require_back(site)
    assert [each.hits for each in lost] == [1] * 6


def test_who_ends_a_moment_later_is_not_taken_for_one_who_writes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = psycopg.connect(site.conninfo(), autocommit=True)
    ends = threading.Timer(0.3, connection.close)
    real = door.close

    def close(*args: Any, **options: Any) -> None:
        if not ends.ident:
            ends.start()
        real(*args, **options)

    monkeypatch.setattr(door, "close", close)
    assert swap(site).is_over
    ends.join()
