"""Hazards and refusals: what a statement, a plan of the server or the schema shows about a migration. Pure."""
