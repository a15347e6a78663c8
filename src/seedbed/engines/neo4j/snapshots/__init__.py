"""Snapshots of small graphs: dumps, as files."""
