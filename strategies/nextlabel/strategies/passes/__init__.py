"""Passes over the whole pool, and what they keep."""
