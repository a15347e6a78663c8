"""What loading seeds did, part by part, as a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seedbed.model.event import Event, SeedLoaded
from seedbed.report.styles import Line, Lines, Span, Style, Table, line, row
from seedbed.support.phrases import count, number


def seed_text(events: Iterable[Event], wanted: Sequence[str] = (), there: Sequence[str] = ()) -> Lines:
    """Return what loading seeds did, part by part.

    `wanted`: the kinds that were asked for, and `there` those that there are: told where nothing was loaded.
    """
    parts = sorted((each for each in events if isinstance(each, SeedLoaded)), key=lambda each: each.target)
    if not parts:
        return [line(_nothing(wanted, there))]
    titles = ("database", "dataset", "part", "inserted", "updated", "unchanged")
    rows = [row(*((title, Style.DIM) for title in titles))]
    rows += [row((each.target, Style.BOLD), each.dataset, each.part, *_numbers(each)) for each in parts]
    table = Table(tuple(rows), right=frozenset({3, 4, 5}), flex=2)
    return [table, line(), _loaded(parts)]


def _nothing(wanted: Sequence[str], there: Sequence[str]) -> str:
    if not (others := [kind for kind in there if kind not in wanted]):
        return "nothing to load: there are no seeds"
    kinds = " and ".join(f"--kind {kind}" for kind in others)
    return f"nothing to load: there are no {' or '.join(wanted)} seeds; there are others: {kinds}"


def _numbers(each: SeedLoaded) -> tuple[Span, Span, Span]:
    return (
        Span(number(each.inserted), Style.GOOD if each.inserted else Style.DIM),
        Span(number(each.updated), Style.CHANGE if each.updated else Style.DIM),
        Span(number(each.unchanged), Style.DIM),
    )


def _loaded(parts: Sequence[SeedLoaded]) -> Line:
    inserted, updated = sum(each.inserted for each in parts), sum(each.updated for each in parts)
    if not inserted and not updated:
        return line(("nothing changed: all rows are there already", Style.GOOD))
    unchanged = sum(each.unchanged for each in parts)
    return line(
        (
            f"{count(inserted, 'row')} inserted, {number(updated)} updated, {number(unchanged)} unchanged",
            Style.BOLD,
        )
    )
