"""A graph as a file of JSON lines: how values are written, and what each line is."""
