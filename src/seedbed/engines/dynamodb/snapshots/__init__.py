"""Snapshots of a database's tables: on-demand backups, restored to tables of other names."""
