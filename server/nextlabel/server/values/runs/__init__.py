"""Runs, what happened in them, and who answers in them."""
