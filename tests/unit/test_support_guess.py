from seedbed.support.guess import did_you_mean, guess, guess_path, suggestion

KNOWN = ("staging", "prod", "Amount")


def test_the_name_that_a_word_resembles_most_is_guessed() -> None:
    assert guess("stagign", KNOWN) == "staging"


def test_letters_of_another_case_are_no_difference() -> None:
    assert guess("amount", KNOWN) == "Amount"
    assert guess("STAGING", KNOWN) == "staging"


def test_nothing_is_guessed_where_nothing_is_like_it() -> None:
    assert guess("xyzzy", KNOWN) == guess("staging", ()) == guess("", KNOWN) == ""


def test_a_name_in_parts_is_guessed_by_its_first_one_too() -> None:
    known = ("orders/neo4j", "orders/postgres", "user/postgres")
    assert guess_path("order/postgres", known) == "orders/postgres"
    assert guess_path("users", known) == "user/postgres"
    assert guess_path("orders/mysql", known) == "orders/neo4j"
    assert guess_path("xyzzy/postgres2", ()) == guess_path("xyzzy", known) == ""


def test_an_endless_word_costs_no_more_than_a_long_one() -> None:
    assert guess("s" * 10_000_000, ["s" * 64]) == "s" * 64


def test_a_hint_names_the_guess_or_says_something_else() -> None:
    assert did_you_mean("prd", KNOWN, otherwise="look again") == "did you mean prod?"
    assert did_you_mean("xyzzy", KNOWN, otherwise="look again") == "look again"
    assert did_you_mean("xyzzy", KNOWN) == ""


def test_a_suggestion_lists_what_there_is_where_it_cannot_guess() -> None:
    assert suggestion("prd", KNOWN, nothing="there is none") == "did you mean prod?"
    assert suggestion("xyzzy", KNOWN, nothing="there is none") == "one of staging, prod, Amount"
    assert suggestion("xyzzy", (), nothing="there is none") == "there is none"
