"""What `verify` finds of random worlds that change while it looks, beside an oracle that saw every state of them."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from seedbed.engines.base import Session
from seedbed.engines.kit.ids import held_texts
from seedbed.execution import verifying
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.stopping import Stop
from seedbed.integrity import parents
from seedbed.model.history import History
from seedbed.model.ids import Extent, Ids
from seedbed.model.platform import ALL, Database, DatabaseId, Field, Reference, Where
from seedbed.model.verification import Holders, ReferenceResult, Suspect, Verdict

Rows = dict[str, list[str | None]]  # key -> the ids of a row, None for none
State = dict[str, Rows]  # field -> its rows
CHILDREN, PARENTS = ("orders.user", "orders.seller"), ("users.id", "sellers.id")
NO_UUID = ["", "e\u0301", "\u00e9", "7", "07", "1e2", "100", "x" * 50, "a\nb", "😀", "0" * 32]


def canonical(text: str) -> str:
    """Return the one text of an id, as the oracle sees it."""
    is_uuid = len(text) == 36 and [text[at] for at in (8, 13, 18, 23)] == ["-"] * 4
    return str(UUID(text)) if is_uuid else text


class Change(Struct):
    """Before the session is asked for the `at`th time, the row `key` of `field` is set, or removed where `ids` is None."""

    at: int
    field: str
    key: str
    ids: list[str | None] | None


class Shop:
    """Two databases in one: every question that a session is asked sees one state, which is kept."""

    def __init__(
        self, state: State, changes: Sequence[Change], *, size: int, packs: bool, tells: bool
    ) -> None:
        self.state, self.changes = state, changes
        self.size, self.packs, self.tells = size, packs, tells
        self.seen: dict[tuple[str, str], State] = {}
        self.asked = 0

    def interrupt(self) -> None:
        raise AssertionError("nobody interrupts it")

    def _look(self, question: str, field: str) -> Rows:
        self.asked += 1
        for each in self.changes:
            if each.at == self.asked:
                self.state[each.field].pop(each.key, None)
                if each.ids is not None:
                    self.state[each.field][each.key] = each.ids
        self.seen[question, field] = {name: dict(rows) for name, rows in self.state.items()}
        return self.seen[question, field][field]

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        every = [(key, id_) for key, ids in self._look("ids", path).items() for id_ in ids]
        for first in range(0, len(every), self.size):
            block = every[first : first + self.size]
            some = [(key, id_) for key, id_ in block if id_ is not None]
            packed = [id_ for _, id_ in some if self.packs and len(id_) == 36]
            rest = [(key, id_) for key, id_ in some if id_ not in packed]
            yield Ids(
                uuids=b"".join(UUID(each).bytes for each in packed),
                texts=[id_ for _, id_ in rest],
                rows=[key for key, _ in rest] if self.tells else [],
                empty=len(block) - len(some),
            )

    def extent(self, path: str, where: Where = ALL) -> Extent:
        return Extent()

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        return set(ids) & set(map(canonical, texts(self._look("found", path))))

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        # As a server that knows no UUIDs: by the texts that it is asked for.
        wanted, held = held_texts(suspects), dict[str, list[str]]()
        for key, ids in sorted(self._look("holders", path).items()):
            for each in ids:
                if each in wanted or (self.packs and each and canonical(each) in wanted):
                    held.setdefault(canonical(str(each)), []).append(key)
        return {id_: Holders(len(keys), tuple(keys[:most])) for id_, keys in held.items()}


def texts(rows: Rows) -> Iterable[str]:
    return (each for ids in rows.values() for each in ids if each is not None)


def verified(references: Sequence[Reference], shop: Shop) -> Sequence[ReferenceResult]:
    connected = [
        ConnectedTarget(cast(Any, _Target(name)), cast(Session, shop), History(None, ()), ExitStack())
        for name in ("shop/memory", "user/memory")
    ]
    context = RunContext(this_process(), wait=0, listener=lambda _: None, stop=Stop())
    return verifying.verify(references, connected, {}, context)


class _Target(Struct):
    id: str

    @property
    def database(self) -> Database:
        return Database(self.id.partition("/")[0], "memory", PurePath())


def reference(child: str, parent: str, optional: bool = False, tolerated: float = 0.0) -> Reference:
    from_, to = Field(DatabaseId("shop/memory"), child), Field(DatabaseId("user/memory"), parent)
    return Reference(from_, to, optional=optional, tolerated=tolerated, grace=0)


uuids = st.integers(0, 9).flatmap(
    lambda number: st.sampled_from(
        [
            f"{number:08x}-abcd-4abc-8abc-abcdefabcdef",
            f"{number:08x}-ABCD-4ABC-8ABC-ABCDEFABCDEF",
            f"{number:08x}-AbCd-4abc-8abc-abcdefABCDEF",
            f"00000000-0000-0000-0000-{number:012x}",
        ]
    )
)
ids = uuids | st.sampled_from(NO_UUID)
keys = st.integers(0, 20).map(str)
rows = st.dictionaries(keys, st.lists(st.none() | ids, max_size=3), max_size=15)
changes = st.lists(
    st.builds(
        Change,
        st.integers(1, 9),
        st.sampled_from([*CHILDREN, *PARENTS]),
        keys,
        st.none() | st.lists(st.none() | ids, max_size=2),
    ),
    max_size=12,
)
references = st.lists(
    st.builds(
        reference,
        st.sampled_from(CHILDREN),
        st.sampled_from(PARENTS),
        st.booleans(),
        st.sampled_from([0.0, 0.1, 0.5]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda each: (each.from_, each.to),
)


@pytest.mark.slow
@given(
    state=st.fixed_dictionaries(dict.fromkeys([*CHILDREN, *PARENTS], rows)),
    changes=changes,
    asked=references,
    size=st.integers(1, 5),
    packs=st.booleans(),
    tells=st.booleans(),
    memory=st.sampled_from([4, 16, 1 << 20]),
)
def test_what_is_found_is_what_every_look_at_a_changing_world_tells(
    state: State,
    changes: list[Change],
    asked: list[Reference],
    size: int,
    packs: bool,
    tells: bool,
    memory: int,
) -> None:
    shop = Shop(
        {name: dict(each) for name, each in state.items()}, changes, size=size, packs=packs, tells=tells
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parents, "_FIRST", 1)
        patch.setattr(verifying, "MEMORY", memory * parents.DIGEST_BYTES)
        patch.setattr(verifying, "_IN_MEMORY", memory)
        results = verified(asked, shop)
    for each, found in zip(asked, results, strict=True):
        _judge(each, found, shop)


def _judge(asked: Reference, found: ReferenceResult, shop: Shop) -> None:
    child, parent = asked.from_.path, asked.to.path
    read = shop.seen["ids", child][child]
    there = list(texts(shop.seen["ids", parent][parent]))
    missing = set(map(canonical, texts(read))) - set(map(canonical, there))
    arrived: set[str] = set()
    held: dict[str, list[str]] = {}
    if missing:
        arrived = missing & set(map(canonical, texts(shop.seen["found", parent][parent])))
    if missing - arrived:
        for key, ids in sorted(shop.seen["holders", child][child].items()):
            for id_ in (canonical(each) for each in ids if each is not None):
                if id_ in missing - arrived:
                    held.setdefault(id_, []).append(key)
    spelled = set(texts(read))
    if not shop.packs:  # a spelling that came later is not looked for
        later = set(texts(shop.seen.get(("holders", child), shop.seen["ids", child])[child]))
        if later - spelled:
            return
    empty = sum(each is None for ids in read.values() for each in ids)
    assert (found.ids, found.empty, found.parents) == (len(list(texts(read))), empty, len(there))
    assert (found.delayed, found.vanished) == (len(arrived), len(missing - arrived - held.keys()))
    assert found.orphans == len(held)
    assert {each.id: each.holders for each in found.samples} == {
        id_: Holders(len(keys), tuple(keys[:3])) for id_, keys in sorted(held.items())[:20]
    }
    wrong = sum(map(len, held.values())) + (0 if asked.optional else empty)
    if not wrong:
        assert found.verdict is Verdict.OK
    elif wrong <= asked.tolerated * (found.ids + empty):
        assert found.verdict is Verdict.TOLERATED
    else:
        assert found.verdict is Verdict.BROKEN


@given(
    known=st.sets(ids, max_size=8),
    new=st.lists(st.tuples(st.integers(1, 6), ids), max_size=8),
    size=st.integers(1, 3),
)
@example(known=set(), new=[(2, "7")], size=1)
def test_a_service_that_writes_each_parent_before_its_child_is_never_blamed(
    known: set[str], new: list[tuple[int, str]], size: int
) -> None:
    child, parent = CHILDREN[0], PARENTS[0]
    state: State = {
        child: {str(at): [each] for at, each in enumerate(known)},
        parent: {str(at): [each] for at, each in enumerate(known)},
    }
    changes = [
        Change(at, field, f"new {number}", [id_])
        for number, (at, id_) in enumerate(new)
        for field in (parent, child)
    ]
    shop = Shop(state, changes, size=size, packs=False, tells=True)
    (found,) = verified([reference(child, parent)], shop)
    assert (found.verdict, found.delayed, found.vanished, found.orphans) == (Verdict.OK, 0, 0, 0)
