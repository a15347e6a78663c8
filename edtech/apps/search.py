"""The ai service: questions that students asked, found by their words."""

import json
import os
from typing import Any
from urllib.request import Request, urlopen

INDEX = "questions"


def ask(method: str, path: str, body: object = None) -> Any:
    """Return the answer of the cluster that the service's variables name."""
    data = None if body is None else json.dumps(body).encode()
    url = os.environ["OPENSEARCH_ENDPOINT"] + path
    with urlopen(Request(url, data, {"Content-Type": "application/json"}, method=method)) as answer:
        return json.load(answer)


def questions(words: str) -> list[str]:
    """Return the texts of the questions that have one of `words`, best first."""
    found = ask("POST", f"/{INDEX}/_search", {"query": {"match": {"text": words}}})
    return [each["_source"]["text"] for each in found["hits"]["hits"]]


def forget_all() -> None:
    """Delete every question."""
    ask("POST", f"/{INDEX}/_delete_by_query?refresh=true", {"query": {"match_all": {}}})
