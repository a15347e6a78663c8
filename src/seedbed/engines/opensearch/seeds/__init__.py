"""Load datasets: rows become documents according to the mapping of their index."""
