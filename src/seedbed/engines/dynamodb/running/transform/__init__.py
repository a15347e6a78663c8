"""Transformations: a function over items, carried out over a table."""
