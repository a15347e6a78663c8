"""The sequences behind columns that a seed fills: moved on, so that the next row without a key gets a free one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from seedbed.engines.postgres.wire.driver import own_rows, relation

if TYPE_CHECKING:
    from psycopg import Connection

    from seedbed.engines.postgres.seeds.tables import SeedTable
    from seedbed.engines.postgres.seeds.upsert_sql import UpsertStatements

# The sequences that columns take their numbers from: those of identity and serial columns, and those whose nextval is
# the default. Only those that may be moved: who inserts need not be allowed to.
_SEQUENCES = """
SELECT a.attname::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       s.seqincrement, s.seqmin, s.seqmax
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid AND t.typcategory = 'N'
LEFT JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    AND pg_catalog.pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(''%''::regclass)'
JOIN pg_catalog.pg_depend AS d ON
    (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid) OR
    (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = a.attrelid
     AND d.refobjsubid = a.attnum AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'i')
JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = CASE
    WHEN d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN d.refobjid ELSE d.objid END
JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attrelid = {table} AND a.attname = ANY ({columns}) AND NOT a.attisdropped
  AND pg_catalog.has_sequence_privilege(s.seqrelid, 'SELECT')
  AND pg_catalog.has_sequence_privilege(s.seqrelid, 'UPDATE')
"""
# The farthest number in the seed that the sequence could come to, and where the sequence is.
_REACHED = """
SELECT (SELECT pg_catalog.{farthest}({column})::pg_catalog.numeric FROM {stage}
        WHERE {column} OPERATOR(pg_catalog.>=) {least} AND {column} OPERATOR(pg_catalog.<=) {most}),
       last_value, is_called
FROM {sequence}
"""
_MOVE = "SELECT pg_catalog.setval({name}, {number})"


def move_sequences(
    connection: Connection[tuple[Any, ...]], table: SeedTable, statements: UpsertStatements
) -> None:
    """Move the sequences of the columns that the staged rows fill on to the farthest number of these rows.

    They never go back, and keep their step: one that counts 1, 11, 21 goes on to 31 after a 25. What a sequence has
    moved stays if the transaction is rolled back, as with every nextval.
    """
    words = {
        "table": sql.Literal(relation(connection, table.name.as_string(connection))),
        "columns": sql.Literal([column.name for column in table.columns]),
    }
    query = sql.SQL(_SEQUENCES).format(**words).as_string(connection)
    for column, schema, name, step, least, most in own_rows(connection, query):
        sequence = sql.Identifier(schema, name)
        ((farthest, last, is_called),) = connection.execute(
            statements.sql(
                _REACHED,
                farthest=sql.SQL("max" if step > 0 else "min"),
                column=sql.Identifier(column),
                least=sql.SQL("{}::pg_catalog.int8").format(sql.Literal(str(least))),
                most=sql.SQL("{}::pg_catalog.int8").format(sql.Literal(str(most))),
                sequence=sequence,
            )
        ).fetchall()
        if farthest is None:
            continue
        steps = -((last - int(farthest)) // step)  # to the farthest number, or beyond
        if steps > 0 or (steps == 0 and not is_called):
            number = min(max(last + steps * step, least), most)
            name_ = sql.Literal(sequence.as_string(connection))
            connection.execute(statements.sql(_MOVE, name=name_, number=sql.Literal(number)))
