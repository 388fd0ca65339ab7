"""Runs: how they are asked for, and what happens in them."""
