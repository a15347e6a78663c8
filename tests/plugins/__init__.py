"""pytest plugins of this repository's own test run."""
