"""Strategies against random and against peers, on labeled sets."""
