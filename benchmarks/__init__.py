"""Measured claims: each module prints its table; benchmarks/README.md keeps the results."""
