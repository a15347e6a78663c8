"""How seedbed talks to OpenSearch."""
