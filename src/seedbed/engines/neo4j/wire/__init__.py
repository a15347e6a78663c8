"""The driver: connections, queries, and what the errors of the server mean."""
