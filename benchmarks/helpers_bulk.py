"""What a script of one's own does to load a file into OpenSearch: read it, and pass it to `helpers.bulk`.

``python -m benchmarks.helpers_bulk FILE ENDPOINT INDEX``

It imports nothing else, so that it costs what such a script costs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any


def main(path: str, endpoint: str, index: str) -> None:
    from opensearchpy import OpenSearch, helpers

    with open(path, encoding="utf-8") as file:
        rows = json.load(file)

    def actions() -> Iterator[dict[str, Any]]:
        for row in rows:
            yield {"_index": index, "_id": row.pop("_id"), "_source": row}

    done, errors = helpers.bulk(OpenSearch(endpoint), actions())
    if done != len(rows) or errors:
        raise RuntimeError(f"{done} of {len(rows)} documents, {errors}")


if __name__ == "__main__":
    main(*sys.argv[1:])
