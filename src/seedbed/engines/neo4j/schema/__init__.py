"""Constraints and indexes: what makes them, what there are, what undoes a change of them."""
