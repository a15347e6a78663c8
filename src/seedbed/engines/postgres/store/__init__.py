"""seedbed's history in the database, and the lease that guards it."""
