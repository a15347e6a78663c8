"""Constraints and indexes: the catalogue, what a statement changed in it, what undoes that change. Pure."""
