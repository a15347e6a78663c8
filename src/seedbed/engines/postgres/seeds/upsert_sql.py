"""The statements of an upsert: rows are staged, compared with the table, and written where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql

from seedbed.engines.postgres.seeds.tables import SeedTable

# The tables of these statements are found by the search_path of this login, which their triggers need as well. So every
# function and operator names its schema: what others made under the same name is not ours to run.
EQUALS = "OPERATOR(pg_catalog.=)"
STAGE = sql.Identifier("pg_temp", "seedbed_rows")

CREATE = """
CREATE TEMP TABLE seedbed_rows ON COMMIT DROP AS SELECT 0::int AS {row}, {columns} FROM {table} WITH NO DATA
"""
COPY = "COPY {stage} ({row}, {columns}) FROM STDIN"
ANALYZE = "ANALYZE {stage}"
DROP = "DROP TABLE {stage}"

# What has to be done about each row: (row, what, an earlier row with the same key); nothing where it is simply there.
# *<> compares the stored bytes: it knows json and point, NULL equals NULL, and 1.0 is not 1.00.
_COMPARED = """
    SELECT s.{row}, pg_catalog.min(s.{row}) OVER (PARTITION BY {keys}) AS first,
           CASE WHEN {null} THEN 'null'
                WHEN s.{row} OPERATOR(pg_catalog.>) pg_catalog.min(s.{row}) OVER (PARTITION BY {keys}) THEN 'twice'
                WHEN NOT EXISTS (SELECT FROM {table} AS t WHERE {same}) THEN 'missing'
                WHEN EXISTS (SELECT FROM {table} AS t WHERE {same} AND {fixed}) THEN 'fixed'
                WHEN EXISTS (SELECT FROM {table} AS t WHERE {same} AND {differs}) THEN 'differs' END AS what
    FROM {stage} AS s
"""
# The rows are counted on the server: their numbers alone would be more than a batch of them.
COMPARE = f"""
SELECT what, pg_catalog.count(*), pg_catalog.min({{row}}) FROM ({_COMPARED}) AS compared
WHERE what IS NOT NULL GROUP BY what
"""
SAME_KEY = f"SELECT first FROM ({_COMPARED}) AS compared WHERE {{row}} {EQUALS} {{number}}"
TO_WRITE = f"""
SELECT {{row}} FROM ({_COMPARED}) AS compared WHERE what IS NOT NULL AND {{row}} OPERATOR(pg_catalog.<) {{number}}
ORDER BY {{row}} LIMIT {{most}}
"""
UPDATE = "UPDATE {table} AS t SET {assignments} FROM {stage} AS s WHERE {same} AND {differs} AND {chosen}"
INSERT = """
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM {stage} AS s
WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE {same}) AND {chosen} ORDER BY {row} {guard}
"""


class UpsertStatements:
    """The statements for rows with `columns` that go into `table`."""

    def __init__(self, columns: Sequence[str], table: SeedTable) -> None:
        self.row = sql.Identifier(_free_name(columns))
        self._words = {"row": self.row, "stage": STAGE, **_words(columns, table)}

    def sql(self, template: str, **words: sql.Composable) -> sql.Composed:
        """Return one of the statements above; `words`: what it takes besides the table's own."""
        return sql.SQL(template).format(**{**self._words, **words})


def _words(columns: Sequence[str], table: SeedTable) -> dict[str, sql.Composable]:
    """Return the parts of the statements that depend on the table."""
    key = table.key
    others = [column for column in table.columns if column.name not in key.columns]
    guard = sql.SQL("ON CONFLICT ({}) DO NOTHING").format(_comma(map(sql.Identifier, key.columns)))
    return {
        "table": table.name,
        "columns": _comma(sql.Identifier(name) for name in columns),
        "keys": _comma(sql.Identifier("s", name) for name in key.columns),
        "null": sql.SQL("false")
        if key.nulls_are_equal
        else sql.SQL(" OR ").join(_is_null("s", name) for name in key.columns),
        "same": sql.SQL(" AND ").join(
            _same(name, operator, nulls_are_equal=key.nulls_are_equal)
            for name, operator in zip(key.columns, key.operators, strict=True)
        ),
        "differs": _differ([column.name for column in others]),
        "fixed": _differ([column.name for column in others if column.is_fixed]),
        "assignments": _comma(
            sql.SQL("{} = {}").format(sql.Identifier(column.name), sql.Identifier("s", column.name))
            for column in others
            if not column.is_fixed
        ),
        "guard": guard if key.guards else sql.SQL(""),
    }


def _is_null(side: str, name: str) -> sql.Composed:
    return sql.SQL("{} IS NULL").format(sql.Identifier(side, name))


def _same(name: str, operator: str, *, nulls_are_equal: bool) -> sql.Composed:
    ours, theirs = sql.Identifier("t", name), sql.Identifier("s", name)
    same = sql.SQL("{} {} {}").format(ours, sql.SQL(operator), theirs)
    if not nulls_are_equal:
        return same
    return sql.SQL("({} OR {} AND {})").format(same, _is_null("t", name), _is_null("s", name))


def _differ(names: Sequence[str]) -> sql.Composable:
    if not names:
        return sql.SQL("false")
    ours, theirs = (_comma(sql.Identifier(side, name) for name in names) for side in ("t", "s"))
    return sql.SQL("ROW({})::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW({})::pg_catalog.record").format(
        ours, theirs
    )


def _comma(words: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(words)


def _free_name(taken: Sequence[str]) -> str:
    name = "seedbed_row"
    while name in taken:
        name += "_"
    return name
