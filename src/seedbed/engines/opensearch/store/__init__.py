"""What seedbed keeps in a cluster: the history, the lease and its fence."""
