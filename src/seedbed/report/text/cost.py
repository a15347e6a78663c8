"""What environments cost, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.documents.cost import ActualEntry, ChargeEntry, CostDocument, EnvironmentCost
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.errors import error_text
from seedbed.support.phrases import count


def cost_text(document: CostDocument) -> Lines:
    """Return what each environment comes to, what the numbers rest on, and what is in none of them."""
    page: Lines = []
    for cost in document.environments:
        page += [*_environment(cost, document.period), line()]
    if not document.environments and not document.errors:
        page += [line("no environment has stacks"), line()]
    if document.unseen:
        page += [
            line(("not looked at, with these credentials: ", Style.WARN), ", ".join(document.unseen)),
            line(),
        ]
    for each in document.errors:
        page += error_text(each)
    page += _actual(document)
    page += _basis(document) if document.environments else []
    return page


def _environment(cost: EnvironmentCost, period: str) -> Iterator[Line | Table]:
    about = f"{count(cost.stacks, 'stack')} {cost.stacks_are}, {count(cost.resources, 'resource')}"
    within = f"; lies in {cost.base}, whose cost is not in it" if cost.base else ""
    yield line((cost.environment, Style.BOLD), f"  {cost.region}, {about}{within}")
    head = row("", ("units", Style.DIM), ("price", Style.DIM), ("idle", Style.DIM), ("used", Style.DIM))
    known = [each for each in cost.charges if each.price_usd is not None]
    if known:
        yield Table((head, *map(_charge, known)), right=frozenset({1, 2, 3, 4}), indent=2)
    for each in cost.charges:
        if each.price_usd is None:
            yield line(
                f"{each.what}, {_units(each)}: ", ("unknown", Style.WARN), f", {each.unknown}", indent=2
            )
    unknown = (
        f", without {count(cost.unknown, 'price')} that {_are(cost.unknown)} unknown" if cost.unknown else ""
    )
    sums = f"idle {_usd(cost.idle_usd)}, used {_usd(cost.used_usd)} a {period}"
    yield line((f"{'at least: ' if cost.unknown else ''}{sums}", Style.BOLD), (unknown, Style.WARN), indent=2)
    if cost.by_use:
        yield line(("by use, not estimated: ", Style.DIM), ", ".join(cost.by_use), indent=2, wrap=True)


def _charge(charge: ChargeEntry) -> Row:
    price = f"${charge.price_usd:g} a{'n' if charge.per == 'hour' else ''} {charge.per}"
    return row(charge.what, _units(charge), price, _usd(charge.idle_usd or 0.0), _usd(charge.used_usd or 0.0))


def _units(charge: ChargeEntry) -> str:
    idle, used = f"{charge.idle_units:g}", f"{charge.used_units:g}"
    return idle if idle == used else f"{idle}–{used}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _usd(amount: float) -> str:
    return f"${amount:,.2f}".replace(",", " ")


def _actual(document: CostDocument) -> Lines:
    page: Lines = []
    for each in document.actual:
        page += [*_account(each), line()]
    return page


def _account(actual: ActualEntry) -> Iterator[Line | Table]:
    estimated = "; not final" if actual.estimated else ""
    asked = f"{count(actual.requests, 'request')} to Cost Explorer"
    about = f"  account {actual.account}, {actual.since} to {actual.until}{estimated}, {asked}"
    yield line(("paid", Style.BOLD), about)
    if not actual.spent:
        yield line(
            "nothing: is the tag `environment` activated as a cost allocation tag? That takes a day", indent=2
        )
        return
    rows = [row(each.environment or "without the tag", _usd(each.usd)) for each in actual.spent]
    yield Table(tuple(rows), right=frozenset({1}), indent=2)


def _basis(document: CostDocument) -> Lines:
    page: Lines = []
    for table in document.tables:
        dates = table.oldest if table.oldest == table.newest else f"{table.oldest} to {table.newest}"
        known = f"{count(table.prices, 'price')}, read {dates}"
        told = known if table.prices else "no price is known; --refresh asks AWS"
        page.append(line(("prices:   ", Style.DIM), f"{table.region}, {told}"))
    spent = f"a {document.period} has {document.hours:g} h; where it is used, {document.used_hours:g} of them"
    page += _listed("assumed:  ", (spent, *document.assumed))
    return [*page, *_listed("left out: ", document.left_out)]


def _listed(head: str, told: Sequence[str]) -> Iterator[Line]:
    """Yield lines, the first of them behind `head`."""
    for number, each in enumerate(told):
        yield line((head if number == 0 else " " * len(head), Style.DIM), each)
