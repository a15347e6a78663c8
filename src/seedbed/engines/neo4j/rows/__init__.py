"""Rows of a seed -> nodes and relationships: what a table's name means, values by column, and the statements."""
