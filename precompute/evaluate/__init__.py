"""Scores a model on each concept of a task: zero-shot classification and retrieval, the paper's two measures."""
