"""Tests of seedbed. The names of tests are sentences; CONTRIBUTING.md says what belongs where."""
