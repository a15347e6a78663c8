"""The only room that changes a target: connecting, leasing, carrying out plans, loading seeds."""
