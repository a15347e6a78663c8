"""What a lease and a session carry out: migrations, estimates, resets, imports."""
