"""Loading datasets: rows upserted by key, scripts, all of a dataset in one transaction."""
