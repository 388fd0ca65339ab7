"""Pairs of texts compared, and how the texts rank by it."""
