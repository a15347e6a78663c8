"""What two looks at counters show of the use of what a contract removes, and what migrations remove."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.rules.mentions import mentions
from seedbed.model.usage import Counter, Removed, Usage
from seedbed.planning.usage import judged

TABLE = Removed("table", ("old",))
COMMIT = "abcdef0123456789"


def look(uses: int = 0, *clients: str, unclear: int = 0, since: str = "monday", blind: str = "") -> Usage:
    return Usage((Counter(TABLE, uses, unclear, since, blind),), clients)


@pytest.mark.parametrize(
    ("windows", "verdict", "said"),
    [
        ([(look(5), look(5))], "none", "table old was not used"),
        ([(look(5), look(7))], "some", "table old was used 2 times"),
        ([(look(5), look(5)), (look(9), look(10))], "some", "used 1 time"),  # between windows it was seedbed
        ([(look(5), look(5)), (look(9), look(9))], "none", "not used"),
        ([(look(5), look(5, since="tuesday"))], "unknown", "counting began anew"),
        ([(look(5), look(4))], "unknown", "counting began anew"),
        ([(look(5), look(5, unclear=2))], "unknown", "2 uses may have been of it"),
        ([(look(5), look(5, blind="it cannot be seen"))], "unknown", "it cannot be seen"),
        ([(look(5), look(6, blind="it cannot be seen"))], "some", "used 1 time"),
        ([(Usage(), look(5))], "unknown", "not looked at before"),
        ([(Usage(), Usage())], "none", "nothing goes"),
        ([], "unknown", "no two looks"),
        ([(look(), look(0, "shop@1234567"))], "some", "shop@1234567 is connected"),
        ([(look(), look(0, "shop@abcdef0", "me@here", "@12345678"))], "none", "not used"),
    ],
)
def test_a_use_between_two_looks_is_seen(windows: list[tuple[Usage, Usage]], verdict: str, said: str) -> None:
    use = judged(windows, COMMIT)
    assert use.verdict == verdict
    assert said in use.text


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("SELECT u.legacy FROM app.users u", "yes"),
        ("INSERT INTO users (id, legacy) VALUES ($1, $2)", "yes"),
        ("INSERT INTO users (id) VALUES ($1) ON CONFLICT (legacy) DO NOTHING", "yes"),
        ("UPDATE users SET legacy = $1", "yes"),
        ("COPY users (legacy) FROM STDIN", "yes"),
        ("SELECT id FROM users JOIN other USING (legacy)", "yes"),
        ("SELECT id AS legacy FROM users", "no"),
        ("SELECT legacy FROM other", "no"),
        ("SELECT count(*) FROM users", "no"),
        ("SELECT o.* FROM other o, users u", "no"),
        ("SELECT * FROM users", "unclear"),
        ("SELECT id FROM users NATURAL JOIN other", "unclear"),
        ("SELECT row_to_json(u) FROM users u", "unclear"),
        ("INSERT INTO users VALUES ($1)", "unclear"),
        ("COPY users TO STDOUT", "unclear"),
        ("no SQL, legacy", "unclear"),
    ],
)
def test_a_statement_is_read_for_the_column_that_goes(text: str, verdict: str) -> None:
    assert mentions(text, "users", "legacy") == verdict
