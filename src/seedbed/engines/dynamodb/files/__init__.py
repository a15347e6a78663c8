"""Migration files: their directives, and the functions in them. Pure."""
