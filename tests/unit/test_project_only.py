"""Which references and expectations somebody named: by the field that refers, by a pattern; and what is said of a name that is none."""

from __future__ import annotations

import pytest

from seedbed.errors import Location, UsageError
from seedbed.model.platform import DatabaseId, Expectation, Field, Query, Reference, Where
from seedbed.project.only import chosen

SHOP, USER = DatabaseId("shop/postgres"), DatabaseId("user/postgres")
AT = Location("seedbed.toml", 7)
TO = Field(USER, "users.id")
ORDERS, CARTS, USERS, TEAMS = (
    Reference(Field(SHOP, "orders.user_id"), TO),
    Reference(Field(SHOP, "carts.user_id"), TO),
    Reference(Field(SHOP, "notes.subject", Where((("kind", ("user",)),))), TO),
    Reference(Field(SHOP, "notes.subject", Where((("kind", ("team",)),))), TO),
)
LEDGER = Expectation("the ledger sums to zero", (Query(SHOP, "SELECT …"),), AT)
PAID = Expectation("orders are paid", (Query(SHOP, "SELECT …"),), AT)
ALL = (ORDERS, CARTS, USERS, TEAMS)


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        ([], ALL),
        (["shop/postgres:carts.user_id"], (CARTS,)),
        (["shop/postgres:*.user_id"], (ORDERS, CARTS)),
        (["*:notes.subject[kind=team]"], (TEAMS,)),
        (["shop/postgres:notes.subject"], (USERS, TEAMS)),
        (["*?arts.*", "*orders*", "*[kind=user]"], (ORDERS, CARTS, USERS)),
    ],
)
def test_references_are_named_by_field_or_pattern(patterns: list[str], wanted: tuple[Reference, ...]) -> None:
    assert chosen(ALL, (), patterns)[0] == wanted


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [([], (LEDGER, PAID)), (["*ledger*"], (LEDGER,)), (["orders are paid", "shop/postgres:*"], (PAID,))],
)
def test_expectations_are_named_by_name_or_pattern(
    patterns: list[str], wanted: tuple[Expectation, ...]
) -> None:
    assert chosen(ALL, (LEDGER, PAID), patterns)[1] == wanted


def test_a_name_that_is_none_is_refused_with_a_guess_and_what_there_is() -> None:
    with pytest.raises(UsageError) as raised:
        chosen(ALL, (LEDGER,), ["shop/postgres:*", "shop/postgres:order.user_id"])
    assert raised.value.what == "there is no reference or expectation shop/postgres:order.user_id"
    assert str(CARTS.from_) in raised.value.because
    assert raised.value.try_ == "did you mean shop/postgres:orders.user_id?"
    with pytest.raises(UsageError, match=r"there is no reference or expectation shop/postgres:n\.tes"):
        chosen(ALL, (LEDGER,), ["shop/postgres:n.tes.subject"])  # a dot is a dot
