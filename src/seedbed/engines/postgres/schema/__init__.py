"""The schema of a database."""
