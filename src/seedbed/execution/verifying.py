"""References from one database into another: ids are read, compared, and those that are missing looked up again.

All ids that refer are read before any that may be referred to: what is written in its order, the parent first, is
never taken for an orphan. What is missing then may still be on its way: it is looked up again after the grace, first
among the parents, then whether rows still hold it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.verification import SupportsIds
from seedbed.errors import Interrupted, SeedbedError, StepFailed, Unavailable, UsageError
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext
from seedbed.execution.threads import side_by_side
from seedbed.execution.units import UnitBudget
from seedbed.integrity.children import Children
from seedbed.integrity.digests import digests, id_text
from seedbed.integrity.parents import DIGEST_BYTES, Parents
from seedbed.integrity.suspects import Suspects, suspects
from seedbed.integrity.verdicts import result
from seedbed.model.event import IdsAwaited, IdsRead
from seedbed.model.ids import Extent, Ids
from seedbed.model.platform import ALL, Field, Reference
from seedbed.model.verification import FieldReading, Holders, ReferenceResult, Suspect, Verdict

MEMORY = 96 << 20  # bytes for all ids that others are compared with at one time
_IN_MEMORY = 1 << 20  # bytes of the ids of one field that refers, before they go to a file
_ROWS = 3  # keys of rows that are told for an id
_FEW = 1000  # ids of new rows that are looked for one by one
_TOLD = 100_000  # ids between two events
_PAUSE = 0.1  # seconds between two looks whether to stop
T = TypeVar("T")


class _Kept(Struct):
    """The ids of a field that refers, and when the last of them was read, by the clock of this process."""

    ids: Children
    at: float


class _Compared(Struct):
    """How many ids a field has that others refer to, and which ids of these others are not among them."""

    parents: int
    suspects: Mapping[Reference, Suspects]


def verify(
    references: Sequence[Reference],
    connected: Sequence[ConnectedTarget],
    failed: Mapping[str, SeedbedError],
    context: RunContext,
    budget: UnitBudget | None = None,
    since: datetime | None = None,
) -> Sequence[ReferenceResult]:
    """Return what is found of each of `references`, in their order. Raises Interrupted.

    `failed`: the errors of the databases that did not answer. A reference of which one field cannot be read is
    unverified; the others are verified all the same. `budget`: of read units; where they are spent, reading ends.
    `since`: of references that name a time, only the rows are read that are new since then, and twice the grace before.
    """
    if since:
        narrowed = [_since(each, since) for each in references]
        found = verify(narrowed, connected, failed, context, budget)
        return [
            replace(each, reference=whole, since=since if whole.time else None)
            for each, whole in zip(found, references, strict=True)
        ]
    with ExitStack() as stack:
        fields = _Fields(connected, failed, context, budget)
        kept = fields.read((each.from_ for each in references), partial(_keep, stack))
        at_a_time = MEMORY // max(len({each.to.database for each in references}), 1)
        compared = fields.read(
            (each.to for each in references if isinstance(kept[each.from_], _Kept)),
            partial(_compare, references, kept, at_a_time, budget or UnitBudget(0)),
        )
        missing = _missing(references, compared)
        _wait(missing, kept, context)
        arrived = fields.read((each.to for each in missing), partial(_look_for, missing))
        held = fields.read((each.from_ for each in missing), partial(_look_at, missing, arrived))
        return [_result(each, kept, compared, missing.get(each), arrived, held) for each in references]


def _since(reference: Reference, since: datetime) -> Reference:
    """Return `reference` out of the rows that are new since then: what was on its way at that time is read again."""
    if not reference.time:
        return reference
    since -= timedelta(seconds=2 * reference.grace)
    where = replace(reference.from_.where, time=reference.time, since=since)
    return replace(reference, from_=replace(reference.from_, where=where))


def reading(
    references: Sequence[Reference],
    connected: Sequence[ConnectedTarget],
    failed: Mapping[str, SeedbedError],
    context: RunContext,
    since: datetime | None = None,
) -> tuple[FieldReading, ...]:
    """Return what `verify` would read, each field once, those that refer first. Raises Interrupted.

    What new rows refer to is taken for a few ids, which are looked for: how many there are is not known yet.
    """
    if since:
        references = [_since(each, since) for each in references]
    refer = dict.fromkeys(each.from_ for each in references)
    referred = dict.fromkeys(each.to for each in references)
    whole = {each.to for each in references if not each.from_.where.since}
    ends = [*refer, *(each for each in referred if each not in refer)]
    found = _Fields(connected, failed, context).read(ends, _Source.extent)
    return tuple(
        _reading(
            each, found[each], (each in refer) + (each in referred), is_few=each in referred.keys() - whole
        )
        for each in ends
    )


def _reading(field: Field, found: Extent | SeedbedError, times: int, *, is_few: bool) -> FieldReading:
    """Return what there is to read of a field that is read `times`: once as each end of references that it is.

    `is_few`: as that which is referred to, it is only asked for a few ids, if it finds those.
    """
    if isinstance(found, SeedbedError):
        return FieldReading(field, error=found)
    times -= is_few and found.finds_few
    if not times:
        return FieldReading(field, is_looked_for=True)
    rows = None if found.rows is None else found.rows * times
    return FieldReading(field, replace(found, rows=rows, units=found.units * times))


class _Fields:
    """The fields of the databases of a run: each database is read by one thread, its fields one after the other."""

    def __init__(
        self,
        connected: Sequence[ConnectedTarget],
        failed: Mapping[str, SeedbedError],
        context: RunContext,
        budget: UnitBudget | None = None,
    ) -> None:
        self._connected = {each.id: each for each in connected}
        self._failed = failed
        self._context = context
        self._budget = budget or UnitBudget(0)

    def read(self, fields: Iterable[Field], read: Callable[[_Source], T]) -> dict[Field, T | SeedbedError]:
        """Return what `read` returns for each of `fields`, or the error that kept it from that. Raises Interrupted."""
        by_database: dict[str, list[Field]] = {}
        for each in dict.fromkeys(fields):
            by_database.setdefault(each.database, []).append(each)
        calls = [partial(self._all_of, database, those, read) for database, those in by_database.items()]
        found: dict[Field, T | SeedbedError] = {}
        for read_ in side_by_side(calls):
            if isinstance(read_, BaseException):
                raise read_
            found |= read_
        return found

    def _all_of(
        self, database: str, fields: Sequence[Field], read: Callable[[_Source], T]
    ) -> dict[Field, T | SeedbedError]:
        if database in self._failed:
            return dict.fromkeys(fields, self._failed[database])
        session = self._connected[database].session
        if not isinstance(session, SupportsIds):
            engine = self._connected[database].database.engine
            return dict.fromkeys(fields, UsageError(f"{engine} cannot read ids", because=f"of {database}"))
        found: dict[Field, T | SeedbedError] = {}
        with self._context.stop.watching(session):
            for field in fields:
                self._context.stop.check()
                try:
                    self._budget.require_left()
                    found[field] = read(_Source(session, field, self._context))
                except SeedbedError as error:
                    self._context.stop.check()  # then it is that which ended it
                    failed = found[field] = _for_good(error)
                    failed.target = database
        return found


def _for_good(error: SeedbedError) -> SeedbedError:
    """Return `error`; of an interruption that nobody here asked for, that reading failed."""
    if not isinstance(error, Interrupted):
        return error
    return StepFailed(error.what, because=error.because, try_="run the same command again")


@contextmanager
def _keeping() -> Iterator[None]:
    """Say what it means that ids cannot be kept in a file. Raises Unavailable."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "the ids that do not fit into memory cannot be kept in a file",
            because=f"{error.strerror or error}, in the directory for temporary files",
            try_="set TMPDIR to a directory with more room",
        ) from None


class _Source(Struct):
    """A field of an open session."""

    session: SupportsIds
    field: Field
    context: RunContext

    @property
    def path(self) -> str:
        """The field as it is told, with which rows are meant: of one path there may be several."""
        return f"{self.field.path}{self.field.where}"

    def blocks(self) -> Generator[Ids, None, None]:
        """Yield its ids, telling how many have come, and of about how many."""
        count, told, total = 0, 0, self._expected()
        # Closed by whoever is not through: the session may be asked for the next field then.
        with closing(self.session.ids(self.field.path, self.field.where)) as blocks:
            for block in blocks:
                self.context.stop.check()
                yield block
                count += block.count
                if count >= told + _TOLD:
                    told = count
                    # Ids in lists are more than rows, and what is expected may be old.
                    about = total if count <= total else 0
                    self.context.emit(IdsRead(self.field.database, self.path, count, about))
        self.context.emit(IdsRead(self.field.database, self.path, count, count, is_all=True))

    def extent(self) -> Extent:
        return self.session.extent(self.field.path, self.field.where)

    def _expected(self) -> int:
        """Return about how many ids there are, 0 where nothing knows that."""
        if self.field.where != ALL:
            return 0  # of the rows that count, nothing knows how many there are
        try:
            return self.extent().rows or 0
        except Interrupted:
            raise
        except SeedbedError:
            return 0  # reading says why


def _keep(stack: ExitStack, source: _Source) -> _Kept:
    with _keeping(), closing(source.blocks()) as blocks:
        kept = Children(_IN_MEMORY)
        stack.callback(kept.close)
        for block in blocks:
            kept.add(block)
    return _Kept(kept, time.monotonic())


def _compare(
    references: Sequence[Reference],
    kept: Mapping[Field, _Kept | SeedbedError],
    memory: int,
    budget: UnitBudget,
    source: _Source,
) -> _Compared:
    """Read all ids of the field, and compare with them those of every reference to it."""
    children = {
        each: those.ids
        for each in references
        if each.to == source.field and isinstance(those := kept[each.from_], _Kept)
    }
    if all(each.from_.where.since for each in children):
        extent = source.extent()
        if extent.finds_few and sum(each.count for each in children.values()) <= _FEW:
            return _looked_up(children, source)
        budget.require_left(extent.units)  # nothing knew before that all of it is to be read
    with _keeping(), closing(Parents(memory)) as parents:
        with closing(source.blocks()) as blocks:
            for block in blocks:
                parents.add(digests(block))
        return _Compared(parents.count, suspects(children, parents))


def _looked_up(children: Mapping[Reference, Children], source: _Source) -> _Compared:
    """Look for each of a few ids in the field, instead of reading all that it has."""
    wanted = {
        id_text(ids, position)
        for kept in children.values()
        for ids, _ in kept.blocks()
        for position in range(ids.count)
    }
    there = source.session.found(source.field.path, sorted(wanted))
    source.context.emit(IdsRead(source.field.database, source.path, len(there), len(there), is_all=True))
    with closing(Parents(DIGEST_BYTES * _FEW)) as parents:
        parents.add(digests(Ids(texts=sorted(there))))
        return _Compared(0, suspects(children, parents))


_Missing = Mapping[Reference, Sequence[Suspect]]


def _missing(references: Sequence[Reference], compared: Mapping[Field, _Compared | SeedbedError]) -> _Missing:
    """Return the suspects that are to be looked up again, for each reference that has some."""
    found = {}
    for each in references:
        those = compared.get(each.to)
        if isinstance(those, _Compared) and each in those.suspects and not those.suspects[each].is_systemic:
            found[each] = those.suspects[each].all()
    return {each: those for each, those in found.items() if those}


def _wait(missing: _Missing, kept: Mapping[Field, _Kept | SeedbedError], context: RunContext) -> None:
    """Wait until the grace of every reference in `missing` is over, since its ids were read. Raises Interrupted."""
    ends = {each: those.at + each.grace for each in missing if isinstance(those := kept[each.from_], _Kept)}
    now = time.monotonic()
    for each, end in ends.items():
        if end > now:
            path = f"{each.from_.path}{each.from_.where}"
            context.emit(IdsAwaited(each.from_.database, path, len(missing[each]), end - now))
    while (left := max(ends.values(), default=0.0) - time.monotonic()) > 0:
        context.stop.check()
        time.sleep(min(left, _PAUSE))


def _look_for(missing: _Missing, source: _Source) -> Collection[str]:
    """Return which of the ids in `missing` the field has now."""
    ids = {each.id for reference, those in missing.items() if reference.to == source.field for each in those}
    return frozenset(source.session.found(source.field.path, sorted(ids)))


_Held = Mapping[str, Mapping[str, Holders]]


def _look_at(
    missing: _Missing, arrived: Mapping[Field, Collection[str] | SeedbedError], source: _Source
) -> _Held:
    """Return the rows that hold those of `missing` which have not arrived, by id: for each time that is asked for."""
    found: dict[str, dict[str, Suspect]] = {}
    for reference, those in missing.items():
        here = arrived[reference.to]
        if reference.from_ == source.field and not isinstance(here, SeedbedError):
            late = {each.id: each for each in those if each.id not in here}
            found.setdefault(reference.time, {}).update(late)
    where = replace(source.field.where, time="", since=None)  # who holds it is not only who is new
    return {
        time_: source.session.holders(
            source.field.path, list(late.values()), time=time_, most=_ROWS, where=where
        )
        for time_, late in found.items()
        if late
    }


def _result(
    reference: Reference,
    kept: Mapping[Field, _Kept | SeedbedError],
    compared: Mapping[Field, _Compared | SeedbedError],
    missing: Sequence[Suspect] | None,
    arrived: Mapping[Field, Collection[str] | SeedbedError],
    held: Mapping[Field, _Held | SeedbedError],
) -> ReferenceResult:
    those = missing or ()
    children, parents = kept[reference.from_], compared.get(reference.to)
    here: Collection[str] | SeedbedError = arrived[reference.to] if those else ()
    there: _Held | SeedbedError = held[reference.from_] if those else {}
    for error in (children, parents, here, there):
        if isinstance(error, SeedbedError):
            return ReferenceResult(reference, Verdict.UNVERIFIED, error=error)
    assert isinstance(children, _Kept)
    assert isinstance(parents, _Compared)
    assert not isinstance(here, SeedbedError)
    assert not isinstance(there, SeedbedError)
    rows = there.get(reference.time, {})
    late = [each.id for each in those if each.id not in here]
    return result(
        reference,
        children.ids,
        parents.parents,
        parents.suspects[reference],
        delayed=len(those) - len(late),
        held={each: rows[each] for each in late if each in rows},
    )
