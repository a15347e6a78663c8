"""What engines share that answer queries: values as short texts, numbers, and what is refused in the same words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from seedbed.errors import SeedbedError, StepFailed, UsageError
from seedbed.model.verification import QueryRow
from seedbed.support.phrases import count, shorten

_LONGEST = 200  # characters of a value that are kept: a row shows what is wrong, and is not copied from there
_encode = msgspec.json.Encoder(enc_hook=str).encode


def cell(value: Any) -> str | None:
    """Return a value as the text that is shown of it, None for none; what is no text, number or truth as JSON."""
    match value:
        case None:
            return None
        case str():
            return shorten(value, _LONGEST)
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return str(value)
    text = _encode(value).decode()
    return shorten(text[1:-1] if text.startswith('"') else text, _LONGEST)


def query_row(names: Iterable[str], values: Iterable[Any]) -> QueryRow:
    """Return a row; of columns with one name, the second is `name (2)`."""
    row: dict[str, str | None] = {}
    for name, value in zip(names, values, strict=True):
        number = sum(each == name or each.startswith(f"{name} (") for each in row) + 1
        row[name if number == 1 else f"{name} ({number})"] = cell(value)
    return row


def the_number(rows: Sequence[QueryRow]) -> Decimal:
    """Return the one number that `rows` are. Raises StepFailed where they are something else."""
    if len(rows) == 1 and len(rows[0]) == 1:
        (text,) = rows[0].values()
        try:
            found = Decimal(text or "")
        except InvalidOperation:
            found = Decimal("NaN")
        if found.is_finite():
            return found
        raise not_a_number("its value is nothing" if text is None else f"its value is {shorten(text, 40)!r}")
    if len(rows) == 1:
        raise not_a_number(f"it has {count(len(rows[0]), 'column')}")
    raise not_a_number("it has more than one row" if rows else "it has no row")


def not_a_number(because: str) -> StepFailed:
    """Return the error for a query that does not have the one number which is compared."""
    return StepFailed(
        "a query whose number is compared has none",
        because=because,
        try_="let it have one row with one number; a sum of nothing has no value",
    )


def would_write(because: str) -> SeedbedError:
    """Return what refuses a query that changes something."""
    return UsageError(
        "the query of an expectation would write", because=because, try_="let it only read what is there"
    )
