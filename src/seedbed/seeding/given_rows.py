"""The rows of a `.json` or a `.py`: named values, made one after the other and let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from seedbed.errors import SeedFileError
from seedbed.model.seed import MISSING, Row
from seedbed.seeding.batching import UncountedRows
from seedbed.seeding.directives import known_key
from seedbed.seeding.given import Given, error
from seedbed.seeding.values import row

_SOME = 500  # rows that are made before they become a batch


class GivenRows(UncountedRows, frozen=True):
    """A source of rows that have the columns of the first one, or where they `vary`: some. See `model.seed.RowSource`.

    `given` begins to yield them anew at every call.
    """

    path: str
    platform: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    line: int  # of the first row
    given: Callable[[], Iterator[Given]]
    vary: bool = False

    def _blocks(self) -> Iterator[tuple[Sequence[Row], Sequence[int]]]:
        given, number = self.given(), 1
        columns, platform, path = self.columns, self.platform, self.path
        names = set(columns)
        while some := list(islice(given, _SOME)):
            rows: list[Row] = []
            for at, each in enumerate(some, number):
                values = each.values
                if tuple(values) == columns:  # in this order, as in most files
                    ordered = tuple(values.values())
                elif values.keys() == names:
                    ordered = tuple([values[name] for name in columns])
                elif self.vary:
                    rows.append(self._some_columns(each))
                    continue
                else:
                    raise self._other_columns(each, at)
                rows.append(ordered if each.is_plain else row(ordered, platform, path, each.line))
            yield rows, [each.line for each in some]
            number += len(some)

    def _some_columns(self, given: Given) -> Row:
        """Return the row with MISSING in each column that it does not have."""
        found = row(given.values.values(), self.platform, self.path, given.line)
        values = dict(zip(given.values, found, strict=True))
        return tuple([values.get(name, MISSING) for name in self.columns])

    def _other_columns(self, given: Given, number: int) -> SeedFileError:
        missing = [name for name in self.columns if name not in given.values]
        extra = [name for name in given.values if name not in self.columns]
        return error(
            self.path,
            given.line,
            f"row {number} has other columns than the first one",
            "; ".join(
                f"{words} {', '.join(names)}"
                for words, names in (("it lacks", missing), ("only it has", extra))
                if names
            ),
            "give every row of a file the same columns, null where there is no value",
        )


def given_rows(
    path: str,
    platform: str,
    table: str,
    key: tuple[str, ...],
    given: Callable[[], Iterator[Given]],
    *,
    first: Given | None,
    vary: bool = False,
) -> GivenRows:
    """Open a source by its `first` row; None where it has none. Where rows may `vary`, all of them name its columns.

    Raises SeedFileError.
    """
    if first is None:
        return GivenRows(path, platform, table, (), key, 0, given)
    columns = tuple(dict.fromkeys(name for each in given() for name in each.values) if vary else first.values)
    return GivenRows(path, platform, table, columns, known_key(key, columns, path), first.line, given, vary)
