"""Whether a function always says what it returns: read from its tree, on the safe side."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from seedbed.engines.kit.python_source import NESTED, Function, own_nodes


def forgotten_return(function: Function) -> int:
    """Return the line at which `function` may end without a value, 0 if it never does."""
    for node in own_nodes(function.body):
        if isinstance(node, ast.Return) and node.value is None:
            return node.lineno
    return 0 if _ends(function.body) else function.lineno


def _ends(body: Sequence[ast.stmt]) -> bool:
    """Return whether control never comes out at the end of `body`."""
    match body[-1] if body else None:
        case ast.Return() | ast.Raise():
            return True
        case ast.If(body=then, orelse=otherwise):
            return _ends(then) and _ends(otherwise)
        case ast.With(body=inner):
            return _ends(inner)
        case ast.Try() as attempt:
            return _ends(attempt.finalbody) or _ends_each(attempt)
        case ast.Match(cases=cases):
            takes_all = _is_wildcard(cases[-1].pattern) and cases[-1].guard is None
            return takes_all and all(_ends(each.body) for each in cases)
        case ast.While(test=ast.Constant(value=True), body=inner):
            return not _has_break(inner)
    return False


def _ends_each(attempt: ast.Try) -> bool:
    straight = _ends(attempt.orelse) if attempt.orelse else _ends(attempt.body)
    return straight and all(_ends(each.body) for each in attempt.handlers)


def _is_wildcard(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def _has_break(body: Sequence[ast.AST]) -> bool:
    """Return whether a `break` in `body` leaves the loop around it; those of loops inside do not."""
    for node in body:
        if isinstance(node, ast.Break):
            return True
        if isinstance(node, ast.For | ast.While):
            if _has_break(node.orelse):
                return True
        elif not isinstance(node, NESTED) and _has_break(list(ast.iter_child_nodes(node))):
            return True
    return False
