"""Loading datasets: rows become items as tables.toml declares them."""
