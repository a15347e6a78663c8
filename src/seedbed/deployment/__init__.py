"""Runs the CDK CLI: who we are is checked first, then wave after wave. What a wave is, the engine says."""
