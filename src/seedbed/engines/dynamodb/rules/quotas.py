"""The numbers that DynamoDB's limits are made of; the published schema of tables.toml repeats some of them.

Sources: "Quotas in Amazon DynamoDB" and the API reference (CreateTable, Projection, KeySchemaElement), 2026.
"""

from __future__ import annotations

import re

GLOBAL_INDEXES = (
    20  # of one table; a quota that AWS raises on request, but templates are made for all accounts
)
LOCAL_INDEXES = 5
PROJECTED = 100  # attributes listed by all indexes of one table together
PROJECTED_PER_INDEX = 20
KEY_ATTRIBUTES = 4  # of each kind in the key of a global index
NAME_BYTES = 255  # of an attribute that is part of a key, projected, or the one that items expire by
ATTRIBUTE_BYTES = 65535
PHYSICAL_LENGTH = range(3, 256)
INDEX_LENGTH = range(3, 256)
TABLE_LENGTH = (
    189  # what 255 leave when service and environment have 32 each, which is the most they may have
)
TABLE_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
INDEX_NAME = re.compile(r"[a-zA-Z0-9_.-]+")
