"""Loading datasets: rows become documents as the mapping of their index wants them."""
