"""Properties of releases: whatever people, pipelines and clocks do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from seedbed.errors import SeedbedError
from seedbed.model.release import CODE, READER, SNAPSHOT, VERIFY, Approval, Evidence, Release, Step, StepName
from seedbed.model.release_rules import WeeklyFreeze, frozen, usual
from seedbed.planning.people import same_person
from seedbed.planning.release_facts import Facts
from seedbed.planning.releases import again, beat, carried_out, claim, end, fail, finish, is_silent
from seedbed.support.phrases import DAY
from tests.support.release_steps import ANA, BEN, EVA, HOUR, ROBOT, T0, USER, a_release, person

PEOPLE = (ROBOT, ANA, BEN, EVA, person("ana", "AROAOTHER"))
VERBS = (
    "claim",
    "finish",
    "fail",
    "beat",
    "ran",
    "again",
    "approve",
    "look",
    "snapshot",
    "verify",
    "end",
    "pass",
)
_MOVES = st.tuples(
    st.sampled_from(VERBS),
    st.sampled_from(list(StepName)),
    st.sampled_from(PEOPLE),
    st.sampled_from((0.0, 20.0, 40.0, HOUR, 13 * HOUR, 30 * HOUR)),
)


class World:
    """A release that anything may be tried on, and what is known of it."""

    def __init__(self, skipped: frozenset[StepName]) -> None:
        steps = tuple(Step(name=each, state="skipped" if each in skipped else "waiting") for each in StepName)
        self.release = a_release(steps=steps)
        self.now = T0
        self.approvals: list[Approval] = []
        self.evidence: list[Evidence] = []
        self.contract: tuple[Release, Facts] | None = None  # as it was when that began

    @property
    def facts(self) -> Facts:
        return Facts(
            now=self.now,
            rules=usual(protected=True),
            caller=ROBOT,
            approvals=self.approvals,
            evidence=self.evidence,
            contracted=(USER,),
            verify_max_age=DAY,
        )

    def move(self, verb: str, step: StepName, who: object, seconds: float) -> None:
        """Try something; what is refused leaves the record as it is."""
        before, self.now = self.release, self.now + seconds
        try:
            after = self._moved(verb, step, who)
        except SeedbedError:
            return
        if after is None:
            return
        self.release = after
        assert after.revision == before.revision + 1
        assert after.digest == before.digest
        assert before.state == "open"
        for one, other in zip(before.steps, after.steps, strict=True):
            if one.state == "running" and other.state == "running" and one.token != other.token:
                assert is_silent(one, self.now)
        contract = StepName.CONTRACT
        if not before.step(contract).began and after.step(contract).began:
            self.contract = before, self.facts

    def _moved(self, verb: str, step: StepName, who: object) -> Release | None:
        token = str(who)
        match verb:
            case "claim":
                return claim(self.release, step, token, replace(self.facts, caller=who))
            case "finish":
                evidence = [Evidence(CODE, "good", "everywhere", self.now)] if step is StepName.CODE else []
                return finish(self.release, step, token, self.now, evidence)
            case "fail":
                return fail(self.release, step, token, self.now, "it failed")
            case "beat":
                return beat(self.release, step, token, self.now)
            case "ran":
                return carried_out(self.release, step, token, self.now, "deploy")
            case "again":
                return again(self.release, self.facts)
            case "end":
                return end(self.release, "closed", ROBOT, self.now)
        self._known(verb, step, who)
        return None

    def _known(self, verb: str, step: StepName, who: object) -> None:
        kinds = {"look": READER, "snapshot": SNAPSHOT, "verify": VERIFY}
        if verb == "approve":
            self.approvals.append(
                Approval(number=12, step=step, digest=self.release.digest, by=who, at=self.now)  # type: ignore[arg-type]
            )
        elif verb in kinds:
            about = USER if verb == "snapshot" else ""
            self.evidence.append(Evidence(kinds[verb], "good", "good", self.now, about=about))


@given(
    st.frozensets(st.sampled_from((StepName.EXPAND, StepName.MIGRATE, StepName.VERIFY))),
    st.lists(_MOVES, max_size=60),
)
def test_no_contract_begins_before_soak_approval_and_snapshot(
    skipped: frozenset[StepName], moves: list[tuple[str, StepName, object, float]]
) -> None:
    world = World(skipped)
    for each in moves:
        world.move(*each)
    _require_earned(world)


@given(st.data(), st.frozensets(st.sampled_from((StepName.EXPAND, StepName.MIGRATE, StepName.VERIFY))))
def test_a_release_that_mostly_goes_on_comes_to_its_contract_with_all_that_it_waits_for(
    data: st.DataObject, skipped: frozenset[StepName]
) -> None:
    world = World(skipped)
    for step in StepName:
        for _ in range(data.draw(st.integers(0, 2))):
            world.move(*data.draw(_MOVES))
        world.move("pass", step, ROBOT, data.draw(st.sampled_from((0.0, HOUR, 25 * HOUR))))
        for verb in data.draw(st.permutations(("approve", "look", "snapshot", "verify"))):
            if data.draw(st.booleans()):
                world.move(verb, step, data.draw(st.sampled_from(PEOPLE)), 0.0)
        world.move("claim", step, ROBOT, 40.0)
        world.move("finish", step, ROBOT, 0.0)
    _require_earned(world)


def _require_earned(world: World) -> None:
    if world.contract is None:
        return
    before, known = world.contract
    code = before.step(StepName.CODE).evidence[-1]
    assert known.now - code.at >= before.soak
    changed = max(before.step(each).ended for each in (StepName.EXPAND, StepName.MIGRATE))
    snapshot = max(each.at for each in known.evidence if each.kind == SNAPSHOT)
    assert snapshot >= changed
    assert known.now - snapshot <= known.rules.snapshot_max_age
    assert any(
        each.step is StepName.CONTRACT
        and not same_person(each.by, before.opened_by)
        and 0 <= known.now - each.at <= known.rules.approval_max_age
        for each in known.approvals
    )
    if before.step(StepName.VERIFY).state != "skipped":
        verify = max(each.at for each in known.evidence if each.kind == VERIFY)
        assert verify >= changed
        assert known.now - verify <= DAY


@given(st.lists(_MOVES, max_size=40), st.sampled_from(("closed", "abandoned", "returned", "superseded")))
def test_a_release_that_is_over_never_changes_again(
    moves: list[tuple[str, StepName, object, float]], state: str
) -> None:
    world = World(frozenset())
    world.release = ended = replace(world.release, state=state)
    for verb, step, who, seconds in moves:
        if verb not in {"finish", "fail", "beat", "ran"}:
            world.move(verb, step, who, seconds)
    assert world.release == ended


@given(
    st.lists(st.tuples(st.integers(0, 10_079), st.integers(1, 10_079)), min_size=1, max_size=4),
    st.integers(0, 20_000),
)
def test_when_a_freeze_is_over_nothing_is_frozen(spans: list[tuple[int, int]], minutes: int) -> None:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Europe/Berlin")
    freezes = [WeeklyFreeze("w", begins, (begins + length) % 10_080, zone) for begins, length in spans]
    at = 1_774_600_000.0 + minutes * 60  # the clocks change two days later
    found = frozen(freezes, at)
    if found is None:
        assert all(each.around(at) is None for each in freezes)
    elif found.until is not None:
        assert found.until > at
        assert frozen(freezes, found.until) is None
        assert frozen(freezes, found.until - 1) is not None
