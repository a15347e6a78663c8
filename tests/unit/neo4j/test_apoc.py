"""What is said about a procedure or a function of a plugin that a server does not have."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.wire.errors import CypherError


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "Neo.ClientError.Procedure.ProcedureNotFound",
            "There is no procedure with the name `apoc.periodic.iterate`",
        ),
        ("Neo.ClientError.Statement.SyntaxError", "Unknown function 'apoc.text.join' (line 1, column 8)"),
    ],
)
def test_apoc_is_named_where_a_statement_wants_it(code: str, message: str) -> None:
    assert (
        "install APOC on that server; the sandbox's Neo4j has no plugins" in CypherError(code, message).try_
    )


def test_another_unknown_procedure_is_not_apocs() -> None:
    error = CypherError(
        "Neo.ClientError.Procedure.ProcedureNotFound", "There is no procedure with the name `gds.x`"
    )
    assert error.try_ == ""
