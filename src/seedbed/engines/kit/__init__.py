"""What engines share: the walk through a migration, Python files, the lease. It knows no engine."""
