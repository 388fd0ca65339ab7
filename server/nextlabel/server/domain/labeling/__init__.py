"""Leases, answers and what is labeled so far."""
