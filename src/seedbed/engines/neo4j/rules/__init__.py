"""Hazards and refusals: what a statement, a plan of the server or the schema tells about a migration. Pure."""
