"""Snapshots of a database's indexes in a repository, restored under other names into the same cluster."""
