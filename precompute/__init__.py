"""Offline steps that make a study's tables: `python -m precompute STEP`."""
