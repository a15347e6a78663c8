"""Runs the CDK CLI: who we are is checked first, then update after update. What an update is, the engine says."""
