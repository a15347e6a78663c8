"""Properties of plans: whatever the platform looks like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seedbed.model.history import History, Revision
from seedbed.model.migration import Migration, MigrationFile, MigrationRef, Phase, Source, checksum
from seedbed.model.plan import Plan
from seedbed.planning.plans import DatabaseState, Policy, basis, plan_up

DATABASES = ("a/memory", "b/memory", "c/memory")


def _file(version: str) -> MigrationFile:
    return MigrationFile(version, "m", Source(f"{version}.sql", ".sql", b"x"), checksum(b"x"))


@st.composite
def platforms(draw: st.DrawFn, *, overtakes: bool = False) -> dict[str, list[Migration]]:
    """A platform whose after= settings only point back in time, so that it has no cycle."""
    migrations: dict[str, list[Migration]] = {name: [] for name in DATABASES}
    everything: list[MigrationRef] = []
    phases: dict[MigrationRef, Phase] = {}
    for number in range(1, draw(st.integers(1, 12)) + 1):
        name = draw(st.sampled_from(DATABASES))
        phase = draw(st.sampled_from(list(Phase)))
        earlier = [ref for ref in everything if ref.database != name and phases[ref].rank <= phase.rank]
        after = tuple(draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2))) if earlier else ()
        ref = MigrationRef(name, str(number))
        later = [each.version for each in migrations[name] if each.phase is not Phase.EXPAND]
        passes = overtakes and phase is Phase.EXPAND and later
        passed = tuple(draw(st.lists(st.sampled_from(later), unique=True))) if passes else ()
        made = Migration(str(number), "m", "", checksum(b"x"), phase, (), after=after, overtakes=passed)
        migrations[name].append(made)
        everything.append(ref)
        phases[ref] = phase
    return migrations


def _plan(
    platform: dict[str, list[Migration]], gate: Phase, applied: dict[str, set[str]] | None = None
) -> tuple[Plan, list[DatabaseState], Policy]:
    known = [
        DatabaseState(
            name,
            tuple(_file(each.version) for each in found),
            History(
                None,
                tuple(
                    Revision(each.version, "m", each.checksum, each.phase, overtakes=each.overtakes)
                    for each in found
                    if applied and each.version in applied[name]
                ),
            ),
        )
        for name, found in platform.items()
    ]
    policy = Policy("dev", gate=gate)
    parsed = {(name, each.version): each for name, found in platform.items() for each in found}
    return plan_up(known, policy, lambda name, file: parsed[name, file.version]), known, policy


def _order(plan: Plan) -> list[MigrationRef]:
    """One order in which workers could carry the plan out."""
    left = {each.database: list(each.actions) for each in plan.databases}
    done: list[MigrationRef] = []
    while any(left.values()):
        ready = [name for name, actions in left.items() if actions and set(actions[0].waits_for) <= set(done)]
        assert ready, "the workers would wait for each other for ever"
        done.append(left[ready[0]].pop(0).ref)
    return done


@given(platforms())
def test_with_an_open_gate_everything_runs_and_nothing_before_what_it_comes_after(
    platform: dict[str, list[Migration]],
) -> None:
    plan, _, _ = _plan(platform, Phase.CONTRACT)
    order = _order(plan)
    assert len(order) == sum(map(len, platform.values()))
    for name, found in platform.items():
        own = [ref.version for ref in order if ref.database == name]
        assert own == [each.version for each in found]
        for each in found:
            for ref in each.after:
                assert order.index(ref) < order.index(MigrationRef(name, each.version))


@given(platforms(), st.sampled_from(list(Phase)))
def test_a_gate_lets_through_no_later_phase_and_holds_back_no_other_database_without_reason(
    platform: dict[str, list[Migration]], gate: Phase
) -> None:
    plan, _, _ = _plan(platform, gate)
    for database in plan.databases:
        assert all(action.migration.phase.rank <= gate.rank for action in database.actions)
        assert all(deferred.because for deferred in database.deferred)
        first = next((each for each in platform[database.database] if each.phase.rank > gate.rank), None)
        if first is None and all(not each.after for each in platform[database.database]):
            assert not database.deferred


@given(platforms(), st.sampled_from(list(Phase)), st.data())
def test_a_plan_fits_every_state_that_it_passes_through_and_no_other(
    platform: dict[str, list[Migration]], gate: Phase, data: st.DataObject
) -> None:
    plan, _, policy = _plan(platform, gate)
    name = data.draw(st.sampled_from(DATABASES))
    actions = plan.of(name).actions
    done = data.draw(st.integers(0, len(actions)))
    applied = {each: set[str]() for each in DATABASES}
    applied[name] = {action.migration.version for action in actions[:done]}
    _, known, _ = _plan(platform, gate, applied) if done else (None, _plan(platform, gate)[1], None)
    here = next(each for each in known if each.database == name)
    assert basis(here, policy) == plan.of(name).basis[done]
    other = Policy("dev", protected=True, gate=gate)
    assert basis(here, other) not in plan.of(name).basis


@given(platforms(overtakes=True))
def test_the_plans_of_one_release_fit_each_other(platform: dict[str, list[Migration]]) -> None:
    """Made at once, and carried out one after the other: each begins with the one before, and knows where it ends."""
    at_once = {gate: _plan(platform, gate) for gate in Phase}
    applied = {each: set[str]() for each in DATABASES}
    for gate, (plan, _, policy) in at_once.items():
        now, there, _ = _plan(platform, gate, applied)
        for database in plan.databases:
            here = next(each for each in there if each.database == database.database)
            done = database.basis.index(basis(here, policy))
            left = [each.ref for each in now.of(database.database).actions]
            assert [each.ref for each in database.actions][done:] == left
            assert database.basis[done:] == now.of(database.database).basis
        for ref in _order(plan):
            applied[ref.database].add(ref.version)
    assert sum(map(len, applied.values())) == sum(map(len, platform.values()))
