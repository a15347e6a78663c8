"""APIs that OpenSearch Serverless lacks, known without a request.

Source: Amazon OpenSearch Service Developer Guide, "Supported operations and plugins in Amazon OpenSearch Serverless".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seedbed.errors import Refused

if TYPE_CHECKING:
    from seedbed.engines.opensearch.address import Address

LACKS: Mapping[str, str] = {
    "_refresh": "the history cannot be read as it is now",
    "_rollover": "an index cannot be made under a lease",
    "_reindex": "an index cannot be filled from another one by the server",
    "_update_by_query": "documents cannot be changed by the server",
    "_delete_by_query": "documents cannot be deleted by a query",
    "_tasks": "tasks cannot be followed",
    "_cluster": "the health of an index is not available",
    "_close": "settings that need a closed index cannot be changed",
    "_snapshot": "nothing can be restored",
}


def require_more(address: Address) -> None:
    """Raise Refused if `address` is OpenSearch Serverless, naming what it lacks."""
    if address.is_serverless:
        raise Refused(
            f"{address} is OpenSearch Serverless, which seedbed does not migrate",
            because=f"it has no {', '.join(LACKS)}: {LACKS['_refresh']}, {LACKS['_rollover']}, "
            f"and {LACKS['_tasks']}",
            try_="use an OpenSearch domain (es), which has all of them",
        )
