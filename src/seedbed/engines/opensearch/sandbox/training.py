"""What an OpenSearch does while its ahead-of-time cache is recorded: a little of everything that seedbed does."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path

from seedbed.servers import ports

JSON = {"content-type": "application/json"}
DOCUMENTS = "".join(f'{{"index": {{"_id": "{number}"}}}}\n{{"a": {number}}}\n' for number in range(50))
REQUESTS = (
    (
        "PUT",
        "/one",
        '{"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"a": {"type": "long"}}}}',
    ),
    ("PUT", "/two", '{"aliases": {"both": {}}}'),
    ("POST", "/one/_bulk?refresh=true", DOCUMENTS),
    ("GET", "/one/_search", '{"query": {"range": {"a": {"gte": 3}}}, "sort": ["a"]}'),
    ("PUT", "/one/_doc/1?refresh=true", '{"a": 2}'),
    ("GET", "/one/_mget", '{"ids": ["1", "2"]}'),
    ("POST", "/_reindex?refresh=true", '{"source": {"index": "one"}, "dest": {"index": "two"}}'),
    ("POST", "/one/_update_by_query", '{"script": {"source": "ctx._source.b = 1"}}'),
    ("PUT", "/_ingest/pipeline/p", '{"processors": [{"set": {"field": "c", "value": 1}}]}'),
    ("GET", "/_cluster/health", ""),
    ("GET", "/_all", ""),
    ("DELETE", "/_ingest/pipeline/p", ""),
    ("DELETE", "/one,two", ""),
)


def train(folder: Path) -> None:
    """Use the server of the directory `folder`."""
    connection = HTTPConnection("127.0.0.1", ports.last_port(folder), timeout=60)
    try:
        for method, path, body in REQUESTS:
            connection.request(method, path, body.encode(), JSON)
            connection.getresponse().read()
    finally:
        connection.close()
