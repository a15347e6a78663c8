"""Benchmarks: `make bench`. A benchmark is never a test with a time limit."""
