"""IAM, as far as calls of seedbed go: a call is judged by the policies of the role whose session token signed it.

::

    judge = aws.add(Policies(account=ACCOUNT))
    judge.caller("read", names)     # calls with AWS_SESSION_TOKEN=read; what no role has signed may do everything
    judge.caller("approve", names, "ana", user_id="AROAAPPROVE:ana")  # STS says so of whoever has that token
    judge.enrol(token, statements)  # whatever policies a role has

What the policies of `seedbed.aws.rights` allowed in a whole run of tests is in USED: `tests.plugins.rights` compares.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from seedbed.aws import rights
from tests.support.aws_proxy.calls import Call
from tests.support.aws_proxy.faults import fault
from tests.support.aws_proxy.http import Response
from tests.support.aws_proxy.permissions import Asked, Place
from tests.support.aws_proxy.rules import Passage, Rule

__all__ = ["TOKEN", "TOKEN_VARIABLE", "USED", "Asked", "Held", "Policies", "allows", "of_kind"]

TOKEN = "x-amz-security-token"
TOKEN_VARIABLE = "AWS_SESSION_TOKEN"


class Held(NamedTuple):
    """A statement that a role has. `number`: which one of `policy`, if that is one of `rights`; `kind`: of caller."""

    statement: Mapping[str, Any]
    kind: str = ""
    policy: str = ""
    number: int = 0


# What calls were allowed by: kind of caller, policy, number of its statement, action.
USED: set[tuple[str, str, int, str]] = set()


def allows(statements: Sequence[Mapping[str, Any]], asked: Asked, user_id: str = "") -> bool:
    """Return whether statements allow what is asked: one has to, and none may deny it. `user_id`: of who asks."""
    fitting = [each["Effect"] for each in statements if _fits(each, asked, user_id)]
    return "Allow" in fitting and "Deny" not in fitting


def of_kind(kind: str, names: rights.Names) -> list[Held]:
    """Return what a caller of a kind has; WORK: what the task's role has for its runs."""
    return [
        Held(statement, kind, policy, number)
        for policy in rights.KINDS.get(kind, (kind,))
        for number, statement in enumerate(rights.statements(policy, names))
    ]


class Policies(Rule):
    """Refuses what the policies of a role do not allow.

    `performed`: the actions of each role that were allowed, by its session token; `refused`: those that were not.
    """

    def __init__(
        self,
        roles: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        *,
        account: str,
        region: str = "eu-central-1",
        tags: Mapping[str, str] | None = None,
        passed: Sequence[str] = (),
    ) -> None:
        """`roles`: statements by session token. `tags`: of every stack. `passed`: the roles that a task is given."""
        super().__init__(lambda call: call.request.headers.get(TOKEN, "") in self._roles)
        self.place = Place(account, region, tags or {}, passed)
        self.performed: dict[str, set[str]] = {}
        self.refused: dict[str, set[str]] = {}
        self._roles: dict[str, list[Held]] = {}
        self._users: dict[str, str] = {}
        for token, statements in (roles or {}).items():
            self.enrol(token, statements)

    def caller(self, kind: str, names: rights.Names, token: str = "", *, user_id: str = "") -> None:
        """Judge whoever has the token (by default: `kind`) by the policies of that kind of caller.

        `user_id`: who that is, as STS and `aws:userid` say it; the account where nothing else is said.
        """
        self._judge(token or kind, of_kind(kind, names))
        self._users[token or kind] = user_id

    def enrol(self, token: str, statements: Sequence[Mapping[str, Any]]) -> None:
        """Judge whoever has the token by statements, from now on."""
        self._judge(token, [Held(each) for each in statements])

    def _judge(self, token: str, held: list[Held]) -> None:
        self.performed.setdefault(token, set())
        self.refused.setdefault(token, set())
        self._roles[token] = held

    def act(self, passage: Passage) -> Response:
        call = passage.call
        token = call.request.headers[TOKEN]
        for asked in self.place.asked(call):
            if not self._is_allowed(token, asked):
                return self._denied(call, token, asked)
        answer = passage.onward(call.request)
        if call.operation == "GetCallerIdentity" and (user_id := self._users.get(token)):
            return self._known_as(answer, user_id)
        if answer.status == 404:
            for asked in self.place.asked_of_missing(call):
                if not self._is_allowed(token, asked):
                    return self._denied(call, token, asked)
        return answer

    def _known_as(self, answer: Response, user_id: str) -> Response:
        role, _, session = user_id.partition(":")
        arn = f"arn:aws:sts::{self.place.account}:assumed-role/{role}/{session}"
        body = answer.body.decode()
        for tag, text in (("Arn", arn), ("UserId", user_id)):
            body = re.sub(f"<{tag}>[^<]*<", f"<{tag}>{text}<", body)
        return answer.with_body(body.encode())

    def _is_allowed(self, token: str, asked: Asked) -> bool:
        held, user_id = self._roles[token], self._users.get(token) or self.place.account
        if not allows([each.statement for each in held], asked, user_id):
            self.refused[token].add(asked.action)
            return False
        self.performed[token].add(asked.action)
        USED.update(
            (each.kind, each.policy, each.number, asked.action)
            for each in held
            if each.kind and _fits(each.statement, asked, user_id)
        )
        return True

    def _denied(self, call: Call, role: str, asked: Asked) -> Response:
        if call.request.method == "HEAD":
            return Response(403)
        who = f"arn:aws:sts::{self.place.account}:assumed-role/{role}/test"
        said = (
            f"User: {who} is not authorized to perform: {asked.action} on resource: {asked.resource} because no "
            f"identity-based policy allows the {asked.action} action"
        )
        code = "AccessDeniedException" if call.protocol == "json" else "AccessDenied"
        return fault(call, code, said, 403 if code == "AccessDenied" else 400)


def _fits(statement: Mapping[str, Any], asked: Asked, user_id: str) -> bool:
    return (
        any(fnmatchcase(asked.action.lower(), each.lower()) for each in _listed(statement["Action"]))
        and any(_like(asked.resource, each, user_id) for each in _listed(statement["Resource"]))
        and all(
            _holds(condition, asked.context.get(key, ()), _listed(values))
            for condition, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(condition: str, found: Sequence[str], wanted: Sequence[str]) -> bool:
    if condition == "Null":
        return (not found) is (wanted[0] == "true")
    of_all, _, kind = condition.removesuffix("IfExists").rpartition(":")
    if condition.endswith("IfExists") and not found:
        return True
    assert kind in {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}, condition
    same = operator.eq if kind == "StringEquals" else _like
    fitting = [any(same(value, each) for each in wanted) for value in found]
    return all(fitting) if of_all == "ForAllValues" else any(fitting)


def _like(value: str, pattern: str, user_id: str = "") -> bool:
    """Return whether a value fits a pattern, in which a variable stands for nothing but its own characters."""
    literal = pattern.replace("[", "[[]").replace(rights.USER, re.sub(r"([*?[])", r"[\1]", user_id))
    return fnmatchcase(value, literal)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
