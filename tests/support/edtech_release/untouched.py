"""That something touched nothing: all that an account and its databases keep, compared before and after."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import neo4j
import urllib3
from psycopg import sql

from tests.support.deployment.contents import account
from tests.support.edtech_release.site import Site
from tests.support.postgres.wire import connected

# What a task leaves that only looks: its run, what it says in its log, and the state that it saw.
LOOKED = ("item run#", "item environment#", "object runs/", "object state/", "log ")
_TABLES = (
    "SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
)
_GRAPH = (
    "MATCH (n) RETURN labels(n) AS is, properties(n) AS has",
    "MATCH (a)-[r]->(b) RETURN type(r) AS is, properties(r) AS has, properties(a) AS a, properties(b) AS b",
    "SHOW INDEXES YIELD name, labelsOrTypes, properties",
)


class Untouched:
    """What there is. `still` compares that with what there was when it was looked at last."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._last = _everything(site)

    def look(self) -> None:
        """Take what there is now as what there has to be."""
        self._last = _everything(self._site)

    def still(self, *but: str) -> None:
        """See that nothing has changed, but what begins like one of `but`."""
        now = _everything(self._site)
        changed = {where for where in {*now, *self._last} if now.get(where) != self._last.get(where)}
        touched = sorted(each for each in changed if not each.startswith(but))
        assert touched == [], touched
        self._last = now


def _everything(site: Site) -> dict[str, str]:
    control = site.parameters("control")["table"]
    found = account(site.shop, f"table {control}")
    # What is told of a change set is another one each time: that it is there is all.
    found |= {where: "" for where in found if where.startswith("change set ")}
    for each in site.shop.ask("dynamodb", "Scan", TableName=control)["Items"]:
        found[f"item {each['id']['S']} {each['part']['S']}"] = repr(each)
    for database in ("payment_db", "reviews_db", "user_db"):
        with connected(site.server, database) as connection:
            for schema, table in connection.execute(_TABLES).fetchall():
                asked = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table))
                rows = [row for (row,) in connection.execute(asked)]
                found[f"{database}: {schema}.{table}"] = _digest(rows)
    with neo4j.GraphDatabase.driver(site.graph["uri"], auth=None) as driver:
        for each in _GRAPH:
            found[each] = _digest([one.data() for one in driver.execute_query(each).records])
    for name, told in _asked(site, "_all?expand_wildcards=all").items():
        hits = _asked(site, f"{name}/_search?size=9999&expand_wildcards=all")["hits"]["hits"]
        found[f"index {name}"] = _digest([told, *({**each, "_score": 0} for each in hits)])
    return found


def _asked(site: Site, path: str) -> Any:
    return urllib3.request("GET", f"{site.search['endpoint']}/{path}").json()


def _digest(rows: list[Any]) -> str:
    lines = sorted(json.dumps(each, sort_keys=True, default=str) for each in rows)
    return f"{len(lines)} {sha256(''.join(lines).encode()).hexdigest()}"
