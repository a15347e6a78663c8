"""Nodes of seedbed itself: the history, the lease, and the fence that every write passes."""
