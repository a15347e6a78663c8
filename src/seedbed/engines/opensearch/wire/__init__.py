"""Requests to OpenSearch: the client, errors, outcomes."""
