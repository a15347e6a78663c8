"""The history table of a service: its items, the lease, and every write that the lease guards."""
